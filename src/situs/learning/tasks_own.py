"""Adapts the task head to labelled prompts of one's own, from the one that is active.

What the head knows stays where the new rows say nothing: only the rows of its tables that the new
prompts touch are changed, and little where they are few. Needs numpy alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.analysis.features import rows, see
from situs.analysis.task_head import GRAM_BITS, MARK_BITS, TaskHead, marked

Floats = NDArray[np.float32]
Places = NDArray[np.intp]

EPOCHS, LEAST_STEPS, BATCH, DECAY, FOLDS = 20, 400, 64, 1e-4, 3
RATE, BIAS_RATE = 3.0, 0.1
SHARES = np.linspace(0, 1, 6, dtype=np.float32)
MARK = 0.15
"""How much a mark counts beside the n-grams, whose vector has length 1."""

_MOST = 127


class Batch(Struct, frozen=True):
    """Prompts that are learned from together, as sums over pairs of a prompt and a column.

    A column is a row of the head's tables (marks behind n-grams). `columns` are those that the
    prompts touch; the pairs stand by prompt in `at` (places among `columns`) and `values`, from
    `starts` on; `turned`, with `ends`, puts them by column.
    """

    prompts: Places
    known: Floats
    columns: Places
    at: Places
    values: Floats
    starts: Places
    owners: Places
    turned: Places
    ends: Places

    def said(self, weights: Floats, bias: Floats) -> Floats:
        """What the head and what was added to it say of each prompt."""
        pairs = self.values[:, None] * weights[self.columns][self.at]
        return self.known + np.add.reduceat(pairs, self.starts, axis=0) + bias

    def slope(self, error: Floats) -> Floats:
        """How each column takes part in the error of the prompts."""
        pairs = self.values[:, None] * error[self.owners]
        return np.add.reduceat(pairs[self.turned], self.ends, axis=0)


def adapt(
    arrays: Mapping[str, Any],
    settings: Mapping[str, Any],
    texts: Sequence[str],
    tasks: Sequence[str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and settings of a task head that has also learned that `texts` ask for `tasks`.

    All of `tasks` are among the head's classes. How much of it counts (nothing, if that is best)
    and the temperature are fitted on prompts that were not learned from, in three folds; the
    thresholds stay, and so does the layer of the deep tier.
    """
    head = TaskHead(arrays, settings)
    gold = np.array([head.classes.index(task) for task in tasks])
    folds = np.array([crc32(text.encode("utf-8", "replace")) % FOLDS for text in texts])
    parts = [
        list(_batches(head, arrays, texts, np.flatnonzero(folds == fold))) for fold in range(FOLDS)
    ]
    known = np.zeros((len(texts), len(head.classes)), np.float32)
    gained = np.zeros_like(known)
    for held in parts:
        weights, bias = _fit([one for part in parts if part is not held for one in part], gold)
        for batch in held:
            known[batch.prompts] = batch.known
            gained[batch.prompts] = batch.said(weights, bias) - batch.known
    share, heat = _best(known, gained, gold)
    weights, bias = _fit([one for part in parts for one in part], gold)
    return (
        {**arrays, **_added(arrays, share * weights, share * bias)},
        {**settings, "temperature": heat},
    )


def _batches(
    head: TaskHead, arrays: Mapping[str, Any], texts: Sequence[str], picks: Places
) -> Iterator[Batch]:
    for start in range(0, len(picks), BATCH):
        yield _batch(head, arrays, texts, picks[start : start + BATCH])


def _batch(head: TaskHead, arrays: Mapping[str, Any], texts: Sequence[str], picks: Places) -> Batch:
    touched: list[Places] = []
    values: list[Floats] = []
    known: list[Floats] = []
    for pick in picks:
        seen = see(texts[pick])
        grams, marks = marked(seen)
        mine, others = rows(grams, GRAM_BITS), rows(marks, MARK_BITS) + (1 << GRAM_BITS)
        squares = arrays["grams"][mine, 0].sum(dtype=np.int32) * arrays["scale"][0]
        weight = 1 / np.sqrt(max(float(squares), 1e-6))
        touched.append(np.concatenate((mine, others)))
        values.append(np.repeat(np.array((weight, MARK), np.float32), (len(mine), len(others))))
        known.append(head.scores(seen))
    sizes = np.array([len(one) for one in touched])
    columns, at = np.unique(np.concatenate(touched), return_inverse=True)
    turned = np.argsort(at, kind="stable")
    return Batch(
        prompts=picks,
        known=np.array(known),
        columns=columns,
        at=at,
        values=np.concatenate(values),
        starts=np.cumsum(sizes) - sizes,
        owners=np.repeat(np.arange(len(picks)), sizes),
        turned=turned,
        ends=np.searchsorted(at[turned], np.arange(len(columns))),
    )


def _fit(batches: Sequence[Batch], gold: Places) -> tuple[Floats, Floats]:
    """What to add to each column and to the bias: softmax regression by gradient descent."""
    count = batches[0].known.shape[1]
    weights = np.zeros(((1 << GRAM_BITS) + (1 << MARK_BITS), count), np.float32)
    bias = np.zeros(count, np.float32)
    draw = np.random.default_rng(7)
    epochs = max(EPOCHS, LEAST_STEPS // len(batches))
    for epoch in range(epochs):
        pace = 1 - epoch / epochs
        for place in draw.permutation(len(batches)):
            batch = batches[place]
            error = _softmax(batch.said(weights, bias))
            error[np.arange(len(error)), gold[batch.prompts]] -= 1
            error /= len(error)
            old = weights[batch.columns]
            weights[batch.columns] = old - pace * RATE * (batch.slope(error) + DECAY * old)
            bias -= pace * BIAS_RATE * error.sum(axis=0)
    return weights, bias


def _added(arrays: Mapping[str, Any], weights: Floats, bias: Floats) -> dict[str, Any]:
    """The tables with what was learned, in their own small whole numbers."""
    parts = {"grams": weights[: 1 << GRAM_BITS], "marks": weights[1 << GRAM_BITS :] * MARK}
    found: dict[str, Any] = {"bias": (arrays["bias"] + bias).astype(np.float32)}
    for (name, part), scale in zip(parts.items(), arrays["scale"], strict=True):
        table = np.array(arrays[name])
        wide = table[:, 1:] + np.rint(part / scale).astype(np.int32)
        table[:, 1:] = np.clip(wide, -_MOST, _MOST)
        found[name] = table
    return found


def _best(known: Floats, gained: Floats, gold: Places) -> tuple[np.float32, float]:
    """How much of what was learned to add, and the temperature: the gold tasks most probable."""
    heats = np.exp(np.linspace(-1.5, 1.5, 61))
    every = np.arange(len(gold))
    losses = {
        (share, heat): -np.log(_softmax((known + share * gained) / heat)[every, gold] + 1e-9).mean()
        for share in SHARES
        for heat in heats
    }
    share, heat = min(losses, key=losses.__getitem__)
    return share, round(float(heat), 4)


def _softmax(said: Floats) -> Floats:
    found = np.exp(said - said.max(axis=1, keepdims=True))
    result: Floats = found / found.sum(axis=1, keepdims=True)
    return result
