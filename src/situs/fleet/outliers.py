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
from math import sqrt
from statistics import median

from msgspec import Struct

LEAST = 3
"""Fewer say nothing of each other."""

_DEVIATIONS = 1.9
_LEAST_GAP = 0.15
_TIMES = 3.0
_ASKED = 8.0
_MOST_SHARE = 0.3
_AT_ONCE = 8


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
    most = min(most, open_ - (size // 2 + 1), _AT_ONCE)
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
    others = len(rates) - 1
    if others < LEAST - 1:
        return []
    total, squares = sum(rates.values()), sum(rate * rate for rate in rates.values())
    found = []
    for place, rate in rates.items():
        mean = (total - rate) / others
        variance = max(0.0, (squares - rate * rate) / others - mean * mean)
        if mean - rate > max(_LEAST_GAP, _DEVIATIONS * sqrt(variance)):
            found.append((1.0 + mean - rate, place, "error_rate"))
    return found


def _slow(group: Mapping[int, Standing]) -> list[tuple[float, int, str]]:
    times = {place: one.slowness for place, one in group.items() if one.slowness is not None}
    if len(times) < LEAST:
        return []
    usual = median(sorted(times.values())[:-1])  # the others', for whoever is in the upper half
    return [
        (1.0 - usual / slowness, place, "latency")
        for place, slowness in times.items()
        if slowness > _TIMES * usual
    ]
