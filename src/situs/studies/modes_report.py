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


class Side(Struct, frozen=True):
    """What the answers of one place took: medians of seconds, means of money and of tokens.

    Of the pairs of which both sides are known; None where there are none. Money is of one
    `currency`; of several, there is no mean.
    """

    ttft_s: float | None
    e2e_s: float | None
    cost: float | None
    tokens: float | None
    currency: str | None = None


class Group(Struct, frozen=True):
    """One kind of request, and the place that got copies of it, beside the one that served.

    `same` is the share of answers that are the same but for case, spaces and punctuation,
    `similarity` the mean of what they share in words. Ratios are the copies' over the served: the
    medians of times (from sending to the first token, and to the end), the sums of money and of
    answers' tokens. None where nothing was measured. `took` is what they took: those that were
    served, and the copies.
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
    took: tuple[Side, Side]
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
    ttft = _both([(one.ttft_s, one.copied_ttft_s) for one in whole])
    e2e = _both([(one.e2e_s, one.copied_e2e_s) for one in whole])
    cost = _both([(one.cost, one.copied_cost) for one in whole])
    tokens = _both([(one.tokens, one.copied_tokens) for one in whole])
    costs, times = _ratio(cost, np.sum), _ratio(e2e, np.median)
    paid = {one.currency for one in whole if one.cost is not None}
    currency = paid.pop() if len(paid) == 1 else None
    return Group(
        route=first.route,
        task=first.task,
        served=first.served,
        copied=first.copied,
        copies=len(rows),
        failed=len(rows) - len(whole),
        same=_mean([float(bool(same)) for same, _ in texts]),
        similarity=similarity,
        ttft_ratio=_ratio(ttft, np.median),
        e2e_ratio=times,
        cost_ratio=costs,
        tokens_ratio=_ratio(tokens, np.sum),
        took=(
            _side((ttft, e2e, cost, tokens), 0, currency),
            _side((ttft, e2e, cost, tokens), 1, currency),
        ),
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
    return _weighed(what, _better(costs), _better(times))


def _weighed(what: str, cheaper: bool | None, faster: bool | None) -> str:
    """Of a place that says much the same: whether there is anything to gain."""
    if cheaper is None and faster is None:
        return f"Try a pilot: {what}, and says much the same."
    if not cheaper and not faster:
        return f"Nothing to gain: {what}, and says much the same; neither is better."
    what = f"{what}, and says much the same"
    if not cheaper:
        dearer = ", but dearer" if cheaper is False else ""
        return f"{'Weigh it' if dearer else 'Try a pilot'}: {what}. It is faster{dearer}."
    also = {True: " and faster", False: ", but slower", None: ""}[faster]
    return f"Try a pilot: {what}. It is cheaper{also}."


def _better(figure: Figure | None) -> bool | None:
    """Whether copies take less, as far as can be told; None: nothing was measured."""
    return None if figure is None else (figure.interval or (0.0, figure.value))[1] < 1


def _mean(values: Sequence[float]) -> Figure | None:
    return _figure(np.asarray(values), lambda drawn: float(np.mean(drawn)))


def _both(pairs: Sequence[tuple[float | None, float | None]]) -> Values:
    """Those of which both are known, one pair a row."""
    known = [(own, other) for own, other in pairs if own is not None and other is not None]
    return np.asarray(known, np.float64).reshape(-1, 2)


def _side(values: Sequence[Values], column: int, currency: str | None) -> Side:
    """Of the pairs of times to the first token, of whole times, of money, and of tokens."""
    ttft, e2e, cost, tokens = (one[:, column] for one in values)
    return Side(
        float(np.median(ttft)) if len(ttft) else None,
        float(np.median(e2e)) if len(e2e) else None,
        float(np.mean(cost)) if len(cost) and currency else None,
        float(np.mean(tokens)) if len(tokens) else None,
        currency,
    )


def _ratio(known: Values, summed: Callable[[Values], np.float64]) -> Figure | None:
    def ratio(drawn: Values) -> float | None:
        below = float(summed(drawn[:, 0]))
        return float(summed(drawn[:, 1])) / below if below > 0 else None

    return _figure(known, ratio)


def _figure(values: Values, figure: Callable[[Values], float | None]) -> Figure | None:
    """The pairs stay together in each sample that is drawn."""

    def of(picks: Picks) -> float | None:
        return figure(values[picks])

    if not len(values) or (value := figure(values)) is None:
        return None
    return Figure(value, bootstrap_interval(len(values), of, rounds=_ROUNDS))
