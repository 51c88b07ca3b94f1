"""Fits the capability head to results: rows of a prompt, a model, and how good its answer was.

Ridge regression by conjugate gradients on the words, shapes and subjects of prompts, with numpy
alone: some seconds for ten thousand rows. With the encoder also on its vectors, which take 8 ms a
prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from situs.analysis.capability import (
    Subjects,
    VectorSubjects,
    Weighed,
    Words,
    plain,
    subjects_of,
    vector_subjects_of,
    waves,
)
from situs.analysis.capability_shape import Numbers, shape
from situs.analysis.features import see
from situs.core.heads import Encode, Seen
from situs.errors import OperatorError
from situs.learning.capability_ridge import dense, design, ridge

LEAST = 50
"""Prompts without which nothing is learned."""

_WAVES, _WIDTH = 1024, 2.0
_OF_SHAPE, _OF_SUBJECT, _ALONE = 5.0, 20.0, 1000.0
"""Penalties."""

_MIX, _MIX_WITH_SUBJECT = (0.6, 0.6, 0.0), (0.4, 0.4, 0.7)
_DEEP_MIX, _DEEP_MIX_WITH_SUBJECT = (0.45, 0.45, 0.0), (0.19, 0.3, 0.26)
_BY_VECTOR, _BY_DEEP_SUBJECT = 0.3, 0.52
"""With vectors, how much they count, and the subject that they tell."""

_WAYS, _OF_VECTOR = 60, 300.0
"""Directions in which vectors differ most, and the penalty on those, scaled to spread 1."""

_SUBJECTS = 8
"""With fewer subjects (the inverse of the sum of squared shares) they say nothing of a prompt."""

_NEAR = 2.0
"""Shapes less apart than this, in spreads, are alike however alike all others were."""

_STRANGE = 0.5
"""Where fewer of the words are new, a prompt is not in another language."""

_SEED = 7
_TYPICAL, _ROUNDS = 48, 10

_PLACE = re.compile(r"(|deep_)([0-9]+)\.")
"""How names of arrays of a fit begin: the place of the fit."""

Learned = tuple[dict[str, Any], dict[str, Any]]
"""Arrays and settings of an artefact."""


def fit(
    rows: Sequence[Mapping[str, Any]],
    subjects: Mapping[str, Any] | None = None,
    classes: Mapping[str, str] | None = None,
    encode: Encode | None = None,
) -> Learned:
    """Learns from rows of `prompt`, `model` and `correct` (true, false or a score from 0 to 1).

    `subjects` are arrays of an artefact that tells subjects, such as the one of the package;
    `classes` are the capability classes of models, else medium. Who gives `encode` adds the digest
    of the encoder to the settings, as `encoder`. Raises OperatorError for too few prompts and for
    scores outside 0 to 1.
    """
    models = sorted({plain(row["model"]) for row in rows})
    prompts = list(dict.fromkeys(row["prompt"] for row in rows))
    if len(prompts) < LEAST:
        raise OperatorError(
            f"{len(prompts)} prompts with results are too few to learn capability from.",
            do=f"Give results of at least {LEAST} different prompts.",
        )
    values, known = _results(rows, models, prompts)
    seen = [see(prompt) for prompt in prompts]
    told = None if subjects is None else subjects_of(subjects)
    arrays = {f"0.{name}": one for name, one in _learn(seen, values, known, told).items()}
    telling = ["subjects."]
    if encode is not None:
        vectors = encode(prompts)
        by_vector = vector_subjects_of(subjects or {})
        if by_vector is not None and len(by_vector.table) != vectors.shape[1]:
            by_vector = None
        if by_vector is not None:
            telling.append("deep_subjects.")
        of_several = len(arrays["0.by_subject"]) > 0
        deep = _learn_deep(vectors, values, known, by_vector if of_several else None)
        arrays |= {f"deep_0.{name}": one for name, one in deep.items()}
    kept = {name: one for name, one in (subjects or {}).items() if name.startswith(tuple(telling))}
    settings = {
        "fits": [{"models": models, "prompts": len(prompts)}],
        "classes": {plain(name): str(one) for name, one in (classes or {}).items()},
    }
    return {**kept, **arrays}, settings


def join(parts: Sequence[Learned]) -> Learned:
    """One artefact of several sets of results; of each prompt, the set most like it answers.

    Those with vectors must have them of the same encoder.
    """
    arrays: dict[str, Any] = {}
    fits: list[Any] = []
    classes: dict[str, str] = {}
    encoder: dict[str, str] = {}
    for some, settings in parts:
        for name, one in some.items():
            place = _PLACE.match(name)
            start = "" if place is None else f"{place[1]}{int(place[2]) + len(fits)}."
            arrays[start + name[len(place[0]) if place else 0 :]] = one
        fits += settings["fits"]
        classes |= settings["classes"]
        encoder |= {"encoder": settings["encoder"]} if "encoder" in settings else {}
    return arrays, {"fits": fits, "classes": classes, **encoder}


def learn_subjects(
    prompts: Sequence[str], labels: Sequence[str], encode: Encode | None = None
) -> dict[str, Any]:
    """Arrays that tell the subject of a question, from questions with the names of theirs."""
    seen = [see(prompt) for prompt in prompts]
    words = _words(seen)
    matrix = design([_weighed(one, words) for one in seen], words, np.zeros((len(seen), 0)))
    names = sorted(set(labels))
    targets = np.array([[label == name for name in names] for label in labels], np.float32)
    penalty = np.full(len(names), 0.5, np.float32)
    coefficients, _, offset = ridge(matrix, targets, np.ones_like(targets), penalty)
    table, scale = _small(coefficients)
    return {
        "subjects.known": words.known,
        "subjects.rarity": words.rarity.astype(np.float16),
        "subjects.table": table,
        "subjects.scale": scale,
        "subjects.offset": offset,
        **({} if encode is None else _vector_subjects(encode(prompts), targets)),
    }


def _vector_subjects(vectors: Numbers, targets: Numbers) -> dict[str, Any]:
    centre = vectors.mean(0)
    table = dense(vectors - centre, targets, np.ones_like(targets), 1.0).astype(np.float16)
    return {
        "deep_subjects.table": table,
        "deep_subjects.offset": targets.mean(0) - centre @ table.astype(np.float32),
    }


def _results(
    rows: Sequence[Mapping[str, Any]], models: Sequence[str], prompts: Sequence[str]
) -> tuple[Numbers, Numbers]:
    """Prompts x models: the mean score, and 1 where there is one."""
    row_of = {prompt: at for at, prompt in enumerate(prompts)}
    column_of = {model: at for at, model in enumerate(models)}
    size = (len(prompts), len(models))
    total, count = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for row in rows:
        score = float(row["correct"])
        if not 0 <= score <= 1:
            raise OperatorError(
                "A score in the results is not between 0 and 1.",
                do="Give `correct` as true, false or a number from 0 to 1.",
            )
        place = row_of[row["prompt"]], column_of[plain(row["model"])]
        total[place] += score
        count[place] += 1
    means = np.divide(total, np.maximum(count, 1), dtype=np.float32)
    known: Numbers = (count > 0).astype(np.float32)
    return means, known


def _learn(
    seen: Sequence[Seen], values: Numbers, known: Numbers, told: Subjects | None
) -> dict[str, Any]:
    words = _words(seen)
    shaped = np.array([shape(one) for one in seen])
    mean, spread = shaped.mean(0), shaped.std(0) + np.float32(1e-3)
    scaled = np.clip((shaped - mean) / spread, -3, 3)
    draw = np.random.default_rng(_SEED)
    size = scaled.shape[1]
    directions = draw.standard_normal((size, _WAVES)) / np.sqrt(size * _WIDTH)
    directions = directions.astype(np.float16).astype(np.float32)
    phases = draw.uniform(0, 2 * np.pi, _WAVES).astype(np.float32)
    ways = waves(scaled, directions, phases)
    count = known.sum(0)
    matrix = design([_weighed(one, words) for one in seen], words, ways[:, :0])
    by_words, _, offset = ridge(matrix, values, known, np.clip(count / 1500, 1, 3))
    table, scale = _small(by_words)
    by_subject, mix = np.zeros((0, values.shape[1]), np.float32), _MIX
    if told is not None:
        shares = np.array([told.shares(*_counted(one)) for one in seen])
        if 1 / np.square(shares.mean(0)).sum() >= _SUBJECTS:
            by_subject, mix = dense(shares, values, known, _OF_SUBJECT), _MIX_WITH_SUBJECT
    typical, far = _typical(scaled)
    return {
        "known": words.known,
        "rarity": words.rarity.astype(np.float16),
        "strange": np.float32(_strange(seen)),
        "mean": mean,
        "spread": spread,
        "typical": typical,
        "far": np.float32(far),
        "directions": directions.astype(np.float16),
        "phases": phases,
        "table": table,
        "scale": scale,
        "by_shape": dense(ways, values, known, _OF_SHAPE),
        "by_subject": by_subject,
        "alone": dense(scaled, values, known, _ALONE),
        "mix": np.array(mix, np.float32),
        "offset": offset,
    }


def _learn_deep(
    vectors: Numbers, values: Numbers, known: Numbers, told: VectorSubjects | None
) -> dict[str, Any]:
    """Regression on the directions in which vectors differ most, and on the subject they tell."""
    centre = vectors.mean(0)
    spreads, ways = np.linalg.eigh(np.cov((vectors - centre).T.astype(np.float64)))
    kept = min(_WAYS, len(vectors) // 2)
    least = max(1e-9, 1e-4 * spreads[-1])
    ways = (ways[:, -kept:] / np.sqrt(np.maximum(spreads[-kept:], least))).astype(np.float32)
    ahead = dense((vectors - centre) @ ways, values, known, _OF_VECTOR)
    by_vector = (np.float32(_BY_VECTOR) * ways @ ahead).astype(np.float16)
    by_subject, mix = np.zeros((0, values.shape[1]), np.float32), _DEEP_MIX
    if told is not None:
        shares = np.array([told.shares(one) for one in vectors])
        by_subject = np.float32(_BY_DEEP_SUBJECT) * dense(shares, values, known, _OF_SUBJECT)
        mix = _DEEP_MIX_WITH_SUBJECT
    return {
        "mix": np.array(mix, np.float32),
        "by_vector": by_vector,
        "by_subject": by_subject,
        "offset": -centre @ by_vector.astype(np.float32),
    }


def _counted(seen: Seen) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    return np.unique(np.concatenate([seen.words, seen.pairs]), return_counts=True)


def _weighed(seen: Seen, words: Words) -> Weighed:
    return words.weigh(*_counted(seen))


def _words(seen: Sequence[Seen]) -> Words:
    """Those in at least two prompts; rarity is the smoothed inverse document frequency."""
    every = np.concatenate([_counted(one)[0] for one in seen])
    known, counts = np.unique(every, return_counts=True)
    often = counts >= 2
    rarity = np.log((1 + len(seen)) / (1 + counts[often])) + 1
    # Through half precision, as it will be kept.
    return Words(known[often], rarity.astype(np.float16).astype(np.float32))


def _strange(seen: Sequence[Seen]) -> float:
    """The share of words not met before that 1 of 100 prompts exceeds; at least `_STRANGE`."""
    known = _words([one for at, one in enumerate(seen) if at % 5]).known
    unknown = [1 - np.isin(one.words, known).mean() for one in seen[::5] if len(one.words)]
    return max(_STRANGE, float(np.quantile(unknown or [1.0], 0.99)))


def _small(table: Numbers) -> tuple[NDArray[np.int8], Numbers]:
    """In steps of 1/127 of each column's greatest value."""
    scale = (np.abs(table).max(0, initial=1e-9) / 127).astype(np.float32)
    return np.round(table / scale).astype(np.int8), scale


def _typical(scaled: Numbers) -> tuple[NDArray[np.float16], float]:
    """Centres of shapes (k-means), and the distance to them that 1 of 100 others exceeds."""
    held = np.arange(len(scaled)) % 5 == 0
    rest = scaled[~held]
    draw = np.random.default_rng(_SEED)
    centres = rest[draw.permutation(len(rest))[: max(1, min(_TYPICAL, len(rest) // 10))]]
    for _ in range(_ROUNDS):
        nearest = _apart(rest, centres).argmin(1)
        counts = np.bincount(nearest, minlength=len(centres))[:, None]
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, rest)
        centres = np.where(counts > 0, sums / np.maximum(counts, 1), centres)
    kept = centres.astype(np.float16)
    distances = np.sqrt(_apart(scaled[held], kept.astype(np.float32)).min(1))
    return kept, max(_NEAR, float(np.quantile(distances, 0.99)))


def _apart(some: Numbers, others: Numbers) -> Numbers:
    """Squared distances."""
    ones, twos = (some * some).sum(1)[:, None], (others * others).sum(1)
    found: Numbers = np.maximum(ones + twos - 2 * some @ others.T, 0)
    return found
