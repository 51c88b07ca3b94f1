"""Filter, score, order: of what policy allowed, what is tried first?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from msgspec import Struct

from situs.core.aim import Aim
from situs.core.cost import expected_cost
from situs.core.decision import Analysis, Candidate, Exclusion, Placement, PolicyDecision
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.placement.aims import aim_for
from situs.placement.columns import Table, table_of
from situs.placement.estimates import UNKNOWN, estimate
from situs.placement.filters import (
    FILTERS,
    LASTING,
    Context,
    Option,
    context_window,
    owed_by,
    refusals,
)
from situs.placement.objectives import OBJECTIVES
from situs.placement.order import enough, ordered, scored, tries, weighed
from situs.placement.scorers import Field

_FLEETING = tuple(name for name in FILTERS if name not in LASTING)


class Ranking(Struct, frozen=True):
    """All that is left, in the order in which it would be tried, and why the rest is not."""

    field: Field
    order: list[int]
    adequate: list[bool]
    score: list[float]
    scores: dict[str, list[float]]
    exclusions: tuple[Exclusion, ...]

    def candidate(self, k: int, name: str) -> Candidate:
        """What is written of column `k`."""
        field = self.field
        return Candidate(
            name,
            self.score[k],
            {scorer: column[k] for scorer, column in self.scores.items()},
            self.adequate[k],
            field.cost[k],
            field.ttft_s[k],
            field.e2e_s[k],
            field.quality[k],
            field.prompt_tokens[k],
            field.cached_tokens[k],
        )


def place(
    request: Request,
    analysis: Analysis,
    verdict: PolicyDecision,
    snapshot: Snapshot,
    warm: Mapping[str, int],
) -> Placement:
    """Rank what policy allowed. `warm` are the prompt tokens that a deployment has in its cache.

    1. Every filter is asked about every allowed deployment; one reason is enough to be out. What is
       out for good is not asked whether it is busy.
    2. The rest is put in order by the objective; see `order.ordered`, and docs/reference/placement.
    3. Of many only the first are kept; see `order.tries`.
    """
    aim, table = aim_for(request, analysis, snapshot), table_of(snapshot)
    ranking = rank(request, analysis, verdict, snapshot, warm, aim)
    first = tries(ranking.order, ranking.field, table)
    at = ranking.field.at
    ranked = tuple([ranking.candidate(k, table.names[at[k]]) for k in first])
    return Placement(ranked, ranking.exclusions, aim.objective, hedge=aim.hedge)


def rank(
    request: Request,
    analysis: Analysis,
    verdict: PolicyDecision,
    snapshot: Snapshot,
    warm: Mapping[str, int],
    aim: Aim,
) -> Ranking:
    """All that is left, in order."""
    owed = owed_by(verdict) if verdict.obligations else {}
    context = Context(request, analysis, aim.objective, owed)
    table = table_of(snapshot)
    selection = table.selection(verdict, context)
    at, out = selection.at, _out(selection.at, table, context, snapshot)
    if out:
        at = [position for position in at if position not in out]
    field = _field(at, table, context, snapshot, warm)
    if beyond := _beyond(field, request):
        out |= beyond
        field = _field([one for one in at if one not in out], table, context, snapshot, warm)
    exclusions = selection.exclusions
    if out:
        exclusions += _told(sorted(out), context, snapshot, warm)
    if not field.at:
        return Ranking(field, [], [], [], {}, exclusions)
    profile, scores = OBJECTIVES[aim.objective], scored(field)
    score = weighed(profile, scores)
    good = enough(field, table, aim.quality)
    order = ordered(field, table, profile, good, score, request.id)
    return Ranking(field, order, good, score, scores, exclusions)


def _out(at: list[int], table: Table, context: Context, snapshot: Snapshot) -> set[int]:
    """Where nothing can be served now, or the context is too small."""
    states, deployments = snapshot.fleet.states, table.deployments
    shut = table.pulse(states).shut
    out = set(shut.intersection(at)) if shut else set()
    analysis = context.analysis
    prompt = max(analysis.tokens_by.values(), default=0)
    answer = context.request.max_completion_tokens or analysis.completion_tokens
    most: float = max(prompt, analysis.prompt_tokens) + answer
    if analysis.longest_tokens is not None:
        most = inf
    if most > table.least_context:
        for position in at:
            if table.contexts[position] < most:
                option = Option(deployments[position], states[position], UNKNOWN)
                if context_window(option, context) is not None:
                    out.add(position)
    return out


def _beyond(field: Field, request: Request) -> set[int]:
    """Where it would cost or take more than is asked; what filters say, for all at once."""
    ask, out = request.ask, set[int]()
    if (limit := ask.max_cost) is not None:
        out |= {
            at
            for at, cost in zip(field.at, field.cost, strict=True)
            if cost is None or cost > limit
        }
    if (slo_s := ask.slo_ttft_s) is not None:
        out |= {at for at, time in zip(field.at, field.ttft_s, strict=True) if time > slo_s}
    if (deadline_s := ask.deadline_s) is not None:
        out |= {at for at, time in zip(field.at, field.e2e_s, strict=True) if time > deadline_s}
    return out


def _told(
    out: Sequence[int], context: Context, snapshot: Snapshot, warm: Mapping[str, int]
) -> tuple[Exclusion, ...]:
    """Every reason why these are out."""
    fleet, told = snapshot.fleet, list[Exclusion]()
    for at in out:
        deployment, state = fleet.deployments[at], fleet.states[at]
        cached = warm.get(deployment.name, 0)
        expected = estimate(
            deployment, state, context.request, context.analysis, snapshot.data, cached
        )
        told += refusals(Option(deployment, state, expected), context, _FLEETING)
    return tuple(told)


def _field(
    at: list[int], table: Table, context: Context, snapshot: Snapshot, warm: Mapping[str, int]
) -> Field:
    """The figures of `estimates.estimate`, for all at once: a price or a model is asked once."""
    request, analysis = context.request, context.analysis
    pulse = table.pulse(snapshot.fleet.states)
    by_family = [analysis.tokens_by.get(f, analysis.prompt_tokens) for f in table.families]
    prompt = [by_family[table.family[i]] for i in at]
    cached = [0] * len(at)
    if warm:
        names = table.names
        cached = [min(warm.get(names[i], 0), most) for i, most in zip(at, prompt, strict=True)]
    fresh = [whole - there for whole, there in zip(prompt, cached, strict=True)] if warm else prompt
    base_s, prompt_s = pulse.base_s, pulse.prompt_s
    ttft_s = [base_s[i] + new * prompt_s[i] for i, new in zip(at, fresh, strict=True)]
    answer, token_s, context_s = (
        analysis.completion_tokens * request.choices,
        pulse.token_s,
        pulse.context_s,
    )
    e2e_s = [
        first + answer * (token_s[i] + whole * context_s[i])
        for i, first, whole in zip(at, ttft_s, prompt, strict=True)
    ]
    price, priced = table.price, table.priced
    known = {
        kind: expected_cost(priced[kind], request, analysis, snapshot.data)
        for kind in {price[i] for i in at}
    }
    cost = [known[price[i]] for i in at]
    if warm:
        for k, there in enumerate(cached):
            if there:
                one = priced[price[at[k]]]
                cost[k] = expected_cost(one, request, analysis, snapshot.data, there)
    quality, model = table.qualities(analysis, snapshot.beliefs), table.model
    return Field(
        at,
        cost,
        ttft_s,
        e2e_s,
        [quality[model[i]] for i in at],
        [pulse.load[i] for i in at],
        [pulse.health[i] for i in at],
        prompt,
        cached,
    )
