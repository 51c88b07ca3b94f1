"""One way to tell routes apart by features of a text, and when a text is of none of them.

A tier has a softmax regression over the features. With the nearness to a route's middle and to its
nearest samples it picks the route; how sure that is, is the mean of these three signals. A logistic
curve makes a probability of the signals, and each route has its limit. Both are fitted on samples
left out: a part of each route's own must be found, and whole routes left out and ordinary texts
must be rejected.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct

from situs.analysis.route_features import Vector, unit
from situs.analysis.route_fit import directions, sigmoid_fit, softmax_weights

FOLDS, _TENTHS, _LARGE = 4, 10, 4000
"""Parts in which samples are left out in turn; of more than `_LARGE` samples, one tenth only."""

_KEPT = 64
"""Samples of a route that a text is compared with one by one."""

_PICKED, _NEAR = 3, 2.0
"""Routes that the regression likes best and nearness decides between, and what that weighs."""

_LIKE = 3
"""A name is a sample if its route is among so many nearest to it (half of them, of fewer)."""

_USUAL = 1500
"""With more samples the weight decay is less."""

_TRUST, _OWN = 12, 0.5
"""A route's own limit counts like so many samples, and moves by so much of what its samples say."""

_NONE, _MANY, _ENOUGH = 0.2, 0.1, 20
"""The share of requests taken to be of no route: at most, and from `_ENOUGH` samples a route on."""

_APART, _LOST = 0.3, (0.01, 0.02, 0.03, 0.04, 0.05)
"""Where it can be seen how alike routes are, that share is at most `_APART` of what stands apart:
of the samples of routes left out, those that score less than the others' own do, but for the lowest
shares `_LOST` of these, on average."""

_SURE, _CLEAR, _SHOWN = 0.98, 1.5, 100
"""How often what the fast tier is sure of must be right, how far (in logits) from the limit it is,
and how many samples, all routes together, can show it."""


class Say(Struct, frozen=True):
    """What a tier says: the best route, the probability, and whether that passes its limit."""

    route: int
    probability: float
    found: bool


class Sides(Struct, frozen=True):
    """Weights of the regression, the middles of routes, and the samples of each to compare with.

    A row of features begins with `meant` that say what a text means; if none, spelling stands in.
    """

    weights: Vector
    biases: Vector
    middles: Vector
    samples: tuple[Vector, ...]
    meant: int


class Tier(Struct, frozen=True):
    """One way to tell: `center` and `spread` bring signals to one scale, then a logistic curve.

    `limits` are those of routes, in the curve's logits. Below `low` and above `high` it is sure.
    """

    sides: Sides
    center: Vector
    spread: Vector
    slope: float
    offset: float
    limits: Vector
    low: float
    high: float

    def say(self, features: Vector) -> tuple[Say, bool]:
        """For one text; the second says whether it is sure."""
        row = features[None]
        picked, signals = _signals(self.sides, Rows(_meaning(row, self.sides.meant), row))
        route = int(picked[0])
        logit = float(self.logits(signals)[0]) - float(self.limits[route])
        probability = 1 / (1 + np.exp(-logit))
        return Say(route, float(probability), logit >= 0), not self.low < logit < self.high

    def logits(self, signals: Any) -> Any:
        return ((signals - self.center) / self.spread).mean(1) * self.slope + self.offset


class Rows(Struct, frozen=True):
    """Texts, one a row: what they mean, at length 1, and all that the regression looks at."""

    meaning: Vector
    features: Vector

    def some(self, places: Any) -> Rows:
        return Rows(self.meaning[places], self.features[places])


class Given(Struct, frozen=True):
    """What a tier is fitted on: rows of samples in order of routes, of names, of ordinary texts.

    `meant` columns say what a text means; `decay` is the regression's. `telling` says that the tier
    can see how alike routes are.
    """

    samples: Vector
    names: Vector
    none: Vector
    meant: int
    decay: float
    telling: bool


def tier(given: Given, routes: Any) -> Tier:
    """`routes` are the positions, from 0 on, of the routes of the samples."""
    fitting = _Fitting.of(given, routes)
    tried = _try(fitting)
    sides = fitting.sides(np.arange(len(routes)), fitting.like)
    sides = Sides(
        fitting.basis @ sides.weights, sides.biases, sides.middles, sides.samples, given.meant
    )
    right = (tried.picked == tried.routes) & (tried.routes >= 0)
    wrong = tried.routes < 0
    if not right.any() or not wrong.any():
        return _untried(sides)
    center, spread = tried.signals.mean(0), tried.signals.std(0) + np.float32(1e-3)
    scores = ((tried.signals - center) / spread).mean(1)
    use = right | wrong
    none = _NONE if len(routes) < _ENOUGH * fitting.count else _MANY
    if given.telling:
        none = min(none, _apart(scores, right, wrong & ~tried.ordinary))
    weights = right / right.sum() * (1 - none) + wrong / wrong.sum() * none
    slope, offset = sigmoid_fit(scores[use], right[use].astype(float), weights[use])
    logits = scores * slope + offset
    limits = _limits(logits, tried.routes, right, fitting.count)
    low, high = _bounds(logits - limits[tried.picked], right, wrong, none)
    return Tier(sides, center, spread, slope, offset, limits, low, high)


class _Fitting(Struct, frozen=True):
    """Samples, names and ordinary texts along the directions in which samples differ.

    `like` are the routes whose names are samples.
    """

    samples: Rows
    names: Rows
    none: Rows
    routes: Any
    count: int
    like: Any
    basis: Vector
    meant: int
    decay: float

    @staticmethod
    def of(given: Given, routes: Any) -> _Fitting:
        basis = directions(given.samples)
        none = given.none.reshape(len(given.none), given.samples.shape[1])
        samples, names, others = (
            Rows(_meaning(part, given.meant), part @ basis)
            for part in (given.samples, given.names, none)
        )
        count = int(routes[-1]) + 1
        like = _like(samples.meaning, names.meaning, routes, count)
        return _Fitting(
            samples, names, others, routes, count, like, basis, given.meant, given.decay
        )

    def sides(self, rows: Any, names: Any) -> Sides:
        """From these rows of samples, and the names of these routes; others are unknown to it."""
        of = np.concatenate([self.routes[rows], names])
        known = np.unique(self.routes[rows])
        of = np.searchsorted(known, of)
        meaning = np.vstack([self.samples.meaning[rows], self.names.meaning[names]])
        features = np.vstack([self.samples.features[rows], self.names.features[names]])
        decay = self.decay * min(1.0, _USUAL / len(features))
        weights, biases = softmax_weights(features, of, len(known), decay)
        of_route = [meaning[of == route] for route in range(len(known))]
        middles = unit(np.stack([mine.sum(0) for mine in of_route]))
        kept = tuple(mine[:: -(-len(mine) // _KEPT)] for mine in of_route)
        return Sides(weights, biases, middles, kept, self.meant)


class _Tried(Struct, frozen=True):
    """What was said of texts left out: the route of each (-1: none), the pick, the signals."""

    routes: Any
    ordinary: Any
    picked: Any
    signals: Any


def _try(fitting: _Fitting) -> _Tried:
    """Leaves out in turn a part of each route's samples, and whole routes, which then are none."""
    routes, count = fitting.routes, fitting.count
    starts = np.searchsorted(routes, np.arange(count))
    places = np.arange(len(routes)) - starts[routes]
    single = np.bincount(routes, minlength=count)[routes] == 1
    of, ordinary, picks, signals = [], [], [], []
    parts, turns = (FOLDS, FOLDS) if len(routes) <= _LARGE else (_TENTHS, 1)
    for fold in range(turns):
        away = (routes % parts == fold) & (count > FOLDS)
        held = (places % parts == fold) & ~away & ~single
        rest = np.flatnonzero(~away & ~held)
        known = np.unique(routes[rest])
        if not len(known):
            continue
        sides = fitting.sides(rest, fitting.like[np.isin(fitting.like, known)])
        said = (fitting.samples.some(held), fitting.samples.some(away))
        none = fitting.none.some(np.s_[fold::turns])
        for part, own in zip((*said, none), (routes[held], None, None), strict=True):
            picked, found = _signals(sides, part)
            of.append(np.full(len(picked), -1) if own is None else own)
            ordinary.append(np.full(len(picked), part is none))
            picks.append(known[picked])
            signals.append(found)
    return _Tried(*map(np.concatenate, (of, ordinary, picks, signals)))


def _meaning(features: Vector, meant: int) -> Vector:
    return unit(features[:, :meant] if meant else features)


def _signals(sides: Sides, rows: Rows) -> tuple[Any, Any]:
    """The best route of each row, and three signals of how good it is."""
    meaning = rows.meaning
    scores = rows.features @ sides.weights + sides.biases
    if scores.shape[1] == 1:
        scores = meaning @ sides.middles.T
    picked = np.empty(len(meaning), np.intp)
    found = np.empty((len(meaning), 3), np.float32)
    for row, best in enumerate(np.argsort(-scores, 1)[:, :_PICKED]):
        said = np.empty((len(best), 3), np.float32)
        said[:, 0] = scores[row, best]
        said[:, 1] = sides.middles[best] @ meaning[row]
        for place, route in enumerate(best):
            near = np.sort(sides.samples[route] @ meaning[row])[-3:]
            said[place, 2] = (near[-1] + near.sum() / len(near)) / 2
        place = int((said @ _WEIGHED).argmax())
        picked[row], found[row] = best[place], said[place]
    return picked, found


_WEIGHED = np.array([1.0, _NEAR, _NEAR], np.float32)


def _untried(sides: Sides) -> Tier:
    """Where nothing could be left out: the nearness that is typical of short texts."""
    half = np.array([0.5, 0.5, 0.5], np.float32)
    limits = np.zeros(sides.weights.shape[1], np.float32)
    return Tier(sides, half, half, 4.0, 0.0, limits, -np.inf, np.inf)


def _like(samples: Vector, names: Vector, routes: Any, count: int) -> Any:
    """The routes whose names say what their samples say."""
    middles = unit(np.stack([samples[routes == route].sum(0) for route in range(count)]))
    near = names @ middles.T
    own = np.diagonal(near)
    place = (near >= own[:, None]).sum(1)
    return np.flatnonzero((place <= min(_LIKE, (count + 1) // 2)) & (own > 0))


def _apart(scores: Any, right: Any, away: Any) -> float:
    """What the share of requests of no route is limited to by how alike routes are.

    Where a route left out is taken for its neighbours, so is what is of no route: a limit could
    keep out little of it, and would lose much.
    """
    if not away.any():
        return 1.0
    least = np.quantile(scores[right], _LOST)
    return _APART * float((scores[away] <= least[:, None]).mean())


def _limits(logits: Any, routes: Any, right: Any, count: int) -> Vector:
    """A route whose own samples score lower than others' has a lower limit, and the reverse."""
    usual = float(np.median(logits[right]))
    found = np.zeros(count, np.float32)
    for route in range(count):
        own = logits[right & (routes == route)]
        if len(own):
            found[route] = _OWN * (own.mean() - usual) * len(own) / (len(own) + _TRUST)
    return found


def _bounds(logits: Any, right: Any, of_none: Any, share: float) -> tuple[float, float]:
    """Where the tier is sure: what is above is right `_SURE` of the time, what is below is none.

    Few samples cannot show that it is right so often; then it is never sure of a route.
    """
    inside = ~of_none
    weights = inside / max(1, inside.sum()) * (1 - share)
    weights = weights + of_none / max(1, of_none.sum()) * share
    order = np.argsort(-logits)
    shares = np.cumsum((weights * right)[order]) / np.cumsum(weights[order])
    sure = np.flatnonzero(shares >= _SURE)
    shown = len(sure) > 0 and inside.sum() >= _SHOWN
    high = float(logits[order[sure[-1]]]) if shown else np.inf
    shares = np.cumsum((weights * of_none)[order[::-1]]) / np.cumsum(weights[order[::-1]])
    sure = np.flatnonzero(shares >= _SURE)
    low = float(logits[order[::-1][sure[-1]]]) if len(sure) else -np.inf
    return min(low, -_CLEAR), max(high, _CLEAR)
