"""Which route's samples is a text most like? A baseline: words and four-byte pieces, no model.

A text is the set of its words and of all runs of four bytes in them. What few routes have weighs
more (inverse route frequency). Samples are compared by cosine; a route scores a third of its best
sample and two thirds of the mean of all. Sums are of whole numbers, so their order changes nothing.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct

HEAD = 1000
"""Only so many characters at the start of a text are looked at."""

_SCALE = 1_000_000
_FIELD = 4
"""Bytes of one sample's sum in a packed number. A sum is at most the sample's norm, some hundreds
times `_SCALE`."""

_OWN, _OTHERS = 0.3, 0.95
_ALONE = 0.2
"""What stands for a route's own samples where there is only one of them."""

_WORD = re.compile(r"\w+")


class _Feature(Struct, frozen=True):
    """`square` is its weight squared; `sums` has, by route, what it adds to each of its samples.

    The samples of a route are fields of one whole number, so that one addition serves them all.
    """

    square: int
    sums: tuple[tuple[int, int], ...]
    samples: int


class Index(Struct, frozen=True):
    """Samples, ready to be compared with; a route is a position. `unseen`: a new one's square."""

    routes: tuple[str, ...]
    counts: tuple[int, ...]
    features: dict[str | int, _Feature]
    unseen: int
    thresholds: tuple[float, ...] = ()


def index(samples: Mapping[str, Sequence[str]]) -> Index:
    """The index of samples by route, with each route's threshold fitted from the samples alone."""
    texts = [[features(text) for text in of_route] for of_route in samples.values()]
    routes_with = Counter(f for of_route in texts for f in frozenset().union(*of_route))
    samples_with = Counter(f for of_route in texts for text in of_route for f in text)
    squares = {f: _square(len(texts), count) for f, count in routes_with.items()}
    sums: dict[str | int, dict[int, int]] = {f: {} for f in squares}
    for route, of_route in enumerate(texts):
        for place, text in enumerate(of_route):
            norm = math.sqrt(sum(squares[f] for f in text) / _SCALE) or 1.0
            for f in text:
                mine = round(squares[f] / norm) << 8 * _FIELD * place
                sums[f][route] = sums[f].get(route, 0) + mine
    found = Index(
        routes=tuple(samples),
        counts=tuple(len(of_route) for of_route in texts),
        features={
            f: _Feature(square, tuple(sums[f].items()), samples_with[f])
            for f, square in squares.items()
        },
        unseen=_square(len(texts), 0),
    )
    return Index(found.routes, found.counts, found.features, found.unseen, _fit(found, texts))


def nearest(index: Index, text: str) -> tuple[str, float] | None:
    """The route that `text` is most like and its score in [0, 1]; None below its threshold."""
    seen = features(text)
    if not seen:
        return None
    scores = _scores(index, seen)
    best = max(range(len(scores)), key=scores.__getitem__)
    if scores[best] < index.thresholds[best]:
        return None
    return index.routes[best], min(1.0, round(scores[best], 6))


def features(text: str) -> AbstractSet[str | int]:
    """Words as they are, runs of four bytes (over the borders of words, too) as numbers."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text[:HEAD]).casefold()[:HEAD])
    found: set[str | int] = set(words)
    data = f" {' '.join(words)} ".encode("utf-8", "replace")
    if words:
        for begin in range(4):
            end = begin + (len(data) - begin) // 4 * 4
            if end > begin:
                found.update(memoryview(data[begin:end]).cast("I"))
    return found


def _square(routes: int, routes_with: int) -> int:
    return round(math.log((2 + routes) / (0.5 + routes_with)) ** 2 * _SCALE)


def _scores(
    index: Index, seen: AbstractSet[str | int], left_out: tuple[int, int] | None = None
) -> list[float]:
    """The score of every route.

    `left_out` is the route and place of a sample that is itself the text: it is not compared with
    itself, and what no other sample has counts as new.
    """
    known = [index.features[f] for f in index.features.keys() & seen]
    square = (len(seen) - len(known)) * index.unseen
    totals = [0] * len(index.routes)
    for feature in known:
        square += index.unseen if left_out and feature.samples == 1 else feature.square
        for route, added in feature.sums:
            totals[route] += added
    norm = math.sqrt(square * _SCALE) or 1.0
    scores = []
    for route, (total, count) in enumerate(zip(totals, index.counts, strict=True)):
        sums = memoryview(total.to_bytes(_FIELD * count, sys.byteorder)).cast("I").tolist()
        if sys.byteorder == "big":
            sums.reverse()
        if left_out and left_out[0] == route:
            del sums[left_out[1]]
        scores.append((max(sums) + 2 * sum(sums) / len(sums)) / 3 / norm if sums else 0.0)
    return scores


def _fit(index: Index, texts: Sequence[Sequence[AbstractSet[str | int]]]) -> tuple[float, ...]:
    """Midway between what a route's own samples reach, each left out, and what others' do.

    Of its own the third decile, of the others' the highest but one in twenty: samples are said to
    be typical, so most of them must pass.
    """
    own: list[list[float]] = [[] for _ in texts]
    others: list[list[float]] = [[] for _ in texts]
    for route, of_route in enumerate(texts):
        for place, text in enumerate(of_route):
            for to, score in enumerate(_scores(index, text, (route, place))):
                if to != route:
                    others[to].append(score)
                elif len(of_route) > 1:
                    own[to].append(score)
    return tuple(
        (_quantile(mine, _OWN, _ALONE) + _quantile(theirs, _OTHERS, 0.0)) / 2
        for mine, theirs in zip(own, others, strict=True)
    )


def _quantile(values: Iterable[float], share: float, none: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else none
