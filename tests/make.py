"""Values for tests: each builder fills what a test does not care about."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis, PolicyDecision
from situs.core.fleet import (
    Deployment,
    DeploymentState,
    FleetView,
    KeyCustody,
    Locus,
    LocusKind,
    Model,
    Price,
    Speed,
    TrainingUse,
)
from situs.core.label import Label
from situs.core.ports import Current
from situs.core.record import Approval, ReceiptRef
from situs.core.request import Ask, Objective, Request, Text, Wire
from situs.core.snapshot import Labels, Policy, Snapshot
from situs.dispatch.budget import Budgets
from situs.dispatch.line import Line
from situs.gateway import Gateway


def locus(name: str = "here", kind: LocusKind = LocusKind.DEVICE, **facts: Any) -> Locus:
    owned = kind in (LocusKind.DEVICE, LocusKind.EDGE, LocusKind.ON_PREM)
    defaults: dict[str, Any] = {
        "jurisdiction": "AU",
        "owned": owned,
        "key_custody": KeyCustody.CUSTOMER if owned else KeyCustody.OPERATOR,
        "retention": "none",
        "training_use": TrainingUse.NONE,
    }
    return Locus(name=name, kind=kind, **{**defaults, **facts})


def deployment(name: str = "local", **facts: Any) -> Deployment:
    """`capability`, `context_tokens`, … go to the model; `price` is (prompt, completion)."""
    model_facts = {
        key: facts.pop(key)
        for key in ("context_tokens", "modalities", "tools", "structured_output", "serves")
        if key in facts
    }
    model = Model(
        name=facts.pop("model", f"{name}-model"),
        capability=facts.pop("capability", CapabilityClass.SMALL),
        **{"context_tokens": 8192, **model_facts},
    )
    price = facts.pop("price", (1.0, 2.0))
    return Deployment(
        name=name,
        model=model,
        locus=facts.pop("locus", locus()),
        node=name,
        price=price and Price("USD", *price),
        speed=facts.pop("speed", Speed()),
        **facts,
    )


def request(
    text: str = "What is the capital of France?", *, ask: Ask | None = None, **fields: Any
) -> Request:
    document = {
        "model": fields.get("model", "auto"),
        "messages": [{"role": "user", "content": text}],
    }
    body = msgspec.json.encode(document)
    defaults: dict[str, Any] = {
        "id": "req_test",
        "wire": Wire.OPENAI_CHAT,
        "model": "auto",
        "document": document,
        "texts": (Text("messages[0].content", text),),
        "size": len(body),
        "body": body,
        "ask": ask or Ask(),
    }
    return Request(**{**defaults, **fields})


def analysis(**facts: Any) -> Analysis:
    defaults: dict[str, Any] = {
        "label": Label.PUBLIC,
        "reasons": (),
        "findings": (),
        "prompt_tokens": 100,
        "completion_tokens": 100,
        "task": "chat",
        "needs": CapabilityClass.TINY,
    }
    return Analysis(**{**defaults, **facts})


def view(*deployments: Deployment, states: dict[str, DeploymentState] | None = None) -> FleetView:
    known = states or {}
    return FleetView(
        deployments, tuple(known.get(d.name, DeploymentState()) for d in deployments), "fleet"
    )


def snapshot(fleet: FleetView, policy: Policy | None = None, **fields: Any) -> Snapshot:
    return Snapshot(fleet, policy or allow_all(fleet), Labels({}), **fields)


def allow_all(fleet: FleetView) -> Policy:
    names = [d.name for d in fleet.deployments]
    return Policy(lambda _: {"allow": names, "deny": []}, "test-policy", frozenset())


def verdict(*allowed: str) -> PolicyDecision:
    return PolicyDecision(allowed, (), (), "test-policy")


__all__ = ["Objective", "allow_all", "analysis", "deployment", "locus", "request", "snapshot"]


async def in_place(run: Any) -> Any:
    """What may be done beside the event loop, but is short enough."""
    raise AssertionError("short requests are analysed in place")


def gateway(kept: Any, **ports: Any) -> Gateway:
    """A gateway whose receipts and situation are `kept`."""
    defaults: dict[str, Any] = {
        "wall": time.time,
        "clock": time.monotonic,
        "aside": in_place,
        "deep": in_place,
        "hurried": lambda: False,
        "sessions": Sessions(),
        "approvals": Approvals(),
        "budgets": Budgets(time.monotonic),
        "line": Line(),
        "secret": b"a key of a test",
    }
    return Gateway(kept, kept, **{**defaults, **ports})


class Kept:
    """The ports `Receipts` and `Situation` over one snapshot: what they are told is in lists.

    Deployments in `full` have no place free.
    """

    def __init__(self, snapshot, backends=None):
        self.fixed, self.backends = snapshot, backends
        self.decisions, self.outcomes, self.begun = [], [], []
        self.full = set()

    async def decided(self, record):
        self.decisions.append(record)
        return ReceiptRef("chain", len(self.decisions))

    def ended(self, what, *rest):
        """An outcome, for the receipts; with more arguments the end of an attempt."""
        if not rest:
            self.outcomes.append(what)

    def current(self):
        return Current(self.fixed, self.backends)

    def began(self, deployment):
        self.begun.append(deployment)
        return deployment not in self.full

    def warm(self, request, blocks=None):
        return {}

    def sent(self, deployment, request):
        """No cache to remember."""

    def again_s(self, deployments):
        return None


class Approvals:
    """The port `Approvals`: always the same word."""

    def __init__(self, yes=False):
        self.yes, self.asked = yes, []

    async def word(self, request, decision, timeout_s):
        self.asked.append(timeout_s)
        return Approval(self.yes, "ada", 1.0)


class Sessions:
    """The port `Sessions` in memory."""

    def __init__(self):
        self.labels = {}

    async def label(self, tenant, session):
        return self.labels.get((tenant, session), Label.PUBLIC)

    async def raised(self, tenant, session, label):
        self.labels[tenant, session] = max(label, await self.label(tenant, session))

    async def lowered(self, tenant, session, seen, label):
        if await self.label(tenant, session) == seen:
            self.labels[tenant, session] = label
