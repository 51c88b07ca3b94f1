"""Requests on fleets, drawn by a seed: what policies and engines are compared on."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from msgspec.structs import replace
from tests import make

from situs.core.capability import CapabilityClass
from situs.core.data import DataSet, Leaves
from situs.core.decision import Analysis
from situs.core.fleet import (
    Deployment,
    DeploymentState,
    FleetView,
    KeyCustody,
    Locus,
    LocusKind,
    Transit,
)
from situs.core.fleet import TrainingUse as Training
from situs.core.label import Finding, Label, LabelReason
from situs.core.request import Ask, Modality, Principal, Wire
from situs.core.snapshot import Policy
from situs.policy.input import Facts

_COUNTRIES = ("AU", "DE", "FR", "JP", "US", "ZZ")
_KINDS = ("person", "email", "iban", "card", "health_id", "credential", "date_of_birth")


def some_facts(policy: Policy, count: int, seed: int = 7) -> Iterator[Facts]:
    """Deployments are often alike in all but their names; times lie in 2026."""
    random = Random(seed)
    for number in range(count):
        fleet = _fleet(random, f"fleet-{seed}-{number}")
        data = {name: _data(random, name, fleet) for name in ("crm", "wiki")}
        named = tuple(sorted(random.sample(["crm", "wiki", "lost"], random.randrange(3))))
        snapshot = make.snapshot(
            fleet, policy, home=random.choice(["", "AU", "DE", "JP"]), data=data
        )
        request = make.request(
            id=f"r{number}",
            wire=random.choice(list(Wire)),
            principal=Principal(
                random.choice(["default", "clinic"]), "k1", tuple(random.choice([[], ["hr"]]))
            ),
            ask=Ask(session=random.choice([None, "s"]), criticality=random.choice(_CRITICALITY)),
            stream=random.random() < 0.5,
            tools=random.random() < 0.3,
            modalities=frozenset({Modality.TEXT, random.choice(list(Modality))}),
            session_label=random.choice(list(Label)),
            data=named,
        )
        yield Facts(request, _analysis(random, named), snapshot, 1_767_225_600.0 + number * 86_399)


def facts_of_row(row: dict[str, Any], policy: Policy) -> Facts:
    """The request of a row of a table, on a fleet of one deployment, `d`."""
    stated = {"jurisdiction": "DE", "key_custody": "customer", "retention": "30d"}
    said = {**stated, "training_use": "none", **row.get("facts", {})}
    said["key_custody"] = KeyCustody(said["key_custody"])
    said["training_use"] = Training(said["training_use"])
    one = make.deployment("d", locus=make.locus("l", LocusKind(row["kind"]), **said))
    fleet = FleetView((one,), (DeploymentState(),), row["name"])
    snapshot = make.snapshot(fleet, policy, home=row.get("home", "DE"))
    return Facts(make.request(), make.analysis(label=Label.parse(row["label"])), snapshot, 0.0)


_CRITICALITY = ("advisory", "operational")


def _analysis(random: Random, data: tuple[str, ...]) -> Analysis:
    label = random.choice(list(Label))
    kinds = random.sample(_KINDS, random.randrange(4))
    found = tuple(
        Finding(kind, 0, place, place + 1, 1.0, kind)
        for kind in kinds
        for place in range(random.randrange(1, 4))
    )
    facts: dict[str, Any] = {
        "label": label,
        "reasons": tuple(LabelReason(label, "finding", kind) for kind in kinds),
        "findings": found,
        "prompt_tokens": random.randrange(10, 5000),
        "completion_tokens": random.randrange(10, 2000),
        "task": random.choice(["chat", "code", "extract"]),
        "needs": random.choice(list(CapabilityClass)),
        "language": random.choice(["en", "de", "ja", "und"]),
        "data": data,
        "tokens_by": random.choice([{}, {"apart": random.randrange(10, 5000)}]),
    }
    return make.analysis(**facts)


def _data(random: Random, name: str, fleet: FleetView) -> DataSet:
    loci = tuple(sorted({one.locus.name for one in fleet.deployments if random.random() < 0.4}))
    return DataSet(
        name,
        random.choice(list(Label)),
        loci,
        random.choice(_COUNTRIES),
        random.choice(list(Leaves)),
        moved_mb=random.choice([0.0, 0.001]),
    )


def _fleet(random: Random, digest: str) -> FleetView:
    loci = [_locus(random, f"locus-{place}") for place in range(random.randrange(1, 5))]
    some = tuple(_deployment(random, place, loci) for place in range(random.randrange(1, 12)))
    return FleetView(some, tuple(DeploymentState() for _ in some), digest)


def _deployment(random: Random, place: int, loci: list[Locus]) -> Deployment:
    one = make.deployment(
        f"deployment-{place}",
        model=random.choice(["small-model", "large-model"]),
        capability=random.choice(list(CapabilityClass)),
        locus=random.choice(loci),
        tools=random.random() < 0.5,
        price=random.choice([None, (1.0, 2.0), (0.1, 0.2)]),
    )
    return replace(one, model=replace(one.model, family=random.choice(["", "", "apart"])))


def _locus(random: Random, name: str) -> Locus:
    kind = random.choice(list(LocusKind))
    owned = kind in {LocusKind.DEVICE, LocusKind.EDGE, LocusKind.ON_PREM} and random.random() < 0.8
    return make.locus(
        name,
        kind,
        owned=owned,
        jurisdiction=random.choice(_COUNTRIES),
        region=random.choice(["unknown", "eu-central", "Sydney"]),
        operator=random.choice(["us", "Example Cloud", "Example Health Cloud"]),
        key_custody=random.choice(list(KeyCustody)),
        retention=random.choice(["none", "30d", "unknown"]),
        training_use=random.choice(list(Training)),
        transit=random.choice(list(Transit)),
        egress_price=random.choice([0.0, 0.0, 0.1]),
        evidence_until=random.choice([None, None, "2025-12-31", "2026-01-20", "2027-01-01"]),
    )
