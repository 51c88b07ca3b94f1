"""An example request on an example fleet: what a policy is tried with before it is trusted."""

from __future__ import annotations

from collections.abc import Iterator

from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis
from situs.core.fleet import (
    Deployment,
    DeploymentState,
    FleetView,
    KeyCustody,
    Locus,
    LocusKind,
    Model,
    Price,
    TrainingUse,
)
from situs.core.label import Finding, Label, LabelReason
from situs.core.request import Request, Wire
from situs.core.snapshot import Labels, Policy, Snapshot
from situs.policy.input import Facts, input_document

_OWNED = {LocusKind.DEVICE, LocusKind.EDGE, LocusKind.ON_PREM}


def sample_documents() -> Iterator[bytes]:
    """The whole input document, once for each label."""
    for label in Label:
        yield input_document(sample_facts(label))


def sample_facts(label: Label) -> Facts:
    analysis = Analysis(
        label=label,
        reasons=(LabelReason(label, "declared", "header"),),
        findings=(Finding("email", 0, 0, 5, 1.0, "email"),),
        prompt_tokens=120,
        completion_tokens=256,
        task="chat",
        needs=CapabilityClass.SMALL,
    )
    request = Request("sample", Wire.OPENAI_CHAT, "auto", {}, (), 512)
    return Facts(request, analysis, sample_snapshot(), now=1_767_225_600.0)


def sample_snapshot() -> Snapshot:
    fleet = tuple(sample_deployment(kind) for kind in LocusKind)
    view = FleetView(fleet, tuple(DeploymentState() for _ in fleet), digest="sample")
    return Snapshot(view, Policy(lambda _: None, "", frozenset()), Labels({}), home="DE")


def sample_deployment(kind: LocusKind) -> Deployment:
    """One at a locus of this kind that states everything a careful operator would."""
    locus = Locus(
        name=f"{kind}-locus",
        kind=kind,
        jurisdiction="US" if kind is LocusKind.PUBLIC_CLOUD else "DE",
        owned=kind in _OWNED,
        region="eu-central",
        operator="example",
        key_custody=KeyCustody.CUSTOMER,
        retention="30d" if kind is LocusKind.PUBLIC_CLOUD else "none",
        training_use=TrainingUse.NONE,
    )
    model = Model("example-7b", CapabilityClass.SMALL, context_tokens=32_768)
    return Deployment(f"{kind}-example", model, locus, f"{kind}-node", Price("EUR", 0.2, 0.6))
