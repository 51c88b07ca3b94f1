"""Trains the task head: `python -m situs.learning.tasks FOLDER OUT`, a few minutes on one core.

Needs numpy alone for the fast tier; the deep tier is fitted where an encoder is given. What is
learned depends on the folder and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.analysis.features import rows, see
from situs.analysis.task_head import GRAM_BITS, MARK_BITS, marked
from situs.learning.tasks_sources import Prompt, digest, ways

CLASSES = (
    "classification", "extraction", "summarisation", "rewriting", "translation", "code", "chat",
    "closed_qa", "open_qa", "advice", "brainstorming", "creative_writing", "reasoning",
    "agent_step",
)  # fmt: skip

Floats = NDArray[np.float32]
Say = Callable[[str], None]

EPOCHS, BATCH, RATE, DECAY = 6, 256, 0.15, 3e-5
MARK_WEIGHT = 0.15
"""How much a mark counts beside the n-grams, whose vector has length 1."""


class Bag(Struct, frozen=True):
    """Rows of a table for many texts, one after the other, and where each text's begin."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]

    def of(self, texts: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of some texts, and for each the place of its text among them."""
        ends = np.append(self.starts[1:], len(self.rows))
        sizes = ends[texts] - self.starts[texts]
        places = np.repeat(np.arange(len(texts)), sizes)
        offsets = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self.rows[self.starts[texts][places] + offsets], places


class Linear(Struct):
    """Weights of n-grams (times idf) and marks, and a bias."""

    grams: Floats
    marks: Floats
    bias: Floats


def text_of(prompt: Prompt, between: str = "\n") -> str:
    return f"{prompt.instruction}{between}{prompt.given}" if prompt.given else prompt.instruction


def varied(prompt: Prompt, others: Sequence[Prompt], copy: int = 0) -> str:
    """The prompt said in another way: words left out, politeness, order, typos, case, talk about
    other tasks.

    Which way depends on a hash of the prompt and on which copy it is.
    """
    draw = np.random.default_rng(digest(f"{prompt.instruction}\0varied{copy or ''}"))
    said, given = prompt.instruction, prompt.given
    if draw.random() < 0.35:
        said = " ".join(word for word in said.split(" ") if draw.random() > 0.12) or said
    if draw.random() < 0.5:
        way = _any(draw, "polite")
        inner = said[0].lower() + said[1:].rstrip("?.") if draw.random() < 0.5 else said
        said = way.replace("{}", inner)
    if draw.random() < 0.3:
        said = typos(said, draw)
    if draw.random() < 0.3:
        said = said.lower() if draw.random() < 0.7 else said.upper()
    if draw.random() < 0.25:
        other = CLASSES[draw.integers(len(CLASSES))].replace("_", " ")
        said = f"{said} {_any(draw, 'talk').replace('{}', other)}"
    if draw.random() < 0.25:
        mention = others[int(draw.integers(len(others)))].instruction[:200]
        about = _any(draw, "about").replace("{}", mention)
        said = f"{said}\n{about}" if draw.random() < 0.7 else f"{about}\n{said}"
    if not given:
        return said
    between = ("\n", "\n\n", "\n\nText:\n", ":\n", "\n---\n")[draw.integers(5)]
    return f"{given}{between}{said}" if draw.random() < 0.35 else f"{said}{between}{given}"


def _any(draw: np.random.Generator, kind: str) -> str:
    many: list[str] = ways()[kind]
    return many[int(draw.integers(len(many)))]


def typos(text: str, draw: np.random.Generator) -> str:
    """About one letter in 25 swapped with the next, left out or doubled."""
    letters = list(text)
    for place in np.flatnonzero(draw.random(max(len(letters) - 1, 0)) < 0.04):
        kind = draw.integers(3)
        if kind == 0:
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        else:
            letters[place] *= int(kind - 1) * 2
    return "".join(letters)


def bags(texts: Sequence[str]) -> tuple[Bag, Bag]:
    """N-grams and marks of texts, as the head reads them."""
    found = [marked(see(text)) for text in texts]
    return tuple(  # type: ignore[return-value]
        _bag([rows(one[which], bits) for one in found])
        for which, bits in enumerate((GRAM_BITS, MARK_BITS))
    )


def _bag(parts: list[NDArray[np.intp]]) -> Bag:
    sizes = np.array([0, *map(len, parts)], np.int64)
    return Bag(np.concatenate(parts).astype(np.int64), np.cumsum(sizes)[:-1])


def idf(grams: Bag, texts: NDArray[np.intp]) -> Floats:
    """How rare each row is among texts: the root of one plus the logarithm of its inverse share."""
    touched, places = grams.of(texts)
    pairs = np.unique(places * (1 << GRAM_BITS) + touched)
    count = np.bincount(pairs % (1 << GRAM_BITS), minlength=1 << GRAM_BITS)
    found: Floats = np.sqrt(np.log((len(texts) + 1) / (count + 1)) + 1).astype(np.float32)
    return found


class Lesson(Struct, frozen=True):
    """What a fit goes through: the texts' rows, idf of n-grams, labels and weights of texts."""

    grams: Bag
    marks: Bag
    rare: Floats
    labels: NDArray[np.intp]
    weights: Floats


def fit(
    read: tuple[Bag, Bag], labels: NDArray[np.intp], weights: Floats, texts: NDArray[np.intp]
) -> tuple[Linear, Floats]:
    """Softmax regression by AdaGrad over some texts, and the idf of the n-grams."""
    lesson = Lesson(*read, idf(read[0], texts), labels, weights)
    count = len(CLASSES)
    model = Linear(
        np.zeros((1 << GRAM_BITS, count), np.float32),
        np.zeros((1 << MARK_BITS, count), np.float32),
        np.zeros(count, np.float32),
    )
    sums = [np.full_like(one, 1e-6) for one in (model.grams, model.marks, model.bias)]
    draw = np.random.default_rng(7)
    for epoch in range(EPOCHS):
        rate = RATE * (1 - epoch / EPOCHS) + 0.02
        for batch in _batches(draw.permutation(texts)):
            _step(model, sums, lesson, batch, rate)
    return model, lesson.rare


def _batches(texts: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(texts), BATCH):
        yield texts[start : start + BATCH]


def _step(
    model: Linear, sums: list[Floats], lesson: Lesson, batch: NDArray[np.intp], rate: float
) -> None:
    labels, weights = lesson.labels, lesson.weights
    said, (found, places, values), (shapes, owners) = _forward(
        model, (lesson.grams, lesson.marks, lesson.rare), batch
    )
    error = np.exp(said - said.max(axis=1, keepdims=True))
    error /= error.sum(axis=1, keepdims=True)
    error[np.arange(len(batch)), labels[batch]] -= 1
    error *= (weights[batch] / weights[batch].sum())[:, None]
    for table, total, rows_, values_, owner in (
        (model.grams, sums[0], found, values, places),
        (model.marks, sums[1], shapes, np.full(len(shapes), MARK_WEIGHT, np.float32), owners),
    ):
        touched, where = np.unique(rows_, return_inverse=True)
        slope = np.stack(
            [np.bincount(where, values_ * column[owner], len(touched)) for column in error.T],
            axis=1,
        ).astype(np.float32)
        slope += DECAY * table[touched]
        total[touched] += slope * slope
        table[touched] -= rate * slope / np.sqrt(total[touched])
    slope = error.sum(axis=0)
    sums[2] += slope * slope
    model.bias -= rate * slope / np.sqrt(sums[2])


def _forward(
    model: Linear, read: tuple[Bag, Bag, Floats], batch: NDArray[np.intp]
) -> tuple[Floats, tuple[Any, Any, Any], tuple[Any, Any]]:
    grams, marks, rare = read
    found, places = grams.of(batch)
    values = rare[found]
    length = np.sqrt(np.bincount(places, values * values, len(batch)) + 1e-6)
    values = (values / length[places]).astype(np.float32)
    shapes, owners = marks.of(batch)
    said = (
        np.stack(
            [
                np.bincount(places, values * grams_, len(batch))
                + MARK_WEIGHT * np.bincount(owners, marks_, len(batch))
                for grams_, marks_ in zip(model.grams[found].T, model.marks[shapes].T, strict=True)
            ],
            axis=1,
        )
        + model.bias
    )
    return said.astype(np.float32), (found, places, values), (shapes, owners)


def scores(model: Linear, rare: Floats, read: tuple[Bag, Bag], texts: NDArray[np.intp]) -> Floats:
    """What the fast tier says of texts, before calibration."""
    parts = [_forward(model, (*read, rare), batch)[0] for batch in _batches(texts)]
    return np.concatenate(parts)
