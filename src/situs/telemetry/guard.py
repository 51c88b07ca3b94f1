"""Whether a pilot does worse than its baseline: tests that are rarely wrong.

Each asks one question: is it worse by more than the share that is borne (`worse_by`)? The answer
is yes only where the one-sided test says so at LEVEL, so of the looks at a pilot that is just as
bad as it may be, one in a thousand ends it.

- Shares (`errors`, `unsure`): the lower bound of p1 - (1 + worse_by) p0 is above 0, by Zou and
  Donner's MOVER over Wilson's intervals (Statistics in Medicine 2008).
- The slow end (`ttft_p95`, `e2e_p95`): the share of either group that takes longer than
  (1 + worse_by) times the baseline's p95, compared in the same way with nothing borne.
- `cost`, of a million tokens: the lower bound of the difference of means, m1 - (1 + worse_by) m0,
  with the variances of both (Welch), is above 0. A key counts for half at most (`fair`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil, sqrt
from statistics import fmean, variance

from msgspec import Struct

from situs.core.record import NOT_ITS_FAULT, WELL, End, Outcome, Served
from situs.errors import DeadlineExceeded

LEVEL = 0.001
_MILLION = 1_000_000
_Z = 3.0902
"""The normal quantile of 1 - LEVEL."""

_NO_ERROR = WELL | NOT_ITS_FAULT
_REFUSED = frozenset({End.REFUSED, End.TRUNCATED})
_CALLERS = frozenset({DeadlineExceeded.code})

METRICS = ("errors", "ttft_p95", "e2e_p95", "cost", "unsure")


class Sample(Struct, frozen=True):
    """What counts of a request; None where it does not apply."""

    at: float
    errors: float
    unsure: float
    ttft_p95: float | None
    e2e_p95: float | None
    cost: float | None
    key: str = ""


class Judged(Struct, frozen=True):
    """The figures of both groups: a share, seconds, or money for a million tokens."""

    pilot: float
    baseline: float
    worse: bool


def sample(served: Served) -> Sample:
    """An error is an answer of 500 and above, a broken one, and one that another place had to give.

    What the caller does (it leaves, its deadline passes, its request is refused or too long) is
    none, or one caller could end everybody's pilot. So the cost is that of a million of its tokens.
    Times are the caller's: to the first token, and to the end, with what failed before.
    """
    outcome = served.outcome
    ends = [one.end for one in outcome.attempts]
    refused = bool(ends) and ends[-1] in _REFUSED
    broken = outcome.status >= 500 and not (outcome.code in _CALLERS or refused)
    failed = broken or any(end not in _NO_ERROR for end in ends)
    whole = bool(ends) and ends[-1] is End.COMPLETE
    last = outcome.attempts[-1] if outcome.attempts else None
    ttft_s = last.ttft_s if served.stream and whole and last is not None else None
    if ttft_s is not None:
        ttft_s += sum(one.duration_s for one in outcome.attempts[:-1] if not one.hedge)
    return Sample(
        outcome.at,
        float(failed),
        float(End.UNSURE in ends),
        ttft_s,
        outcome.duration_s if whole else None,
        _cost(outcome),
        served.key,
    )


def _cost(outcome: Outcome) -> float | None:
    """Per million tokens; of what has none, nothing is known."""
    usage, cost = outcome.usage, outcome.cost
    tokens = 0 if usage is None else usage.prompt_tokens + usage.completion_tokens
    return None if cost is None or not tokens else cost * _MILLION / tokens


def fair(samples: Sequence[Sample], least: int) -> list[Sample]:
    """The newest of each key: of one no more than of all others together, or than `least`."""
    counts = Counter(one.key for one in samples)
    left = {key: max(least, len(samples) - count) for key, count in counts.items()}
    kept = []
    for one in reversed(samples):
        left[one.key] -= 1
        if left[one.key] >= 0:
            kept.append(one)
    return kept[::-1]


def judge(
    metric: str, pilot: Sequence[float], baseline: Sequence[float], worse_by: float
) -> Judged:
    """Both have at least one value."""
    if metric in ("errors", "unsure"):
        p1, p0 = fmean(pilot), fmean(baseline)
        return Judged(p1, p0, _above(p1, len(pilot), p0, len(baseline), 1.0 + worse_by))
    if metric == "cost":
        m1, m0 = fmean(pilot), fmean(baseline)
        return Judged(m1, m0, _dearer(pilot, baseline, 1.0 + worse_by))
    slow, usual = _p95(pilot), _p95(baseline)
    limit = (1.0 + worse_by) * usual
    over = [sum(value > limit for value in group) / len(group) for group in (pilot, baseline)]
    return Judged(slow, usual, _above(over[0], len(pilot), over[1], len(baseline), 1.0))


def _above(p1: float, n1: int, p0: float, n0: int, times: float) -> bool:
    low, _ = _wilson(p1, n1)
    _, high = _wilson(p0, n0)
    return p1 - times * p0 - sqrt((p1 - low) ** 2 + (times * (high - p0)) ** 2) > 0.0


def _wilson(share: float, count: int) -> tuple[float, float]:
    square = _Z * _Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    spread = sqrt(share * (1 - share) / count + square / (4 * count * count))
    spread *= _Z / (1 + square / count)
    return max(0.0, middle - spread), min(1.0, middle + spread)


def _dearer(pilot: Sequence[float], baseline: Sequence[float], times: float) -> bool:
    difference = fmean(pilot) - times * fmean(baseline)
    error = sum(
        weight * weight * (variance(group) if len(group) > 1 else 0.0) / len(group)
        for weight, group in ((1.0, pilot), (times, baseline))
    )
    return difference > _Z * sqrt(error)


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[ceil(0.95 * len(values)) - 1]
