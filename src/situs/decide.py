"""The decision: what is it, where may it run, where is it best?"""

from __future__ import annotations

from situs.analysis import analyse
from situs.core.decision import Analysis, Decision, PolicyDecision
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.placement import place
from situs.policy import judge


def decide(
    request: Request,
    snapshot: Snapshot,
    now: float,
    *,
    analysis: Analysis | None = None,
    verdict: PolicyDecision | None = None,
) -> Decision:
    """Say where this request may run, where it should, and why.

    The same inputs give the same decision. What is given (a deeper analysis, a remote verdict, a
    recorded one) is not computed again. `now` is wall time in seconds since the epoch; policies
    see it as `input.time`.
    """
    analysis = analysis or analyse(request, snapshot.labels, snapshot.routes)
    verdict = verdict or judge(request, analysis, snapshot, now)
    placement = place(request, analysis, verdict, snapshot)
    return Decision(request.id, now, analysis, verdict, placement, snapshot.fleet.digest)
