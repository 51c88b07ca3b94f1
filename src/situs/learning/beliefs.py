"""What is believed of models, from what their answers were worth.

Three steps, each drawn to the one before it: the model (drawn to its capability class), the model
at a kind of request, the model at a kind and a class needed. The first two move the odds, so that
what is learned from easy requests also says something of hard ones. Older ratings count less.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from situs.core.capability import CapabilityClass
from situs.core.rating import Rating
from situs.core.snapshot import ANY_KIND, Belief, Beliefs
from situs.placement.quality import PRIOR_WEIGHT, PRIORS

HALF_LIFE_S = 30 * 86_400.0
"""A rating that is so old counts half."""

STRENGTH = 20.0
"""What the step before is worth, in ratings."""

ONE_KEY = 0.25
"""What one key says counts at each step for no more than this share of what is there besides (the
step before, and ratings that are trusted): a fifth of the belief. Over three steps one key moves a
belief by less than half of the way to what it says."""

_LEAST = 0.01


class _Said(Struct, frozen=True):
    """A rating with its weight by now."""

    rating: Rating
    weight: float


def believe(
    ratings: Iterable[Rating],
    classes: Mapping[str, CapabilityClass],
    now: float,
    usual: tuple[float, float] = Beliefs().usual,
) -> Beliefs:
    """The beliefs of now about the models in `classes`, from ratings of these."""
    by_model: dict[str, list[_Said]] = defaultdict(list)
    for one in ratings:
        if one.model in classes:
            age_s = max(0.0, now - one.at)
            by_model[one.model].append(_Said(one, 0.5 ** (age_s / HALF_LIFE_S)))
    table: dict[tuple[str, ...], Belief] = {}
    for model in sorted(by_model):
        table |= _of_model(model, classes[model], by_model[model])
    digest = sha256(msgspec.json.encode([sorted(table.items()), usual])).hexdigest()
    return Beliefs(table, usual, digest)


_Means = dict[CapabilityClass, float]


def _of_model(
    model: str, able: CapabilityClass, said: Sequence[_Said]
) -> dict[tuple[str, ...], Belief]:
    first, weight = _moved({needs: PRIORS[able, needs].mean for needs in CapabilityClass}, said)
    weight += PRIOR_WEIGHT
    table: dict[tuple[str, ...], Belief] = {
        (model, ANY_KIND, needs.value): Belief(round(mean, 6), round(weight, 3))
        for needs, mean in first.items()
    }
    by_kind: dict[str, list[_Said]] = defaultdict(list)
    for one in said:
        by_kind[one.rating.kind].append(one)
    for kind, those in by_kind.items():
        second, of_kind = _moved(first, those)
        of_kind += min(weight, STRENGTH)
        for needs, mean in second.items():
            exact = [one for one in those if one.rating.needs is needs]
            worth, counted = _summed(exact, mean)
            table[model, kind, needs.value] = Belief(
                round(worth, 6), round(min(of_kind, STRENGTH) + counted if exact else of_kind, 3)
            )
    return table


def _moved(means: _Means, said: Sequence[_Said]) -> tuple[_Means, float]:
    """All means with their odds changed alike, so that they say what was rated; and its weight."""
    weights = _capped(said)
    total = sum(weights)
    if not total:
        return means, 0.0
    expected = sum(w * means[one.rating.needs] for w, one in zip(weights, said, strict=True))
    expected /= total
    worth, _ = _summed(said, expected)
    shift = _logit(worth) - _logit(expected)
    return {
        needs: 1 / (1 + math.exp(-_logit(mean) - shift)) for needs, mean in means.items()
    }, total


def _summed(said: Sequence[_Said], before: float) -> tuple[float, float]:
    """The mean of what was rated, drawn to `before`, and the weight of the ratings."""
    weights = _capped(said)
    worth = sum(w * one.rating.score for w, one in zip(weights, said, strict=True))
    total = sum(weights)
    return (before * STRENGTH + worth) / (STRENGTH + total), total


def _capped(said: Sequence[_Said]) -> list[float]:
    """The weights, less where one key says more than it may."""
    of: dict[str, float] = defaultdict(float)
    for one in said:
        of[one.rating.by] += one.weight
    most = ONE_KEY * (STRENGTH + of.get("", 0.0))
    scale = {by: min(1.0, most / weight) if by and weight else 1.0 for by, weight in of.items()}
    return [one.weight * scale[one.rating.by] for one in said]


def _logit(mean: float) -> float:
    kept = min(max(mean, _LEAST), 1 - _LEAST)
    return math.log(kept / (1 - kept))
