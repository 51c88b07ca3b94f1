"""What copies say of a place: how often it agrees with the one that served, how fast, how dear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.core.record import End
from situs.stores.comparisons import Compared
from situs.studies.metrics import Picks, bootstrap_interval

FEW = 30
"""Below so many copies nothing is recommended."""
_ROUNDS = 400
_FAILING = 0.02
_ALIKE = 0.6

Interval = tuple[float, float] | None
Values = NDArray[np.float64]


class Figure(Struct, frozen=True):
    """A figure, and where it lies in 95 % of bootstrap samples."""

    value: float
    interval: Interval


class Group(Struct, frozen=True):
    """One kind of request, and the place that got copies of it, beside the one that served.

    `same` is the share of answers that are the same but for case, spaces and punctuation,
    `similarity` the mean of what they share in words. Ratios are the copies' over the served: the
    medians of times (from sending to the first token, and to the end), the sums of money and of
    answers' tokens. None where nothing was measured.
    """

    route: str | None
    task: str
    served: str
    copied: str
    copies: int
    failed: int
    same: Figure | None
    similarity: Figure | None
    ttft_ratio: Figure | None
    e2e_ratio: Figure | None
    cost_ratio: Figure | None
    tokens_ratio: Figure | None
    advice: str


def report(rows: Sequence[Compared]) -> list[Group]:
    """By route, task and the two places; the most copies first."""

    def kind(one: Compared) -> tuple[str, str, str, str]:
        return one.route or "", one.task, one.served, one.copied

    groups = groupby(sorted(rows, key=kind), key=kind)
    return sorted((_group(list(own)) for _, own in groups), key=lambda one: -one.copies)


def _group(rows: list[Compared]) -> Group:
    first = rows[0]
    whole = [one for one in rows if one.end == End.COMPLETE]
    texts = [(one.same, one.similarity) for one in whole if one.similarity is not None]
    similarity = _mean([float(alike) for _, alike in texts])
    costs = _ratio([(one.cost, one.copied_cost) for one in whole], np.sum)
    times = _ratio([(one.e2e_s, one.copied_e2e_s) for one in whole], np.median)
    return Group(
        route=first.route,
        task=first.task,
        served=first.served,
        copied=first.copied,
        copies=len(rows),
        failed=len(rows) - len(whole),
        same=_mean([float(bool(same)) for same, _ in texts]),
        similarity=similarity,
        ttft_ratio=_ratio([(one.ttft_s, one.copied_ttft_s) for one in whole], np.median),
        e2e_ratio=times,
        cost_ratio=costs,
        tokens_ratio=_ratio([(one.tokens, one.copied_tokens) for one in whole], np.sum),
        advice=_advice(first.copied, len(rows), len(rows) - len(whole), similarity, costs, times),
    )


def _advice(
    name: str,
    copies: int,
    failed: int,
    similarity: Figure | None,
    costs: Figure | None,
    times: Figure | None,
) -> str:
    if copies < FEW:
        return f"Wait: {copies} copies say little; {FEW} are asked for."
    if failed > _FAILING * copies:
        return f"Not yet: {failed} of {copies} copies got no whole answer from {name}."
    told = [
        text
        for text in (
            costs and f"costs {costs.value:.2f} times as much",
            times and f"takes {times.value:.2f} times as long",
        )
        if text
    ]
    what = f"{name} {' and '.join(told)}" if told else f"{name} answers"
    low = similarity.interval[0] if similarity is not None and similarity.interval else 0.0
    if low < _ALIKE:
        return f"Look closer: {what}, but says other things; rate its answers before a pilot."
    return f"Try a pilot: {what}, and says much the same."


def _mean(values: Sequence[float]) -> Figure | None:
    return _figure(np.asarray(values), lambda drawn: float(np.mean(drawn)))


def _ratio(
    pairs: Sequence[tuple[float | None, float | None]], summed: Callable[[Values], np.float64]
) -> Figure | None:
    known = [(own, other) for own, other in pairs if own is not None and other is not None]

    def ratio(drawn: Values) -> float | None:
        below = float(summed(drawn[:, 0]))
        return float(summed(drawn[:, 1])) / below if below > 0 else None

    return _figure(np.asarray(known, np.float64), ratio)


def _figure(values: Values, figure: Callable[[Values], float | None]) -> Figure | None:
    """The pairs stay together in each sample that is drawn."""

    def of(picks: Picks) -> float | None:
        return figure(values[picks])

    if not len(values) or (value := figure(values)) is None:
        return None
    return Figure(value, bootstrap_interval(len(values), of, rounds=_ROUNDS))
