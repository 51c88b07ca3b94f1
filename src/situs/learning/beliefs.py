"""What is believed of models, from what their answers were worth, as people or machines say.

Three steps, each drawn to the one before it: the model (drawn to its capability class), the model
at a kind of request, the model at a kind and a class needed. The first two move the odds, so that
what is learned from easy requests also says something of hard ones. Older ratings count less.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from situs.core.capability import CapabilityClass
from situs.core.length import NO_LENGTHS, Lengths
from situs.core.rating import Likeness, Origin, Rating
from situs.core.snapshot import ANY_KIND, Belief, Beliefs
from situs.placement.quality import PRIOR_WEIGHT, PRIORS

HALF_LIFE_S = 30 * 86_400.0
"""A rating that is so old counts half."""

STRENGTH = 20.0
"""What the step before is worth, in ratings."""

ONE_KEY = 0.25
"""What one key says counts at each step for no more than this share of what is there besides (the
step before, and ratings that are trusted): a fifth of the belief. Over three steps one key moves a
belief by less than half of the way to what it says. What machines say of a key's requests counts as
said by that key, after its own words; and what machines say of all requests counts no more than one
key."""

WORTH = {Origin.PERSON: 1.0, Origin.BENCH: 1.0, Origin.CASCADE: 0.25, Origin.SHADOW: 0.1}
"""What a rating counts for. A machine's errors are the same in all that it says (a calibration that
no longer fits, a likeness that misleads), so more of its ratings make less sure than their number;
that of a likeness stands on a belief about another model, too."""

_SAID = frozenset({Origin.PERSON, Origin.BENCH})
"""What comes from somebody who knows; the rest is what machines made of it."""

SHORT_TOKENS = 16
"""In answers as long as this at most, other words mean another answer; in free text they do not."""

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
    lengths: Lengths = NO_LENGTHS,
) -> Beliefs:
    """The beliefs of now about the models in `classes`, from ratings of these.

    `usual` and `lengths` are told on; see `learning.lengths`.
    """
    by_model: dict[str, list[_Said]] = defaultdict(list)
    for one in ratings:
        if one.model in classes:
            age_s = max(0.0, now - one.at)
            weight = WORTH[one.origin] * 0.5 ** (age_s / HALF_LIFE_S)
            by_model[one.model].append(_Said(one, weight))
    table: dict[tuple[str, ...], Belief] = {}
    for model in sorted(by_model):
        table |= _of_model(model, classes[model], by_model[model])
    told = [sorted(table.items()), usual, lengths.kinds, sorted(lengths.models.items())]
    digest = sha256(msgspec.json.encode(told)).hexdigest()
    return Beliefs(table, usual, digest, lengths=lengths)


def compared(
    found: Iterable[Likeness], classes: Mapping[str, CapabilityClass], beliefs: Beliefs
) -> list[Rating]:
    """Ratings of copies of short answers, by what is believed of the models that were served.

    The same answer is right as often as the other model is; another one where that one is wrong,
    and as often as it is right elsewhere.
    """
    ratings = []
    for one in found:
        if one.other in classes:
            right = _known(beliefs, one.other, classes[one.other], one)
            score = one.similarity * right + (1 - one.similarity) * right * (1 - right)
            facts = (one.model, one.kind, one.needs, score, one.at, one.by)
            ratings.append(Rating(*facts, Origin.SHADOW))
    return ratings


def _known(beliefs: Beliefs, model: str, able: CapabilityClass, at: Likeness) -> float:
    """As `placement.quality` has it."""
    for kind in (at.kind, ANY_KIND):
        if (found := beliefs.table.get((model, kind, at.needs.value))) is not None:
            return found.mean
    return PRIORS[able, at.needs].mean


def counts(ratings: Iterable[Rating]) -> dict[tuple[str, ...], Counter[Origin]]:
    """How many ratings there are for each key of `Beliefs.table`: those of any kind are all."""
    found = defaultdict[tuple[str, ...], Counter[Origin]](Counter)
    for one in ratings:
        for kind in (one.kind, ANY_KIND):
            found[one.model, kind, one.needs.value][one.origin] += 1
    return found


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
    """The weights, less where one key, or machines together, say more than they may."""
    words, judged = defaultdict[str, float](float), defaultdict[str, float](float)
    for one in said:
        table = words if one.rating.origin in _SAID else judged
        table[one.rating.by] += one.weight
    most = ONE_KEY * (STRENGTH + words.get("", 0.0))
    scale = {by: min(1.0, most / weight) if by and weight else 1.0 for by, weight in words.items()}
    left = {by: most - min(most, words.get(by, 0.0)) for by in judged}
    after = {by: min(1.0, left[by] / weight) if weight else 0.0 for by, weight in judged.items()}
    total = sum(after[by] * weight for by, weight in judged.items())
    every = min(1.0, most / total) if total else 0.0
    return [
        one.weight
        * (scale[one.rating.by] if one.rating.origin in _SAID else after[one.rating.by] * every)
        for one in said
    ]


def _logit(mean: float) -> float:
    kept = min(max(mean, _LEAST), 1 - _LEAST)
    return math.log(kept / (1 - kept))
