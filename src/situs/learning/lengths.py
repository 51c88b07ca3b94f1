"""How long answers are, from those that were given: at a kind of request, and of a model.

An answer has the length usual at its kind, times a factor of its model, times one of its model at
that kind. The first two are found in turns, since a model may have been asked for one kind alone.
Each is drawn to what is known without it: to what the analysis expects, to 1, and to 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from statistics import median_low

from msgspec import Struct

from situs.core.length import Answered, Lengths
from situs.core.snapshot import ANY_KIND

STRENGTH = 20.0
"""What is known without the answers is worth so many of them."""

FARTHEST = 8.0
"""An answer counts as at most so many times as long as half of those at its kind are, or short."""

ROUNDS = 4

_SOME = int(STRENGTH)

_DIGITS = 4


class _One(Struct, frozen=True):
    """An answer as it counts."""

    model: str
    kind: str
    by: str
    tokens: float


def measure(answers: Iterable[Answered], models: Collection[str]) -> Lengths:
    """What answers of these models teach. At each step a key counts for half at most."""
    by_kind: dict[str, list[Answered]] = defaultdict(list)
    for one in answers:
        if one.model in models and one.tokens > 0:
            by_kind[one.kind].append(one)
    counted = [one for kind in sorted(by_kind) for one in _clipped(by_kind[kind])]
    kinds, of_model = _groups(counted, "kind"), _groups(counted, "model")
    usual, factor = dict.fromkeys(kinds, 1.0), dict.fromkeys(of_model, 1.0)
    known = dict.fromkeys(kinds, 0.0)
    for _ in range(ROUNDS):
        for kind, those in kinds.items():
            usual[kind], known[kind] = _mean(those, [factor[one.model] for one in those])
        for model, those in of_model.items():
            factor[model] = _drawn(those, [usual[one.kind] for one in those])
    found = {(model, ANY_KIND): one for model, one in factor.items()}
    for model, mine in of_model.items():
        for kind, those in _groups(mine, "kind").items():
            before = usual[kind] * factor[model]
            found[model, kind] = factor[model] * _drawn(those, [before] * len(those))
    return Lengths(
        {kind: (round(usual[kind], 1), round(known[kind], _DIGITS)) for kind in kinds},
        {name: round(one, _DIGITS) for name, one in found.items()},
    )


def _clipped(those: Sequence[Answered]) -> list[_One]:
    """By a median to which each key adds `STRENGTH` answers at most, and each model no more than
    all others, or so many. It is the lower one of two, for who lies of its answers makes them long.
    """
    some: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for one in those:
        some[one.model][one.by].append(one.tokens)
    pools = [
        sorted(tokens for by in sorted(keys) for tokens in _evenly(sorted(keys[by]), _SOME))
        for _, keys in sorted(some.items())
    ]
    whole = sum(map(len, pools))
    fair = [_evenly(pool, max(_SOME, whole - len(pool))) for pool in pools]
    middle = median_low([tokens for pool in fair for tokens in pool])
    low, high = middle / FARTHEST, middle * FARTHEST
    return [
        _One(one.model, one.kind, one.by, min(max(float(one.tokens), low), high)) for one in those
    ]


def _evenly(tokens: Sequence[int], most: int) -> Sequence[int]:
    """So many of them at most, at even distances."""
    if len(tokens) <= most:
        return tokens
    return [tokens[(2 * at + 1) * len(tokens) // (2 * most)] for at in range(most)]


def _groups(those: Iterable[_One], by: str) -> dict[str, list[_One]]:
    found: dict[str, list[_One]] = defaultdict(list)
    for one in those:
        found[getattr(one, by)].append(one)
    return dict(sorted(found.items()))


def _mean(those: Sequence[_One], factors: Sequence[float]) -> tuple[float, float]:
    """The mean of what a usual model would have said, and its weight against what is expected."""
    weights = _weights(those)
    total = sum(weights)
    weights = _fair(those, weights)
    tokens = sum(w * one.tokens for w, one in zip(weights, those, strict=True))
    whole = sum(w * one for w, one in zip(weights, factors, strict=True))
    return tokens / whole, total / (total + STRENGTH)


def _drawn(those: Sequence[_One], expected: Sequence[float]) -> float:
    """How many times as long as expected they are, drawn to 1."""
    weights = _weights(those)
    tokens = sum(w * one.tokens for w, one in zip(weights, those, strict=True))
    whole = sum(w * one for w, one in zip(weights, expected, strict=True))
    prior = STRENGTH * whole / sum(weights)
    return (tokens + prior) / (whole + prior)


def _fair(those: Sequence[_One], weights: Sequence[float]) -> list[float]:
    """A model counts for no more than all others together, or than `STRENGTH` answers."""
    of: dict[str, float] = defaultdict(float)
    for one, weight in zip(those, weights, strict=True):
        of[one.model] += weight
    total = sum(of.values())
    scale = {model: min(1.0, max(STRENGTH, total - mine) / mine) for model, mine in of.items()}
    return [weight * scale[one.model] for one, weight in zip(those, weights, strict=True)]


def _weights(those: Sequence[_One]) -> list[float]:
    """Of each answer, less where its key would count for more than all else together."""
    counts: dict[str, float] = defaultdict(float)
    for one in those:
        counts[one.by] += 1.0
    total = STRENGTH + len(those)
    scale = {by: min(1.0, (total - n) / n) if by else 1.0 for by, n in counts.items()}
    return [scale[one.by] for one in those]
