"""Why a request is refused, and when it is worth while to send it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil

from situs.core.decision import Decision
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.errors import NoCapacity, NoDeploymentFits, PlacementDenied, SitusError
from situs.placement.filters import PASSING, meant


def retry_after(again_s: float | None) -> int:
    """The whole seconds that a caller is told; five where nobody knows."""
    return 5 if again_s is None else max(1, ceil(again_s))


def refusal(
    request: Request,
    decision: Decision,
    snapshot: Snapshot,
    again_s: Callable[[Iterable[str]], float | None],
) -> SitusError:
    """Why nothing is left.

    1. Policy allows nothing of what was asked for: 403, with its reasons.
    2. Something of it is down or busy: 503, worth a retry when the first of it may be tried.
    3. What is asked fits nothing: 422, the same again tomorrow.
    """
    label, exclusions = decision.analysis.label, decision.placement.exclusions
    fleet, analysis = snapshot.fleet.deployments, decision.analysis
    asked = {d.name for d in fleet if meant(d, request, analysis)}
    if asked.isdisjoint(decision.policy.allowed):
        denied = {e.code for e in decision.policy.exclusions if e.deployment in asked}
        cause = decision.policy.error or ", ".join(sorted(denied)) or "nothing is allowed"
        routed = decision.analysis.routed
        where = f"nowhere on its route {routed.route}" if routed is not None else "nowhere"
        return PlacementDenied(f"The request is {label} and policy allows it {where}: {cause}.")
    lacks: dict[str, list[str]] = {}
    for exclusion in exclusions:
        if exclusion.deployment in asked:
            lacks.setdefault(exclusion.deployment, []).append(exclusion.code)
    told = "; ".join(f"{name}: {', '.join(codes)}" for name, codes in lacks.items())
    passing = {e.deployment for e in exclusions if e.rule in PASSING and e.deployment in asked}
    if passing:
        busy = NoCapacity(f"The request is {label}; no allowed deployment can take it ({told}).")
        lasting = {e.deployment for e in exclusions if e.rule not in PASSING}
        busy.retry_after_s = retry_after(again_s(passing - lasting))
        return busy
    return NoDeploymentFits(f"The request is {label}; it fits no allowed deployment ({told}).")
