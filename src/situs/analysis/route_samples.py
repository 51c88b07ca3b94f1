"""Which route is a text of, going by samples, or of none? Two tiers, each with its own limits.

The fast tier looks at a text's spelling and at its gist from a static table, the deep one at its
vector too. A route's name counts as one more sample, if its samples are like it. No out-of-scope
samples are needed: what is of no route is learned from the samples and from ordinary texts
(`Ground`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from situs.analysis.features import see
from situs.analysis.route_features import Vector, spelt, weigh
from situs.analysis.route_tier import Given, Say, Tier, tier
from situs.core.heads import NO_GROUND, Ground, Seen

MOST = 20_000
"""Samples that are fitted on; of more, each route keeps an even share."""

_DEEP_SPELT, _DEEP_GIST = 0.7, 0.5
"""What spelling and gist weigh against the encoder's vector."""

_FAST_DECAY, _DEEP_DECAY = 1e-4, 5e-5
"""Weight decay of the regressions."""


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

    def fitted(features: Callable[[str], Vector], meant: int, deep: bool) -> Tier:
        own, called, none = (_rows(part, features) for part in (texts, names, ground.ordinary))
        decay = _DEEP_DECAY if deep else _FAST_DECAY
        return tier(Given(own, called, none, meant, decay, deep), routes)

    meant = 0 if ground.gist is None else len(ground.gist(seen[texts[0]]))
    fast = fitted(lambda text: _fast(seen[text], weights, ground), meant, False)
    if vectors is None:
        return Index(tuple(kept), weights, ground, fast, None)
    deep = fitted(
        lambda text: _deep(seen[text], vectors[text], weights, ground),
        len(vectors[texts[0]]),
        True,
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
