"""Filter, score, order: of what policy allowed, what is tried first?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from operator import itemgetter
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from situs.core.aim import BASED, Aim
from situs.core.cost import costs_of, expected_cost
from situs.core.decision import Analysis, Candidate, Exclusion, Given, Placement, PolicyDecision
from situs.core.fleet import DOWN
from situs.core.request import Request
from situs.core.snapshot import Confidences, Snapshot
from situs.placement.aims import aim_for
from situs.placement.columns import Table, table_of
from situs.placement.confidence import bar_for
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
from situs.placement.lengths import answer_tokens
from situs.placement.modes import apply_mode, drawn
from situs.placement.order import TRIES, Judged, judged, lesser, ordered, tries
from situs.placement.prefix import beyond
from situs.placement.scorers import Field

T = TypeVar("T")

_FLEETING = tuple(name for name in FILTERS if name not in LASTING)


class Ranking(Struct, frozen=True):
    """All that is left, in the order in which it would be tried, and why the rest is not.

    `usual` is what a usual request costs at the best model; 0 where nothing was learned of any.
    `cascades`: the answer of the first may be refused, because what it is worth can be known, as it
    can of the models that are `calibrated`; then one may stand first that is `lesser`.
    """

    field: Field
    exclusions: tuple[Exclusion, ...]
    order: list[int] = []
    by: Judged | None = None
    usual: float = 0.0
    cascades: bool = False
    calibrated: frozenset[str] = frozenset()
    lesser: bool = False

    def candidates(self, columns: Sequence[int], names: Sequence[str]) -> tuple[Candidate, ...]:
        """What is written of these columns. `names` are those of the fleet."""
        field, by = self.field, self.by
        if by is None:
            return ()
        scorers, scores = tuple(by.scores), tuple(by.scores.values())
        return tuple(
            [
                Candidate(
                    names[field.at[k]],
                    round(by.score[k], 6),
                    dict(zip(scorers, [column[k] for column in scores], strict=True)),
                    by.adequate[k],
                    field.cost[k],
                    field.ttft_s[k],
                    field.e2e_s[k],
                    field.quality[k],
                    field.prompt_tokens[k],
                    field.cached_tokens[k],
                )
                for k in columns
            ]
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
    3. In a mode with a baseline that one comes first, or right after the pick; see `modes`.
    4. Of many only the first are kept; see `order.tries`.
    """
    aim = drawn(aim_for(request, analysis, snapshot), request, snapshot.rolled_back)
    table, context = table_of(snapshot), _context(request, analysis, verdict, aim)
    left = _left(table, context, verdict, snapshot, warm)
    all_count = aim.cascade is not None or aim.mode in BASED
    ranking = _ranked(left, table, context, snapshot, aim, None if all_count else TRIES)
    served = apply_mode(ranking.order, ranking.field.at, table.names, aim)
    as_picked = served.order[:1] == ranking.order[:1]
    first = tries(served.order, ranking.field, table)
    ranked = ranking.candidates(first, table.names)
    cascades = as_picked and ranking.cascades and _better_there(ranked)
    return Placement(
        ranked,
        ranking.exclusions,
        aim.objective,
        aim.mode,
        served.pick,
        served.copies,
        cascade=aim.cascade if cascades else None,
        hedge=aim.hedge and as_picked,
        given=_given(aim, ranking, table, context, snapshot, warm),
    )


def _better_there(ranked: Sequence[Candidate]) -> bool:
    """Whether there is who could be asked if the first's answer is refused."""
    return any((one.quality or 0.0) > (ranked[0].quality or 0.0) for one in ranked[1:])


def _given(
    aim: Aim,
    ranking: Ranking,
    table: Table,
    context: Context,
    snapshot: Snapshot,
    warm: Mapping[str, int],
) -> Given:
    request, analysis = context.request, context.analysis
    beliefs, read, calibrated = snapshot.beliefs, snapshot.read, ranking.calibrated
    known = bool(beliefs.table or beliefs.final)
    answers = table.answers(request, analysis, beliefs)
    if not (known or answers or analysis.acceptable or warm or read or calibrated):
        return Given(aim)
    means = table.qualities(analysis, beliefs) if known else ()
    return Given(
        aim,
        {model.name: mean for model, mean in zip(table.models, means, strict=False)},
        ranking.usual,
        _of_one(table, answers, request.choices),
        dict(warm),
        dict(read),
        tuple(sorted(calibrated)),
    )


def _of_one(table: Table, answers: Sequence[int] | None, choices: int) -> dict[str, int]:
    """The tokens expected of one choice, by model."""
    by_model = zip(table.models, answers or (), strict=False)
    return {model.name: tokens // choices for model, tokens in by_model}


def rank(
    request: Request,
    analysis: Analysis,
    verdict: PolicyDecision,
    snapshot: Snapshot,
    warm: Mapping[str, int],
    aim: Aim,
) -> Ranking:
    """All that is left, in order."""
    table, context = table_of(snapshot), _context(request, analysis, verdict, aim)
    return _ranked(_left(table, context, verdict, snapshot, warm), table, context, snapshot, aim)


def _context(request: Request, analysis: Analysis, verdict: PolicyDecision, aim: Aim) -> Context:
    owed = owed_by(verdict) if verdict.obligations else {}
    return Context(request, analysis, aim.objective, owed)


def _left(
    table: Table,
    context: Context,
    verdict: PolicyDecision,
    snapshot: Snapshot,
    warm: Mapping[str, int],
) -> tuple[Field, tuple[Exclusion, ...]]:
    """What no filter refuses, and why the rest is out."""
    selection = table.selection(verdict, context)
    at, out = selection.at, _out(selection.at, table, context, snapshot)
    if out:
        at = [position for position in at if position not in out]
    field = _field(at, table, context, snapshot, warm)
    if over := _over(field, context.request):
        out |= over
        field = _field([one for one in at if one not in out], table, context, snapshot, warm)
    told = _told(sorted(out), context, snapshot, warm) if out else ()
    return field, selection.exclusions + told


def _ranked(
    left: tuple[Field, tuple[Exclusion, ...]],
    table: Table,
    context: Context,
    snapshot: Snapshot,
    aim: Aim,
    most: int | None = None,
) -> Ranking:
    """`most` as in `order.ordered`."""
    field, exclusions = left
    if not field.at:
        return Ranking(field, exclusions)
    bounded = _bounded(field, table, context, snapshot)
    usual = _usual(field, table, context, snapshot)
    by = judged(bounded, table, aim, usual)
    order = ordered(field, table, by, context.request.id, most)
    known = _calibrated(table, context.request, context.analysis, snapshot.confidences, aim)
    if not known:
        return Ranking(field, exclusions, order, by, usual)
    able = [table.deployments[one].model.name in known for one in field.at]
    if (first := lesser(order, field, by, able)) is not None:
        order = [first, *[k for k in order if k != first]]
    return Ranking(field, exclusions, order, by, usual, able[order[0]], known, first is not None)


def _bounded(field: Field, table: Table, context: Context, snapshot: Snapshot) -> Field:
    """The figures as they are judged: beyond the bound (`prefix.beyond`) a place costs and takes
    what it would without a cache, so that no advantage of a cache makes it a hot spot."""
    hot = beyond(field.prompt_tokens, field.cached_tokens, field.prompt_s, field.read)
    if not hot:
        return field
    cost, ttft_s, e2e_s = list(field.cost), list(field.ttft_s), list(field.e2e_s)
    for k in hot:
        place, request = table.deployments[field.at[k]], context.request
        answer = answer_tokens(place.model.name, request, context.analysis, snapshot.beliefs)
        cost[k] = expected_cost(place, request, context.analysis, snapshot.data, 0, answer)
        ttft_s[k] += (late_s := field.cached_tokens[k] * field.prompt_s[k])
        e2e_s[k] += late_s
    return replace(field, cost=cost, ttft_s=ttft_s, e2e_s=e2e_s)


def _calibrated(
    table: Table, request: Request, analysis: Analysis, known: Confidences, aim: Aim
) -> frozenset[str]:
    """The models of which it can be known whether an answer is to be trusted, under a cascade."""
    cascade = aim.cascade
    if cascade is None or not (known.table or known.final):
        return frozenset()
    return known.final or frozenset(
        model.name
        for model in table.models
        if bar_for(known, model.name, analysis.task, cascade, request.stream) is not None
    )


def _usual(field: Field, table: Table, context: Context, snapshot: Snapshot) -> float:
    beliefs = snapshot.beliefs
    if beliefs.usual_cost is not None:
        return beliefs.usual_cost
    if not (beliefs.table or context.analysis.acceptable):
        return 0.0
    return table.usual_cost(field.at, beliefs)


def _out(at: list[int], table: Table, context: Context, snapshot: Snapshot) -> set[int]:
    """Where nothing can be served now, or the context is too small.

    Where nobody is left who is free, those stay that are only full, for whom requests wait, and
    those that are ejected, for they answer.
    """
    states, deployments = snapshot.fleet.states, table.deployments
    shut = table.pulse(states).shut
    busy = set(shut.intersection(at)) if shut else set()
    small = set[int]()
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
                    small.add(position)
    if busy and len(busy | small) == len(at):
        busy = {position for position in busy if states[position].health in DOWN}
    return busy | small


def _over(field: Field, request: Request) -> set[int]:
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
        expected = estimate(deployment, state, context.request, context.analysis, snapshot, cached)
        told += refusals(Option(deployment, state, expected), context, _FLEETING)
    return tuple(told)


def _field(
    at: list[int], table: Table, context: Context, snapshot: Snapshot, warm: Mapping[str, int]
) -> Field:
    """The figures of `estimates.estimate`, for all at once: a price or a model is asked once."""
    request, analysis = context.request, context.analysis
    pulse, take = table.pulse(snapshot.fleet.states), _taking(at)
    by_family = [analysis.tokens_by.get(f, analysis.prompt_tokens) for f in table.families]
    if len(by_family) == 1:
        prompt = by_family * len(at)
    else:
        prompt = [by_family[kind] for kind in take(table.family)]
    fresh, cached = prompt, [0] * len(at)
    if warm:
        cached = [
            min(warm.get(name, 0), most)
            for name, most in zip(take(table.names), prompt, strict=True)
        ]
        fresh = [whole - there for whole, there in zip(prompt, cached, strict=True)]
    paces = take(pulse.prompt_s)
    ttft_s = [
        base_s + new * prompt_s
        for base_s, new, prompt_s in zip(take(pulse.base_s), fresh, paces, strict=True)
    ]
    by_model = table.answers(request, analysis, snapshot.beliefs)
    if by_model is None:
        answers = [analysis.completion_tokens * request.choices] * len(at)
    else:
        answers = [by_model[kind] for kind in take(table.model)]
    e2e_s = [
        first + answer * (token_s + whole * context_s)
        for first, answer, token_s, whole, context_s in zip(
            ttft_s, answers, take(pulse.token_s), prompt, take(pulse.context_s), strict=True
        )
    ]
    read, quality = snapshot.read, table.qualities(analysis, snapshot.beliefs)
    return Field(
        at,
        _costs(at, (prompt, cached, answers), table, context, snapshot),
        ttft_s,
        e2e_s,
        [quality[kind] for kind in take(table.model)],
        take(pulse.load),
        take(pulse.health),
        prompt,
        cached,
        paces,
        [read.get(name, 0) for name in take(table.names)] if read else [0] * len(at),
    )


def _costs(
    at: Sequence[int],
    tokens: tuple[Sequence[int], Sequence[int], Sequence[int]],
    table: Table,
    context: Context,
    snapshot: Snapshot,
) -> list[float | None]:
    """`tokens` are those of the prompt, of these those in a cache, and those of the answer."""
    prompt, cached, answers = tokens
    request, analysis, data = context.request, context.analysis, snapshot.data
    take, priced = _taking(at), table.priced
    if table.tiered or analysis.data:
        kinds = list(zip(take(table.price), answers, strict=True))
        known = {
            (kind, answer): expected_cost(priced[kind], request, analysis, data, 0, answer)
            for kind, answer in set(kinds)
        }
        cost = [known[kind] for kind in kinds]
    else:
        cost = costs_of(take(table.rates), prompt, answers, request.size)
    if table.saving and any(cached):
        for k, (position, there) in enumerate(zip(at, cached, strict=True)):
            if there and table.saves[position]:
                place = table.deployments[position]
                cost[k] = expected_cost(place, request, analysis, data, there, answers[k])
    return cost


def _taking(at: Sequence[int]) -> Callable[[Sequence[T]], Sequence[T]]:
    """What takes these positions of a column, in its order."""
    if len(at) > 1:
        return itemgetter(*at)
    return lambda column: [column[i] for i in at]
