"""What is counted of a receipt's line: decisions and outcomes, decoded no further than needed."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from situs.core.record import NO_LOG, UNLOGGED, Outcome, ReceiptRef, Served


class Begun(Struct, frozen=True, gc=False):
    """A decision as read: where its line stands, and what is counted of it.

    The index keeps all of it but `tiers` and `needs`, which are empty in what it finds again.
    """

    id: str
    at: float
    chain: str
    first: int
    offset: int
    seq: int
    wire: str
    asked: str
    tenant: str
    key: str
    label: str
    task: str
    route: str | None
    objective: str
    stream: bool
    trace: str | None
    allowed: int
    fleet: str
    tiers: dict[str, str] = {}
    needs: str = ""


class Over(Struct, frozen=True):
    """An outcome as read, and where its line stands."""

    chain: str
    first: int
    offset: int
    seq: int
    outcome: Outcome


class Joined(Struct, frozen=True):
    """A decision with its outcome."""

    begun: Begun
    over: Over

    def served(self) -> Served:
        b = self.begun
        return Served(
            id=b.id,
            at=b.at,
            receipt=ReceiptRef(b.chain, b.seq),
            wire=b.wire,
            asked=b.asked,
            tenant=b.tenant,
            key=b.key,
            label=b.label,
            task=b.task,
            route=b.route,
            objective=b.objective,
            stream=b.stream,
            trace=b.trace,
            allowed=b.allowed,
            outcome=self.over.outcome,
            tiers=b.tiers,
        )


def begun(line: bytes, chain: str, first: int, offset: int, seq: int) -> Begun:
    """A decision's line and where it stands. Raises MsgspecError for one that is none.

    Where it is not to be logged, who asked and what for is left out.
    """
    decision = _decision(line)
    request, analysis = decision.request, decision.analysis
    logged = all(one.kind != NO_LOG for one in decision.policy.obligations)
    routed = analysis.routed if logged else None
    return Begun(
        decision.id,
        decision.at,
        chain,
        first,
        offset,
        seq,
        request.wire,
        request.model if logged else UNLOGGED,
        request.tenant if logged else UNLOGGED,
        request.key if logged else UNLOGGED,
        analysis.label,
        analysis.task if logged else UNLOGGED,
        None if routed is None else routed.route,
        decision.placement.objective,
        request.stream,
        request.trace if logged else None,
        len(decision.policy.allowed),
        decision.fleet.digest,
        analysis.tiers,
        analysis.needs,
    )


def over(line: bytes, chain: str, first: int, offset: int, seq: int) -> Over:
    """An outcome's line and where it stands. Raises MsgspecError for one that is none."""
    return Over(chain, first, offset, seq, _outcome(line))


def owned(line: bytes) -> tuple[str, dict[str, bool]]:
    """A fleet line: its digest, and which deployments are on owned loci. Raises MsgspecError."""
    fleet = _fleet(line)
    return fleet.digest, {d.name: d.locus.owned for d in fleet.deployments}


class _Request(Struct):
    wire: str
    model: str
    tenant: str
    key: str
    stream: bool
    trace: str | None = None


class _Routed(Struct):
    route: str


class _Analysis(Struct):
    label: str
    task: str
    needs: str = ""
    routed: _Routed | None = None
    tiers: dict[str, str] = {}


class _Owed(Struct):
    kind: str


class _Policy(Struct):
    allowed: list[str]
    obligations: list[_Owed] = []


class _Placement(Struct):
    objective: str


class _Cited(Struct):
    digest: str


class _Decision(Struct):
    id: str
    at: float
    request: _Request
    analysis: _Analysis
    policy: _Policy
    placement: _Placement
    fleet: _Cited


class _Locus(Struct):
    owned: bool


class _Deployment(Struct):
    name: str
    locus: _Locus


class _Fleet(Struct):
    digest: str
    deployments: list[_Deployment]


_decision = msgspec.json.Decoder(_Decision).decode
_outcome = msgspec.json.Decoder(Outcome).decode
_fleet = msgspec.json.Decoder(_Fleet).decode
