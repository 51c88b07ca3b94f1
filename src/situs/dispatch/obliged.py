"""What is sent to a place when its obligations have been carried out, or why nothing may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from situs.analysis.transforms import Restorer, Sent, carry_out, survivors
from situs.analysis.transforms.parts import limited, switched, without_attachments
from situs.core.decision import Analysis, Decision, Obligation
from situs.core.fleet import Deployment
from situs.core.ports import Mend
from situs.core.record import NO_LOG
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.dispatch.answer_scan import ANSWER_SCAN, AnswerScan, sought
from situs.dispatch.attempt import Step
from situs.dispatch.cascade import cascaded
from situs.dispatch.mend import MakeFilter, mend_for
from situs.placement.filters import owed_by
from situs.placement.latency import lateness

HOLD = "hold_for_approval"


class Sending(Struct, frozen=True):
    """`request` is what leaves, `mend` makes what its answer passes through.

    `applied` says how often each obligation was carried out. With `refused` (a reason code) nothing
    may leave.
    """

    request: Request
    applied: dict[str, int] = {}
    mend: Callable[[], Mend] | None = None
    refused: str | None = None

    def __repr__(self) -> str:
        return f"Sending({self.request.id!r}, {self.applied!r}, refused={self.refused!r})"


def carried_out(
    request: Request,
    analysis: Analysis,
    deployment: Deployment,
    owed: Sequence[Obligation],
    snapshot: Snapshot,
    key: bytes,
) -> Sending:
    """What may be sent to `deployment` under what is owed there.

    1. Texts are redacted or get pseudonyms, attachments go; what would leave is looked at again,
       and if something of what was to be hidden is still there, nothing leaves.
    2. Limits and switches are set.
    3. What looks at the answer stands before what brings the originals back.
    """
    applied: dict[str, int] = {}
    by_kind: dict[str, list[Obligation]] = {}
    for one in owed:
        by_kind.setdefault(one.kind, []).append(one)
    sent = carry_out(request, analysis.findings, owed, key)
    if sent.refused is not None:
        return Sending(request, refused=sent.refused)
    if "strip_attachments" in by_kind:
        stripped, applied["strip_attachments"] = without_attachments(sent.request)
        sent = replace(sent, request=stripped)
    if sent.kinds != frozenset() and (left := survivors(sent, snapshot.labels)):
        return Sending(request, refused=f"still_there:{left[0]}")
    request = sent.request
    if limits := by_kind.get("max_output_tokens"):
        request = limited(request, min(one.limit for one in limits))
        applied["max_output_tokens"] = 1
    if "no_retention" in by_kind:
        request = switched(request, deployment.no_retention or {})
        applied["no_retention"] = 1
    for kind in ("require_owned", NO_LOG, HOLD):
        if kind in by_kind:
            applied[kind] = 1
    answer = _answer(request, sent, by_kind.get(ANSWER_SCAN, []), snapshot)
    if answer is None:
        return Sending(request, refused="answer_not_readable")
    return Sending(request, {**applied, **answer.applied, **sent.applied}, answer.mend)


class _Answer(Struct, frozen=True):
    """What an answer passes through, and what has been done on it so far."""

    mend: Callable[[], Mend] | None
    applied: dict[str, int] = {}


def _answer(
    request: Request, sent: Sent, scans: Sequence[Obligation], snapshot: Snapshot
) -> _Answer | None:
    """None where it cannot be looked for what is asked."""
    filters: list[MakeFilter] = []
    if scans:
        tenant, own = request.principal.tenant, sorted(sent.placed)
        looked = sought(scans, snapshot.labels, tenant, snapshot.heads, own)
        if looked is None:
            return None
        filters.append(lambda field: AnswerScan(looked, json=field.json))
    if sent.restore is not None:
        restore = sent.restore
        filters.append(lambda field: Restorer(restore, json=field.json))
    bare = sent.restore is not None or any(one.action != "note" for one in scans)
    mend = mend_for(request, filters, bare=bare)
    looked_at = bool(scans) and mend is not None
    return _Answer(mend, {ANSWER_SCAN: 0} if looked_at else {})


def obliged_steps(
    request: Request, decision: Decision, snapshot: Snapshot, key: bytes
) -> tuple[list[Step], dict[str, str]]:
    """The ranking as places to try, and why some of it is not (by deployment).

    Places that owe the same are sent the same. In a cascade, answers are judged.
    """
    fleet = snapshot.fleet
    by_name = {d.name: (d, s) for d, s in zip(fleet.deployments, fleet.states, strict=True)}
    owed = owed_by(decision.policy)
    made: dict[tuple[Any, ...], Sending] = {}
    steps: list[Step] = []
    unmet: dict[str, str] = {}
    for candidate in decision.placement.ranked:
        deployment, state = by_name[candidate.deployment]
        step = Step(deployment, candidate, request, late=lateness(state))
        mine = owed.get(deployment.name)
        if mine is None:
            steps.append(step)
            continue
        switches = deployment.no_retention or {}
        same = (tuple(replace(one, deployment="*") for one in mine), *sorted(switches.items()))
        sending = made.get(same)
        if sending is None:
            sending = carried_out(request, decision.analysis, deployment, mine, snapshot, key)
            made[same] = sending
        if sending.refused is not None:
            unmet[deployment.name] = sending.refused
        else:
            applied, mend = sending.applied, sending.mend
            steps.append(replace(step, request=sending.request, applied=applied, mend=mend))
    return cascaded(steps, decision, snapshot.confidences), unmet
