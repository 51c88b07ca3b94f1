"""Fits what tells routes apart, from features of their samples: softmax regression, numpy alone.

L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.4) in the space of the samples'
strongest directions. The same samples give the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

DIRECTIONS = 400
"""So many directions of the samples' space are kept; more change nothing but the time."""

_SPARE, _ROUNDS = 60, 2
_STEPS, _KEPT = 25, 8


def directions(features: Matrix) -> Matrix:
    """Unit vectors, one a column, along which the rows are strongest: `DIRECTIONS` at most."""
    rows, columns = features.shape
    few = rows <= columns
    values, vectors = _strongest(features @ features.T if few else features.T @ features)
    kept = values > 1e-6 * max(float(values[-1]), 1e-12)
    vectors = vectors[:, kept]
    basis: Matrix = features.T @ (vectors / np.sqrt(values[kept])) if few else vectors
    return basis.astype(np.float32)


def _strongest(gram: Matrix) -> tuple[Any, Any]:
    """The largest eigenvalues and their vectors: of a large matrix, by subspace iteration.

    It starts from some of the matrix's own columns, so that the same samples give the same.
    """
    if len(gram) <= 2 * DIRECTIONS:
        values, vectors = np.linalg.eigh(gram.astype(np.float64))
        return values[-DIRECTIONS:], vectors[:, -DIRECTIONS:]
    space = gram[:, np.linspace(0, len(gram) - 1, DIRECTIONS + _SPARE).astype(int)]
    for _ in range(_ROUNDS):
        space = gram @ np.linalg.qr(space)[0]
    space = np.linalg.qr(space)[0]
    values, inner = np.linalg.eigh((space.T @ gram @ space).astype(np.float64))
    return values[-DIRECTIONS:], space @ inner[:, -DIRECTIONS:].astype(np.float32)


def softmax_weights(
    features: Matrix, classes: Any, count: int, decay: float
) -> tuple[Matrix, Matrix]:
    """Weights (features x classes) and biases that give each row its class.

    `decay` is how much half the sum of squared weights counts beside the mean loss of a row.
    """
    columns = features.shape[1]
    if count < 2:
        return np.zeros((columns, count), np.float32), np.zeros(count, np.float32)
    return _solve(features, np.eye(count, dtype=np.float32)[classes], decay)


def _solve(features: Matrix, wanted: Matrix, decay: float) -> tuple[Matrix, Matrix]:
    rows, columns = features.shape
    shape = (columns + 1, wanted.shape[1])

    def cost(flat: Any) -> tuple[float, Any]:
        both = flat.astype(np.float32).reshape(shape)
        weights = both[:-1]
        logits = features @ weights + both[-1]
        logits -= logits.max(1, keepdims=True)
        said = np.exp(logits)
        sums = said.sum(1, keepdims=True)
        loss = float((np.log(sums[:, 0]) - (logits * wanted).sum(1)).mean())
        wrong = (said / sums - wanted) / np.float32(rows)
        slope = np.vstack([features.T @ wrong + decay * weights, wrong.sum(0)])
        loss += decay / 2 * float((weights * weights).sum())
        return loss, slope.astype(np.float64).ravel()

    both = minimise(cost, np.zeros(shape).ravel()).astype(np.float32).reshape(shape)
    return both[:-1], both[-1]


def sigmoid_fit(scores: Any, targets: Any, weights: Any) -> tuple[float, float]:
    """Slope and offset of the logistic curve through weighted targets of 0 and 1 (Platt 1999)."""
    total = max(float(weights.sum()), 1e-12)

    def cost(both: Any) -> tuple[float, Any]:
        logits = scores * both[0] + both[1]
        loss = (weights * (np.logaddexp(0, logits) - targets * logits)).sum() / total
        wrong = weights * (1 / (1 + np.exp(-logits)) - targets) / total
        # A little decay: scores that separate would make the curve a step.
        slope = np.array([(wrong * scores).sum() + 0.01 * (both[0] - 1), wrong.sum()])
        return float(loss) + 0.005 * float((both[0] - 1) ** 2), slope

    found = minimise(cost, np.array([1.0, 0.0]))
    return max(float(found[0]), 1e-3), float(found[1])


def minimise(cost: Callable[[Any], tuple[float, Any]], start: Any) -> Any:
    """Where a smooth convex function, given with its slope, is about least."""
    place = start
    value, slope = cost(place)
    moves: list[tuple[Any, Any, float]] = []
    first = float(np.abs(slope).max())
    for _ in range(_STEPS):
        step = _direction(slope, moves)
        fall, length = float(slope @ step), 1.0
        for _ in range(12):
            new_value, new_slope = cost(place + length * step)
            if new_value <= value + 1e-4 * length * fall:
                break
            length /= 2
        else:
            return place
        moved, turned = length * step, new_slope - slope
        if (product := float(moved @ turned)) > 1e-12:
            moves = [*moves[1 - _KEPT :], (moved, turned, 1 / product)]
        place, value, slope = place + moved, new_value, new_slope
        if float(np.abs(slope).max()) < 1e-3 * first:
            break
    return place


def _direction(slope: Any, moves: list[tuple[Any, Any, float]]) -> Any:
    found, parts = -slope, []
    for moved, turned, scale in reversed(moves):
        parts.append(scale * float(moved @ found))
        found = found - parts[-1] * turned
    if moves:
        moved, turned, _ = moves[-1]
        found = found * (float(moved @ turned) / float(turned @ turned))
    else:
        found = found / max(float(np.linalg.norm(slope)), 1e-9)
    for (moved, turned, scale), part in zip(moves, reversed(parts), strict=True):
        found = found + (part - scale * float(turned @ found)) * moved
    return found
