"""In what order the places that are left are tried."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, takewhile
from math import inf
from operator import itemgetter
from zlib import crc32

from msgspec import Struct

from situs.core.aim import Aim, Mode
from situs.placement.columns import Table
from situs.placement.objectives import INADEQUATE_WITHIN, OBJECTIVES, Profile, flaws
from situs.placement.quality import adequate, full_costs
from situs.placement.scorers import SCORERS, Field

TRIES = 12
"""So many places are ranked for a request, the first of each locus and role among them."""


class Judged(Struct, frozen=True):
    """What the order is made of, a column for each place.

    The least `rank` comes first (None: all are alike), then whose quality is enough, then the least
    of `goals`; `within` a share of that the higher score. All of it goes by the figures of `field`.
    """

    field: Field
    rank: list[int] | None
    adequate: list[bool]
    goals: Sequence[float]
    within: float
    score: list[float]
    scores: dict[str, list[float]]
    weights: dict[str, float]


def judged(field: Field, table: Table, aim: Aim, usual: float) -> Judged:
    """Quality is measured by the best among those of the foremost rank.

    `usual` is what a usual request costs there (`quality.full_costs`).
    """
    profile = OBJECTIVES[aim.objective]
    quality, rank = field.quality, _ranks(field, table, aim)
    if rank is not None:
        first = min(rank)
        best = max(own for own, place in zip(quality, rank, strict=True) if place == first)
        quality = [min(own, best) for own in quality]
    if profile.goal == "cost":
        costs = field.cost
        if usual > 0.0:
            costs = full_costs(costs, quality, aim.quality, usual)
        goals: Sequence[float] = [inf if cost is None else cost for cost in costs]
    else:
        goals = field.e2e_s if profile.goal == "e2e_s" else flaws(field.quality)
    scores = {name: SCORERS[name](field) for name in profile.weights}
    score = _weighed(profile, scores)
    return Judged(
        field,
        rank,
        adequate(quality, aim.quality),
        goals,
        profile.within,
        score,
        scores,
        profile.weights,
    )


def _ranks(field: Field, table: Table, aim: Aim) -> list[int] | None:
    """By role, and in each role by what the mode says comes first."""
    if aim.mode in (Mode.LOCAL_DEFAULT, Mode.CLOUD_DEFAULT):
        owned = aim.mode is Mode.LOCAL_DEFAULT
        return [2 * table.roles[at] + (table.owned[at] is not owned) for at in field.at]
    return None if table.active else [2 * table.roles[at] for at in field.at]


def _weighed(profile: Profile, scores: dict[str, list[float]]) -> list[float]:
    """The weighted sums. A scorer that is neutral adds its weight."""
    neutral, columns = 0.0, []
    for name, weight in profile.weights.items():
        column = scores[name]
        if column.count(1.0) == len(column):
            neutral += weight
        else:
            columns.append((weight, column))
    total = [neutral] * len(column)
    for weight, column in columns:
        total = [so_far + weight * own for so_far, own in zip(total, column, strict=True)]
    return total


class _Merit:
    """Tells near-equals apart: the higher score first, then a hash of request and name."""

    def __init__(self, field: Field, table: Table, score: Sequence[float], request: str) -> None:
        self._of = score, field.at, table.keys, crc32(request.encode())
        self._table = table

    def __call__(self, k: int) -> tuple[float, int]:
        score, at, keys, seed = self._of
        return -score[k], crc32(keys[at[k]], seed)

    def loci(self) -> Sequence[int]:
        """Where each is."""
        at = self._of[1]
        return itemgetter(*at)(self._table.loci) if len(at) > 1 else (0,)


def ordered(
    field: Field, table: Table, by: Judged, request: str, most: int | None = None
) -> list[int]:
    """The columns of `field`, best first; `request` is its id. With `most`, so many of them at
    least, and the first of each locus in each role.

    1. Active ones, then standbys, then last resorts; in each role those that the mode puts first.
    2. Of these those of enough quality, then the others.
    3. The least goal of the objective; of those without enough quality first the best quality.
    4. Among near-equals the higher score; then a hash of request and name, so that equals share the
       requests and yet the order is the same again when replayed.
    5. Those at the locus of the first, of its rank and of enough quality as well, come right after
       it, then the rest of these; each by 3 and 4.
    """
    at, sites = field.at, table.sites
    merit = _Merit(field, table, by.score, request)
    found: list[int] = []
    seen: set[int] = set()
    bounded = most is not None and len(at) > most

    def done() -> bool:
        return most is not None and len(found) >= most and len(seen) == table.site_count

    for poor, group in _groups(by):
        if bounded and done():
            break
        goals, within = (flaws(field.quality), INADEQUATE_WITHIN) if poor else (by.goals, by.within)
        group.sort(key=goals.__getitem__)
        parts = [group] if found else _near_first(group, goals, within, merit)
        steps = chain.from_iterable(
            (part,) if len(part) == 1 else _steps(part, goals, within) for part in parts
        )
        if poor:
            steps = chain.from_iterable(_by_goal(step, by) for step in steps)
        for step in steps:
            if bounded and done():
                break
            if len(step) > 1:
                step.sort(key=merit)
            found += step
            if bounded:
                seen.update([sites[at[k]] for k in step])
    return found


def _groups(by: Judged) -> list[tuple[bool, list[int]]]:
    """By rank, and in each rank those of enough quality before those without (True)."""
    good = by.adequate
    if by.rank is None:
        poor = [k for k, enough in enumerate(good) if not enough]
        rich = [k for k, enough in enumerate(good) if enough] if poor else list(range(len(good)))
        return [(False, rich), (True, poor)] if poor else [(False, rich)]
    groups: dict[tuple[int, bool], list[int]] = {}
    for k, place in enumerate(by.rank):
        groups.setdefault((place, not good[k]), []).append(k)
    return [(poor, group) for (_, poor), group in sorted(groups.items())]


def _by_goal(step: list[int], by: Judged) -> Iterator[list[int]]:
    """Of equal quality: the least goal first."""
    return _steps(sorted(step, key=by.goals.__getitem__), by.goals, by.within)


def _near_first(
    group: list[int], goals: Sequence[float], within: float, merit: _Merit
) -> list[list[int]]:
    """The very first, then those at its locus, then the others."""
    if len(group) == 1:
        return [group]
    limit = goals[group[0]] * (1.0 + within)
    first = group[0]
    if goals[group[1]] <= limit:
        first = min(takewhile(lambda k: goals[k] <= limit, group), key=merit)
    loci = merit.loci()
    here = loci[first]
    near = [k for k in group if loci[k] == here and k != first]
    return [[first], near, [k for k in group if loci[k] != here]]


def lesser(order: Sequence[int], field: Field, by: Judged, able: Sequence[bool]) -> int | None:
    """Which to ask before the first, where its answer may be refused (`able`: that can be known).

    It must be cheaper in expectation: what it costs, and, as often as it fails, what the first does
    as well. None: there is no such place.
    """
    first = order[0]
    dear = field.cost[first]
    if dear is None:
        return None
    found, least = None, dear
    for k in order[1:]:
        cost, own = field.cost[k], field.quality[k]
        if cost is None or not able[k] or own >= field.quality[first]:
            continue
        if by.rank is not None and by.rank[k] != by.rank[first]:
            continue
        if (expected := cost + (1.0 - own) * dear) < least:
            found, least = k, expected
    return found


def tries(order: Sequence[int], field: Field, table: Table, most: int = TRIES) -> list[int]:
    """The first of the order; the first of each locus in each role goes before others."""
    if len(order) <= most:
        return list(order)
    firsts: dict[int, int] = {}
    for place, k in enumerate(order):
        firsts.setdefault(table.sites[field.at[k]], place)
        if len(firsts) == table.site_count:
            break
    kept = set(sorted(firsts.values())[:most])
    for place in range(len(order)):
        if len(kept) >= most:
            break
        kept.add(place)
    return [order[place] for place in sorted(kept)]


def _steps(group: list[int], goals: Sequence[float], within: float) -> Iterator[list[int]]:
    """By goal; who is within a share of the least of those that are left is as good as it."""
    values = [goals[k] for k in group]
    start, count = 0, len(group)
    while start < count:
        end = bisect_right(values, values[start] * (1.0 + within), start + 1)
        yield group[start:end]
        start = end
