"""Which route is a text of, going by samples, or of none? Two tiers, each with its own limits.

A tier has a softmax regression over what texts mean and how they are spelt. With the nearness to a
route's middle and to its nearest samples it picks the route; how sure that is, is the mean of these
three signals. A route's name counts as one more sample, if its samples are like it. A logistic
curve makes a probability of the signals, and each route has its limit. Both are fitted on samples
left out: a part of each route's own must be found, and whole routes left out and ordinary texts
(`Ground`) must be rejected. No out-of-scope samples are needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from situs.analysis.features import see
from situs.analysis.route_features import Vector, spelt, unit, weigh
from situs.analysis.route_fit import sigmoid_fit, softmax_weights
from situs.core.heads import NO_GROUND, Ground, Seen

MOST = 20_000
"""Samples that are fitted on; of more, each route keeps an even share."""

FOLDS, _TENTHS, _LARGE = 4, 10, 4000
"""Parts in which samples are left out in turn; of more than `_LARGE` samples, one tenth only."""

_KEPT = 64
"""Samples of a route that a text is compared with one by one."""

_DEEP_SPELT, _DEEP_GIST = 0.7, 0.5
"""What spelling and gist weigh against the encoder's vector."""

_PICKED, _NEAR = 3, 2.0
"""Routes that the regression likes best and nearness decides between, and what that weighs."""

_LIKE = 3
"""A name is a sample if its route is among so many nearest to it (half of them, of fewer)."""

_FAST_DECAY, _DEEP_DECAY, _USUAL = 1e-4, 3e-4, 1500
"""Weight decay of the regressions; with more than `_USUAL` samples it is less."""

_FEW_ROUTES, _FAST_NONE, _DEEP_NONE, _MANY_SAMPLES = 0.2, 0.15, 0.125, 0.1
"""The share of requests taken to be of no route when limits are fitted. The more is covered, the
less it is: that of few routes, those of the tiers from `_MANY` routes on, that of `_ENOUGH` samples
a route."""

_MANY, _ENOUGH = 60, 20

_TRUST, _OWN = 12, 0.5
"""A route's own limit counts like so many samples, and moves by so much of what its samples say."""

_SURE, _CLEAR = 0.98, 1.5
"""How often what the fast tier is sure of must be right, and how far (in logits) from the limit."""

_ENOUGH = 100
"""Samples, all routes together, from which on that can be seen."""


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
        picked, signals = _signals(self.sides, features[None])
        route = int(picked[0])
        logit = float(self.logits(signals)[0]) - float(self.limits[route])
        probability = 1 / (1 + np.exp(-logit))
        return Say(route, float(probability), logit >= 0), not self.low < logit < self.high

    def logits(self, signals: Any) -> Any:
        return ((signals - self.center) / self.spread).mean(1) * self.slope + self.offset


class Index(Struct, frozen=True):
    """Samples, ready to be compared with; a route is a position in `routes`."""

    routes: tuple[str, ...]
    weights: Vector
    ground: Ground
    fast: Tier
    deep: Tier | None

    def features(self, text: Seen) -> Vector:
        return _fast(text, self.weights, self.ground)

    def look(self, text: Seen) -> tuple[Say, bool]:
        """What the fast tier says, and whether it is sure."""
        return self.fast.say(self.features(text))

    def closer(self, text: Seen, vector: Any) -> Say:
        """What the deep tier says; the fast one's word where there is none."""
        if self.deep is None:
            return self.look(text)[0]
        return self.deep.say(_deep(text, vector, self.weights, self.ground))[0]


def thinned(samples: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Each route's different samples, in order; at most `MOST` together, an even share of each."""
    found = {name: list(dict.fromkeys(texts)) for name, texts in samples.items()}
    share = max(1, MOST // max(1, len(found)))
    if sum(map(len, found.values())) <= MOST:
        return found
    return {
        name: [texts[place * len(texts) // share] for place in range(share)]
        if len(texts) > share
        else texts
        for name, texts in found.items()
    }


def needed(samples: Mapping[str, Sequence[str]], ground: Ground = NO_GROUND) -> list[str]:
    """The texts whose vectors an index with a deep tier is made of."""
    own = (text for texts in thinned(samples).values() for text in texts)
    return list(dict.fromkeys((*own, *map(named, samples), *ground.ordinary)))


def named(route: str) -> str:
    """A route's name as a text: `card_lost`, `card-lost` and `cardLost` are "card lost"."""
    return _BETWEEN.sub(" ", route).strip().lower()


_BETWEEN = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")


def index(
    samples: Mapping[str, Sequence[str]],
    ground: Ground = NO_GROUND,
    vectors: Mapping[str, Any] | None = None,
) -> Index:
    """The index of samples by route; with `vectors` of all that is `needed`, it has a deep tier.

    Routes have a sample each at least. 150 routes of ten take some four seconds of one core.
    """
    kept = thinned(samples)
    texts = [text for of_route in kept.values() for text in of_route]
    routes = np.repeat(np.arange(len(kept)), [len(of_route) for of_route in kept.values()])
    names = [named(name) for name in kept]
    seen = {text: see(text) for text in (*texts, *names, *ground.ordinary)}
    weights = weigh([seen[text] for text in texts], routes.tolist(), len(kept))

    def fitted(features: Callable[[str], Vector], meant: int, decay: float, share: float) -> Tier:
        share = _FEW_ROUTES - (_FEW_ROUTES - share) * min(1.0, len(kept) / _MANY)
        share = share if len(texts) < _ENOUGH * len(kept) else _MANY_SAMPLES
        rows = [_rows(part, features) for part in (texts, names, ground.ordinary)]
        return _tier(_Given(rows[0], rows[1], rows[2], meant, decay, share), routes)

    meant = 0 if ground.gist is None else len(ground.gist(seen[texts[0]]))
    fast = fitted(lambda text: _fast(seen[text], weights, ground), meant, _FAST_DECAY, _FAST_NONE)
    if vectors is None:
        return Index(tuple(kept), weights, ground, fast, None)
    deep = fitted(
        lambda text: _deep(seen[text], vectors[text], weights, ground),
        len(vectors[texts[0]]),
        _DEEP_DECAY,
        _DEEP_NONE,
    )
    return Index(tuple(kept), weights, ground, fast, deep)


def _rows(texts: Sequence[str], features: Callable[[str], Vector]) -> Vector:
    return np.stack([features(text) for text in texts]) if texts else np.zeros((0, 0), np.float32)


def _fast(text: Seen, weights: Vector, ground: Ground) -> Vector:
    sketch = spelt(text, weights)
    return sketch if ground.gist is None else np.concatenate([ground.gist(text), sketch])


def _deep(text: Seen, vector: Any, weights: Vector, ground: Ground) -> Vector:
    parts = [np.asarray(vector, np.float32), spelt(text, weights) * np.float32(_DEEP_SPELT)]
    return np.concatenate(
        parts if ground.gist is None else [*parts, ground.gist(text) * np.float32(_DEEP_GIST)]
    )


def _sides(features: Vector, routes: Any, count: int, given: _Given) -> Sides:
    decay = given.decay * min(1.0, _USUAL / len(features))
    weights, biases = softmax_weights(features, routes, count, decay)
    meaning = unit(features[:, : given.meant] if given.meant else features)
    of_route = [meaning[routes == route] for route in range(count)]
    middles = unit(np.stack([mine.sum(0) for mine in of_route]))
    kept = tuple(mine[:: -(-len(mine) // _KEPT)] for mine in of_route)
    return Sides(weights, biases, middles, kept, given.meant)


def _signals(sides: Sides, features: Vector) -> tuple[Any, Any]:
    """The best route of each row, and three signals of how good it is."""
    scores = features @ sides.weights + sides.biases
    meaning = unit(features[:, : sides.meant] if sides.meant else features)
    if scores.shape[1] == 1:
        scores = meaning @ sides.middles.T
    picked = np.empty(len(features), np.intp)
    found = np.empty((len(features), 3), np.float32)
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


class _Given(Struct, frozen=True):
    """What a tier is fitted on: rows of samples in order of routes, of names, of ordinary texts.

    `meant` columns say what a text means; `decay` is the regression's, `share` that of texts of no
    route.
    """

    samples: Vector
    names: Vector
    none: Vector
    meant: int
    decay: float
    share: float


class _Tried(Struct, frozen=True):
    """What was said of texts left out: the route of each (-1: none), the pick, the signals."""

    routes: Any
    picked: Any
    signals: Any


def _tier(given: _Given, routes: Any) -> Tier:
    count = int(routes[-1]) + 1
    like = _like(given, routes, count)
    tried = _try(given, routes, like)
    sides = _sides(*_with(given, np.arange(len(routes)), like, routes), count, given)
    right = (tried.picked == tried.routes) & (tried.routes >= 0)
    wrong = tried.routes < 0
    if not right.any() or not wrong.any():
        return _untried(sides)
    center, spread = tried.signals.mean(0), tried.signals.std(0) + np.float32(1e-3)
    scores = ((tried.signals - center) / spread).mean(1)
    use = right | wrong
    share = right / right.sum() * (1 - given.share) + wrong / wrong.sum() * given.share
    slope, offset = sigmoid_fit(scores[use], right[use].astype(float), share[use])
    logits = scores * slope + offset
    limits = _limits(logits, tried.routes, right, count)
    low, high = _bounds(logits - limits[tried.picked], right, wrong, given.share)
    return Tier(sides, center, spread, slope, offset, limits, low, high)


def _untried(sides: Sides) -> Tier:
    """Where nothing could be left out: the nearness that is typical of short texts."""
    half = np.array([0.5, 0.5, 0.5], np.float32)
    limits = np.zeros(sides.weights.shape[1], np.float32)
    return Tier(sides, half, half, 4.0, 0.0, limits, -np.inf, np.inf)


def _like(given: _Given, routes: Any, count: int) -> Any:
    """The routes whose names say what their samples say."""
    meant = given.meant or None
    samples, names = unit(given.samples[:, :meant]), unit(given.names[:, :meant])
    middles = unit(np.stack([samples[routes == route].sum(0) for route in range(count)]))
    near = names @ middles.T
    own = np.diagonal(near)
    place = (near >= own[:, None]).sum(1)
    return np.flatnonzero((place <= min(_LIKE, (count + 1) // 2)) & (own > 0))


def _with(given: _Given, rows: Any, names: Any, routes: Any) -> tuple[Vector, Any]:
    """Rows of samples and of routes' names, and the route of each."""
    features = np.vstack([given.samples[rows], given.names[names]])
    return features, np.concatenate([routes[rows], names])


def _try(given: _Given, routes: Any, like: Any) -> _Tried:
    """Leaves out in turn a part of each route's samples, and whole routes, which then are none."""
    features, none = given.samples, given.none.reshape(len(given.none), given.samples.shape[1])
    count = int(routes[-1]) + 1
    starts = np.searchsorted(routes, np.arange(count))
    places = np.arange(len(routes)) - starts[routes]
    single = np.bincount(routes, minlength=count)[routes] == 1
    of, picks, signals = [], [], []
    parts, turns = (FOLDS, FOLDS) if len(routes) <= _LARGE else (_TENTHS, 1)
    for fold in range(turns):
        away = (routes % parts == fold) & (count > FOLDS)
        held = (places % parts == fold) & ~away & ~single
        rest = np.flatnonzero(~away & ~held)
        known = np.unique(routes[rest])
        if not len(known):
            continue
        left, of_left = _with(given, rest, like[np.isin(like, known)], routes)
        sides = _sides(left, np.searchsorted(known, of_left), len(known), given)
        said = np.vstack([features[held], features[away], none[fold::turns]])
        picked, found = _signals(sides, said)
        of.append(np.full(len(said), -1))
        of[-1][: int(held.sum())] = routes[held]
        picks.append(known[picked])
        signals.append(found)
    return _Tried(np.concatenate(of), np.concatenate(picks), np.vstack(signals))


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
    shown = len(sure) > 0 and inside.sum() >= _ENOUGH
    high = float(logits[order[sure[-1]]]) if shown else np.inf
    shares = np.cumsum((weights * of_none)[order[::-1]]) / np.cumsum(weights[order[::-1]])
    sure = np.flatnonzero(shares >= _SURE)
    low = float(logits[order[::-1][sure[-1]]]) if len(sure) else -np.inf
    return min(low, -_CLEAR), max(high, _CLEAR)
