"""Builders of what was served, for tests of what counts and shows it."""

from __future__ import annotations

from typing import Any

from tests import make

from situs.core.fleet import DeploymentState, Health, LocusKind
from situs.core.record import Attempt, End, Outcome, Peer, ReceiptRef, Served, Usage
from situs.telemetry.status import Status

AT = 1_800_000_000.0

OWNED = make.deployment("office-llm", locus=make.locus("office", LocusKind.ON_PREM))
RENTED = make.deployment(
    "us-llm", locus=make.locus("us", LocusKind.PUBLIC_CLOUD, jurisdiction="US"), price=(5.0, 5.0)
)


def status(**fields: Any) -> Status:
    fleet = make.view(
        OWNED, RENTED, states={"office-llm": DeploymentState(Health.HEALTHY, in_flight=3)}
    )
    return Status(**{"version": "1.2.3", "started_at": AT - 600, "fleet": fleet, **fields})


def attempt(deployment: Any = OWNED, **fields: Any) -> Attempt:
    facts: dict[str, Any] = {
        "deployment": deployment.name,
        "locus": deployment.locus.name,
        "jurisdiction": deployment.locus.jurisdiction,
        "model": deployment.model.name,
        "weights": None,
        "end": End.COMPLETE,
        "peer": Peer("192.0.2.7", 8080),
        "status": 200,
        "bytes_out": 100,
        "bytes_in": 1000,
        "ttft_s": 0.2,
        "duration_s": 1.2,
    }
    return Attempt(**{**facts, **fields})


def served(**fields: Any) -> Served:
    """A stream that the owned deployment answered; fields of the outcome go there.

    `decided_at` is when it was decided, `at` when it ended.
    """
    facts: dict[str, Any] = {
        "id": "req_1",
        "at": fields.pop("decided_at", AT - 1.25),
        "receipt": ReceiptRef("c1", 7),
        "wire": "openai.chat",
        "asked": "auto",
        "tenant": "default",
        "key": "-",
        "label": "internal",
        "task": "chat",
        "route": None,
        "objective": "cheapest_adequate",
        "stream": True,
        "trace": None,
        "allowed": 2,
    }
    ended: dict[str, Any] = {
        "at": AT,
        "status": 200,
        "code": None,
        "attempts": (attempt(),),
        "usage": Usage(100, 51, 40),
        "cost": 0.5,
        "saved": 0.25,
        "currency": "USD",
        "overhead_s": 0.002,
        "duration_s": 1.26,
        "analysis_s": 0.001,
    }
    for name in list(fields):
        if name in ended:
            ended[name] = fields.pop(name)
    identifier = fields.get("id", facts["id"])
    return Served(**{**facts, **fields}, outcome=Outcome(id=identifier, **ended))
