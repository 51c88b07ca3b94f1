"""Ridge regression on sparse words and on dense columns, with numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.analysis.capability import Weighed, Words
from situs.analysis.capability_shape import Numbers

_STEPS = 40
_BLOCK = 8
"""Columns computed at once: memory is words x this."""


class Design(Struct, frozen=True):
    """Prompts as a matrix: the entries of its sparse rows, by row and by column; dense columns."""

    starts: NDArray[np.intp]
    places: NDArray[np.intp]
    weights: Numbers
    owners: NDArray[np.intp]
    order: NDArray[np.intp]
    firsts: NDArray[np.intp]
    known: int
    dense: Numbers

    def times(self, words: Numbers, dense: Numbers) -> Numbers:
        found: Numbers = self.dense @ dense
        for at in range(0, words.shape[1], _BLOCK):
            part = words[self.places, at : at + _BLOCK] * self.weights[:, None]
            found[:, at : at + _BLOCK] += np.add.reduceat(part, self.starts, axis=0)
        return found

    def back(self, values: Numbers) -> tuple[Numbers, Numbers]:
        """The transposed matrix times `values`."""
        words = np.zeros((self.known, values.shape[1]), np.float32)
        weights, owners = self.weights[self.order][:, None], self.owners[self.order]
        columns = self.places[self.order][self.firsts]
        for at in range(0, values.shape[1], _BLOCK):
            part = values[owners, at : at + _BLOCK] * weights
            words[columns, at : at + _BLOCK] = np.add.reduceat(part, self.firsts, axis=0)
        return words, self.dense.T @ values


def design(prompts: Sequence[Weighed], words: Words, dense: Any) -> Design:
    """Each row gets an entry of weight 0, so that none is empty."""
    places = np.concatenate([np.append(one.places, 0) for one in prompts])
    weights = np.concatenate([np.append(one.weights, 0) for one in prompts]).astype(np.float32)
    lengths = np.array([len(one.places) + 1 for one in prompts])
    owners = np.repeat(np.arange(len(prompts)), lengths)
    order = np.argsort(places, kind="stable")
    firsts = np.flatnonzero(np.diff(places[order], prepend=-1))
    starts = np.cumsum(lengths) - lengths
    known = max(1, len(words.known))
    ready = np.asarray(dense, np.float32)
    return Design(starts, places, weights, owners, order, firsts, known, ready)


def ridge(
    matrix: Design, values: Numbers, known: Numbers, penalty: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
    """Coefficients of words and dense columns, and offsets, for each column of `values`.

    Of these only what is `known` (1, else 0) counts. Conjugate gradients on the normal equations
    (Hestenes and Stiefel 1952), all columns at once.
    """
    offset = (values * known).sum(0) / np.maximum(known.sum(0), 1)
    left = list(matrix.back((values - offset) * known))
    found = [np.zeros_like(one) for one in left]
    along = [one.copy() for one in left]
    before = _dot(left, left)
    goal = before * 1e-6
    for _ in range(_STEPS):
        back = matrix.back(matrix.times(*along) * known)
        pulled = [new + penalty * old for new, old in zip(back, along, strict=True)]
        step = before / (_dot(along, pulled) + 1e-30)
        for one, way, rest, pull in zip(found, along, left, pulled, strict=True):
            one += step * way
            rest -= step * pull
        now = _dot(left, left)
        if (now <= goal).all():
            break
        along = [rest + now / (before + 1e-30) * way for rest, way in zip(left, along, strict=True)]
        before = now
    return found[0], found[1], offset


def dense(columns: Numbers, values: Numbers, known: Numbers, penalty: float) -> Numbers:
    """Ridge regression on a few columns."""
    offset = (values * known).sum(0) / np.maximum(known.sum(0), 1)
    found = np.zeros((columns.shape[1], values.shape[1]), np.float32)
    patterns, pattern_of = np.unique(known > 0, axis=1, return_inverse=True)
    for at, rows in enumerate(patterns.T):
        mine, which = columns[rows], np.flatnonzero(pattern_of.ravel() == at)
        square = mine.T @ mine + np.float32(penalty) * np.eye(len(found), dtype=np.float32)
        goal = mine.T @ (values[rows][:, which] - offset[which])
        found[:, which] = np.linalg.solve(square, goal)
    return found


def _dot(some: Sequence[Numbers], others: Sequence[Numbers]) -> Numbers:
    found = [(one * other).sum(0) for one, other in zip(some, others, strict=True)]
    total: Numbers = found[0] + found[1]
    return total
