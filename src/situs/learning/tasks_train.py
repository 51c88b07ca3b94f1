"""From a folder of public sets to the artefact of the task head; minutes on one core.

The fast tier is fitted on everything that is not kept apart. What it says of rows that it has not
seen (three folds) gives its temperature, its threshold, and what the deep tier's layer starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.analysis.features import see
from situs.analysis.task_head import GRAM_BITS, asked
from situs.core.heads import Encode
from situs.learning.tasks import (
    CLASSES,
    MARK_WEIGHT,
    Floats,
    Linear,
    bags,
    fit,
    scores,
    text_of,
    varied,
)
from situs.learning.tasks_sources import SCARCE, Prompt, digest, prompts

FOLDS = 3
COPIES, VARIED_WEIGHT = 2, 0.35
"""How many varied copies of each prompt are learned from, and how much one counts."""

SCARCE_WEIGHT = 4
"""How much a prompt of a small set counts in which each is unlike the others."""

BALANCE = 0.35
"""A prompt of a class counts by the class's size to minus this power: small classes count more."""

RIGHT = 0.9
"""So often a head is right where it is sure, over all sets: its threshold is fitted to that."""

DEEP_STEPS, DEEP_RATE, DEEP_DECAY = 200, 0.02, 1e-4

Places = NDArray[np.intp]


class Learned(Struct, frozen=True):
    """Arrays and settings of the artefact, and the rows it was learned from."""

    arrays: dict[str, Any]
    settings: dict[str, Any]
    rows: list[Prompt]


class Told(Struct, frozen=True):
    """What the fast tier says of rows that it did not learn from, with their labels."""

    scores: Floats
    labels: Places


def train(folder: Path, encode: Encode | None, say: Callable[[str], None]) -> Learned:
    """Learns from `folder`; without `encode` there is no deep tier. Raises as `prompts` does."""
    every = prompts(folder)
    rows = [one for one in every if not one.apart]
    texts = [text_of(one) for one in rows]
    texts += [varied(one, rows, copy) for copy in range(COPIES) for one in rows]
    own = np.arange(len(texts)) % len(rows)
    labels = np.array([CLASSES.index(one.label) for one in rows])[own]
    sizes = np.bincount(labels, minlength=len(CLASSES))
    weights = (sizes[labels] / sizes.mean()) ** -BALANCE
    weights *= np.array([SCARCE_WEIGHT if one.source in SCARCE else 1 for one in rows])[own]
    weights = np.where(np.arange(len(texts)) < len(rows), weights, weights * VARIED_WEIGHT)
    weights = weights.astype(np.float32)
    say(f"reading {len(texts)} texts")
    read = bags(texts)
    say("fitting the fast tier")
    model, rare = fit(read, labels, weights, np.arange(len(texts)))
    fold = np.array([digest(one.instruction) // 5 % FOLDS for one in rows])[own]
    apart = np.zeros((len(rows), len(CLASSES)), np.float32)
    for which in range(FOLDS):
        say(f"fold {which + 1} of {FOLDS}")
        part, rare_ = fit(read, labels, weights, np.flatnonzero(fold != which))
        held = np.flatnonzero(fold[: len(rows)] == which)
        apart[held] = scores(part, rare_, read, held)
    told = Told(apart, labels[: len(rows)])
    arrays, settings = assembled(model, rare, told)
    if encode is not None:
        say("reading with the encoder")
        vectors = np.concatenate([encode((asked(see(text).text),)) for text in texts[: len(rows)]])
        more, said = deepened(told, settings["temperature"], vectors)
        arrays, settings = {**arrays, **more}, {**settings, **said}
    return Learned(arrays, settings, rows)


def assembled(model: Linear, rare: Floats, told: Told) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fast tier's arrays, in whole numbers of eight bits, and its settings."""
    weighed = model.grams * rare[:, None]
    shrink = np.quantile(np.abs(weighed[weighed != 0]), 0.9999) / float((rare * rare).max())
    used = (model.grams != 0).any(axis=1)
    squares = np.where(used, rare * rare, float((rare * rare).max())) * shrink * shrink
    grams, gram_scale = _packed(np.concatenate((squares[:, None], weighed * shrink), axis=1))
    marks = np.concatenate((np.zeros((len(model.marks), 1)), model.marks * MARK_WEIGHT), axis=1)
    packed, mark_scale = _packed(marks.astype(np.float32))
    heat = _temperature(told)
    return {
        "grams": grams,
        "marks": packed,
        "scale": np.array([gram_scale, mark_scale], np.float32),
        "bias": model.bias.astype(np.float32),
    }, {
        "classes": list(CLASSES),
        "bits": GRAM_BITS,
        "temperature": heat,
        "threshold": threshold(_softmax(told.scores / heat), told.labels),
    }


def _packed(table: Floats) -> tuple[NDArray[np.int8], float]:
    """The few largest are cut off."""
    scale = float(np.quantile(np.abs(table[table != 0]), 0.9999)) / 127
    return np.clip(np.rint(table / scale), -127, 127).astype(np.int8), scale


def deepened(told: Told, heat: float, vectors: Floats) -> tuple[dict[str, Any], dict[str, Any]]:
    """A linear layer over the fast tier's logarithms and the encoder's vectors.

    It begins as the fast tier alone. Its temperature and threshold are fitted on a fifth of the
    rows that it has not seen, then it is fitted again on all.
    """
    logs = np.log(_softmax(told.scores / heat) + 1e-9)
    inner = np.arange(len(logs)) % 5 > 0
    first = _layer(logs[inner], vectors[inner], told.labels[inner])
    rest = Told(_through(first, logs[~inner], vectors[~inner]), told.labels[~inner])
    layer = _layer(logs, vectors, told.labels)
    deep_heat = _temperature(rest)
    sure = threshold(_softmax(rest.scores / deep_heat), rest.labels)
    names = ("deep_fast", "deep_vector", "deep_bias")
    arrays = dict(zip(names, (one.astype(np.float32) for one in layer), strict=True))
    return arrays, {"deep_temperature": deep_heat, "deep_threshold": sure}


Layer = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def _layer(logs: Floats, vectors: Floats, labels: Places) -> Layer:
    """Softmax regression by Adam over all rows at once; the vectors' part is kept small."""
    count = len(CLASSES)
    layer = [np.eye(count), np.zeros((vectors.shape[1], count)), np.zeros(count)]
    one = [np.zeros_like(each) for each in layer]
    two = [np.zeros_like(each) for each in layer]
    gold = np.eye(count)[labels]
    for step in range(1, DEEP_STEPS + 1):
        wrong = (_softmax(_through(layer, logs, vectors)) - gold) / len(labels)
        slopes = [logs.T @ wrong, vectors.T @ wrong + DEEP_DECAY * layer[1], wrong.sum(axis=0)]
        for place, slope in enumerate(slopes):
            one[place] = 0.9 * one[place] + 0.1 * slope
            two[place] = 0.99 * two[place] + 0.01 * slope * slope
            size = np.sqrt(two[place] / (1 - 0.99**step)) + 1e-8
            layer[place] = layer[place] - DEEP_RATE * one[place] / (1 - 0.9**step) / size
    return layer[0], layer[1], layer[2]


def _through(layer: Sequence[Any], logs: Floats, vectors: Floats) -> Floats:
    found: Floats = logs @ layer[0] + vectors @ layer[1] + layer[2]
    return found


def _temperature(told: Told) -> float:
    """The one that makes the labels most probable."""
    heats = np.exp(np.linspace(-1.5, 1.5, 121))
    every = np.arange(len(told.labels))
    losses = [
        -np.log(_softmax(told.scores / heat)[every, told.labels] + 1e-9).mean() for heat in heats
    ]
    return round(float(heats[int(np.argmin(losses))]), 4)


def threshold(said: Floats, labels: Places) -> float:
    """The least probability such that of the rows with at least as much `RIGHT` are right."""
    top, right = said.max(axis=1), said.argmax(axis=1) == labels
    for step in np.arange(0.1, 0.98, 0.01):
        if right[top >= step].mean() >= RIGHT:
            return round(float(step), 2)
    return 0.98


def _softmax(said: Floats) -> Floats:
    found = np.exp(said - said.max(axis=1, keepdims=True))
    result: Floats = found / found.sum(axis=1, keepdims=True)
    return result
