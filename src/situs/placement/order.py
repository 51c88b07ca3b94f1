"""In what order the places that are left are tried."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

from situs.placement.columns import Table
from situs.placement.objectives import INADEQUATE, Profile, flaws
from situs.placement.quality import adequate
from situs.placement.scorers import SCORERS, Field

TRIES = 16
"""So many places are ranked for a request, the first of each locus and role among them."""


def scored(field: Field) -> dict[str, list[float]]:
    """What every scorer says of every place."""
    return {name: score(field) for name, score in SCORERS.items()}


def weighed(profile: Profile, scores: dict[str, list[float]]) -> list[float]:
    """The weighted sum, to six digits."""
    columns = [[weight * value for value in scores[n]] for n, weight in profile.weights.items()]
    return [round(sum(values), 6) for values in zip(*columns, strict=True)]


def enough(field: Field, table: Table, share: float) -> list[bool]:
    """Whose quality is enough: measured by the best among those of the foremost role."""
    if table.active:
        return adequate(field.quality, share)
    roles = [table.roles[at] for at in field.at]
    first = min(roles)
    best = max(one for one, role in zip(field.quality, roles, strict=True) if role == first)
    return adequate([min(one, best) for one in field.quality], share)


def ordered(
    field: Field,
    table: Table,
    profile: Profile,
    good: Sequence[bool],
    score: Sequence[float],
    id_: str,
) -> list[int]:
    """The columns of `field`, best first.

    1. Active ones, then standbys, then last resorts.
    2. In each role those of enough quality, then the others.
    3. The least goal of the profile; of those without enough quality the best quality.
    4. Among near-equals the higher score; then a hash of request and name, so that equals share the
       requests and yet the order is the same again when replayed.
    5. Those at the locus of the first, of its role and of enough quality as well, come right after
       it.
    """
    seed = crc32(id_.encode())

    def merit(k: int) -> tuple[float, int]:
        return -score[k], crc32(table.keys[field.at[k]], seed)

    goals = _goals(field, profile)
    groups: dict[tuple[int, bool], list[int]] = {}
    if table.active and all(good):
        groups[0, False] = list(range(len(field.at)))
    else:
        for k, at in enumerate(field.at):
            groups.setdefault((table.roles[at], not good[k]), []).append(k)
    found: list[int] = []
    for place, (key, group) in enumerate(sorted(groups.items())):
        if key[1]:
            own = _by_steps(group, flaws(field.quality), INADEQUATE.within, merit)
        else:
            own = _by_steps(group, goals, profile.within, merit)
            if not place:
                own = _near_first(own, [table.loci[at] for at in field.at])
        found += own
    return found


def tries(order: Sequence[int], field: Field, table: Table, most: int = TRIES) -> list[int]:
    """The first of the order; the first of each locus in each role goes before others."""
    if len(order) <= most:
        return list(order)
    firsts: dict[tuple[int, int], int] = {}
    for place, k in enumerate(order):
        at = field.at[k]
        firsts.setdefault((table.loci[at], table.roles[at]), place)
    kept = set(sorted(firsts.values())[:most])
    for place in range(len(order)):
        if len(kept) >= most:
            break
        kept.add(place)
    return [order[place] for place in sorted(kept)]


def _goals(field: Field, profile: Profile) -> list[float]:
    if profile.goal == "cost":
        return [_NO_PRICE if cost is None else cost for cost in field.cost]
    return field.e2e_s if profile.goal == "e2e_s" else flaws(field.quality)


_NO_PRICE = float("inf")


def _by_steps(
    group: Sequence[int], goals: Sequence[float], within: float, merit: Callable[[int], Any]
) -> list[int]:
    """By goal; who is within a share of the least of those that are left is as good as it."""
    pairs = sorted((goals[k], k) for k in group)
    values = [goal for goal, _ in pairs]
    found: list[int] = []
    start = 0
    while start < len(pairs):
        end = bisect_right(values, values[start] * (1.0 + within), start + 1)
        step = [k for _, k in pairs[start:end]]
        found += sorted(step, key=merit) if end - start > 1 else step
        start = end
    return found


def _near_first(order: list[int], loci: Sequence[int]) -> list[int]:
    here = loci[order[0]]
    near = [k for k in order if loci[k] == here]
    return near + [k for k in order if loci[k] != here] if len(near) > 1 else order
