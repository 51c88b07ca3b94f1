"""Which deployments of one model are so much worse than the others that they are left out; pure.

Compared are those of the same model, owned ones with owned ones, rented with rented: three at
least. One is an outlier where

- its success rate is below the others' mean by more than 1.9 standard deviations, and by 0.15; or
- its slowness (learned over configured TTFT) is more than three times the others' median.

Of a group 30 percent at most are out, but one of three may be; and never so many that, with those
that are shut for other reasons, half of it would be left. Source: Envoy's outlier detection, with
the others' mean instead of everybody's: among five or fewer, 1.9 deviations are never reached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median, pstdev

from msgspec import Struct

LEAST = 3
"""Fewer say nothing of each other."""

_DEVIATIONS = 1.9
_LEAST_GAP = 0.15
_TIMES = 3.0
_ASKED = 8.0
_MOST_SHARE = 0.3


class Standing(Struct, frozen=True):
    """How one deployment did lately.

    `slowness` is None where too little was measured; `shut`: nothing goes there now, `ejected` or
    for another reason.
    """

    asked: float
    failed: float
    slowness: float | None = None
    shut: bool = False
    ejected: bool = False


def outliers(group: Sequence[Standing]) -> list[tuple[int, str]]:
    """Who is to be ejected now, by place in the group, and why; the worst first."""
    size = len(group)
    if size < LEAST:
        return []
    most = max(1, int(_MOST_SHARE * size)) - sum(one.ejected for one in group)
    open_ = sum(not one.shut for one in group)
    most = min(most, open_ - (size // 2 + 1))
    if most <= 0:
        return []
    left = {place: one for place, one in enumerate(group) if not one.shut}
    out: list[tuple[int, str]] = []
    while len(out) < most and (found := [*_failing(left), *_slow(left)]):
        _, place, why = max(found)  # without it, the next shows
        del left[place]
        out.append((place, why))
    return out


def _failing(group: Mapping[int, Standing]) -> list[tuple[float, int, str]]:
    rates = {
        place: 1.0 - one.failed / one.asked for place, one in group.items() if one.asked >= _ASKED
    }
    found = []
    for place, rate in rates.items():
        others = [other for at, other in rates.items() if at != place]
        if len(others) >= LEAST - 1:
            gap = fmean(others) - rate
            if gap > max(_LEAST_GAP, _DEVIATIONS * pstdev(others)):
                found.append((1.0 + gap, place, "error_rate"))
    return found


def _slow(group: Mapping[int, Standing]) -> list[tuple[float, int, str]]:
    times = {place: one.slowness for place, one in group.items() if one.slowness is not None}
    found = []
    for place, slowness in times.items():
        others = [other for at, other in times.items() if at != place]
        if len(others) >= LEAST - 1 and slowness > _TIMES * median(others):
            found.append((1.0 - median(others) / slowness, place, "latency"))
    return found
