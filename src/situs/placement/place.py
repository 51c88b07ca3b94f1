"""Filter, score, pick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from zlib import crc32

from situs.core.decision import Analysis, Candidate, Exclusion, Placement, PolicyDecision
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.placement.aims import aim_for
from situs.placement.estimates import estimate
from situs.placement.filters import FILTERS, Context, Option, owed_by
from situs.placement.scorers import OBJECTIVES, SCORERS


def place(
    request: Request,
    analysis: Analysis,
    verdict: PolicyDecision,
    snapshot: Snapshot,
    warm: Mapping[str, int],
) -> Placement:
    """Rank what policy allowed. `warm` are the prompt tokens that a deployment has in its cache.

    1. Every filter is asked about every allowed deployment; one reason is enough to be out.
    2. The rest is scored on all axes and weighted by the objective.
    3. Adequate models (capability class at least what the request needs) come first, the others
       after them by class; then higher scores, then lower load, then a hash of request id and
       name: spread over equals, and yet the same again when replayed.
    """
    objective = aim_for(request, analysis, snapshot).objective
    owed = owed_by(verdict) if verdict.obligations else {}
    context = Context(request, analysis, objective, owed)
    allowed = set(verdict.allowed)
    kept: list[Option] = []
    exclusions: list[Exclusion] = []
    fleet = snapshot.fleet
    for deployment, state in zip(fleet.deployments, fleet.states, strict=True):
        if deployment.name not in allowed:
            continue
        option = Option(
            deployment, state, estimate(deployment, state, request, analysis, snapshot.data)
        )
        reasons = refusals(option, context)
        if reasons:
            exclusions.extend(reasons)
        else:
            kept.append(option)
    return Placement(_rank(kept, context) if kept else (), tuple(exclusions), objective)


def refusals(option: Option, context: Context) -> list[Exclusion]:
    """What every filter that refuses this option says."""
    return [
        Exclusion(option.deployment.name, name, code)
        for name, refuse in FILTERS.items()
        if (code := refuse(option, context)) is not None
    ]


def _rank(options: Sequence[Option], context: Context) -> tuple[Candidate, ...]:
    columns = {name: scorer(options) for name, scorer in SCORERS.items()}
    weights = OBJECTIVES[context.objective]
    needs, seed = context.analysis.needs, crc32(context.request.id.encode())
    ranked = []
    for place, option in enumerate(options):
        deployment, estimate = option.deployment, option.estimate
        scores = {name: column[place] for name, column in columns.items()}
        score = 0.0
        for name, weight in weights.items():
            score += weight * scores[name]
        score = round(score, 6)
        missing = max(0, needs.rank - deployment.model.capability.rank)
        candidate = Candidate(
            deployment=deployment.name,
            score=score,
            scores=scores,
            adequate=missing == 0,
            cost=estimate.cost,
            ttft_s=estimate.ttft_s,
            e2e_s=estimate.e2e_s,
        )
        load = option.state.in_flight / deployment.max_in_flight
        tie_break = crc32(deployment.name.encode(), seed)
        ranked.append((missing, -score, load, tie_break, candidate))
    ranked.sort(key=_ORDER)
    return tuple(entry[4] for entry in ranked)


_ORDER = itemgetter(0, 1, 2, 3)
