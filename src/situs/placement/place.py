"""Filter, score, pick."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from situs.core.decision import Analysis, Candidate, Exclusion, Placement, PolicyDecision
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.placement.estimates import estimate
from situs.placement.filters import FILTERS, Context, Option
from situs.placement.scorers import OBJECTIVES, SCORERS


def place(
    request: Request, analysis: Analysis, verdict: PolicyDecision, snapshot: Snapshot
) -> Placement:
    """Rank what policy allowed.

    1. Every filter is asked about every allowed deployment; one reason is enough to be out.
    2. The rest is scored on all axes and weighted by the objective.
    3. Adequate models (capability class at least what the request needs) come before the others,
       then higher scores, then lower load, then a hash of request id and name: spread over equals,
       and yet the same again when replayed.
    """
    objective = request.ask.objective or snapshot.objective
    context = Context(request, analysis, objective)
    allowed = set(verdict.allowed)
    kept: list[Option] = []
    exclusions: list[Exclusion] = []
    fleet = snapshot.fleet
    for deployment, state in zip(fleet.deployments, fleet.states, strict=True):
        if deployment.name not in allowed:
            continue
        option = Option(deployment, state, estimate(deployment, state, request, analysis))
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
    names = list(SCORERS)
    columns = [scorer(options) for scorer in SCORERS.values()]
    weights = [OBJECTIVES[context.objective].get(name, 0.0) for name in names]
    ranked = []
    for option, values in zip(options, zip(*columns, strict=True), strict=True):
        score = sum(weight * value for weight, value in zip(weights, values, strict=True))
        name = option.deployment.name
        adequate = option.deployment.model.capability >= context.analysis.needs
        candidate = Candidate(
            deployment=name,
            score=round(score, 6),
            scores=dict(zip(names, values, strict=True)),
            adequate=adequate,
            cost=option.estimate.cost,
            ttft_s=option.estimate.ttft_s,
            e2e_s=option.estimate.e2e_s,
        )
        tie_break = crc32(f"{context.request.id}/{name}".encode())
        load = option.state.in_flight / option.deployment.max_in_flight
        ranked.append(((not adequate, -candidate.score, load, tie_break), candidate))
    ranked.sort(key=lambda pair: pair[0])
    return tuple(candidate for _, candidate in ranked)
