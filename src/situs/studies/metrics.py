"""Figures of an evaluation. Where one does not apply (no rows, one kind only) it is None."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Picks = NDArray[np.intp]
"""Which rows, by index; a row may come more than once."""


def accuracy(gold: Sequence[object], predicted: Sequence[object]) -> float | None:
    """The share of rows in which both say the same."""
    if not gold:
        return None
    return sum(a == b for a, b in zip(gold, predicted, strict=True)) / len(gold)


def macro_f1(gold: Sequence[object], predicted: Sequence[object]) -> float | None:
    """The plain mean of F1 over all classes that either of them names; 0 for one never right."""
    right = Counter(a for a, b in zip(gold, predicted, strict=True) if a == b)
    named = Counter(gold) + Counter(predicted)
    if not named:
        return None
    # F1 = 2 right / (times in gold + times predicted)
    return sum(2 * right[label] / count for label, count in named.items()) / len(named)


def confusion(gold: Sequence[str], predicted: Sequence[str]) -> dict[str, dict[str, int]]:
    """How often each gold class (outer) was taken for each class (inner); zeros left out."""
    pairs = Counter(zip(gold, predicted, strict=True))
    found: dict[str, dict[str, int]] = {label: {} for label in sorted(set(gold))}
    for (label, said), count in sorted(pairs.items()):
        found[label][said] = count
    return found


def ece(probabilities: ArrayLike, right: ArrayLike, bins: int = 15) -> float | None:
    """Expected calibration error of the top label (Guo et al. 2017), bins of equal width.

    The mean over rows of how far the bin's accuracy is from its mean probability. A bin holds its
    upper bound, not its lower.
    """
    said = np.asarray(probabilities, np.float64)
    true = np.asarray(right, np.float64)
    if said.size == 0:
        return None
    places = np.clip(np.ceil(said * bins).astype(np.intp) - 1, 0, bins - 1)
    gaps = np.bincount(places, said - true, bins)
    return float(np.abs(gaps).sum() / said.size)


def auroc(inside: ArrayLike, outside: ArrayLike) -> float | None:
    """The chance that one of `inside` scores higher than one of `outside`; a tie counts half."""
    high, low = np.asarray(inside, np.float64), np.sort(np.asarray(outside, np.float64))
    if high.size == 0 or low.size == 0:
        return None
    below = np.searchsorted(low, high, "left")
    to = np.searchsorted(low, high, "right")
    return float((below + to).sum() / (2 * high.size * low.size))


def percentile(values: ArrayLike, share: float) -> float | None:
    """The value below which `share` (0 to 1) of them lie, linear between two neighbours."""
    found = np.asarray(values, np.float64)
    return None if found.size == 0 else float(np.quantile(found, share))


def bootstrap_interval(
    size: int,
    figure: Callable[[Picks], float | None],
    *,
    share: float = 0.95,
    rounds: int = 1000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Where a figure lies in `share` of all samples of `size` rows drawn with replacement.

    `figure` is given the rows of one sample. The percentile bootstrap (Efron 1979); the same each
    time. None where `figure` is None for every sample.
    """
    if size == 0:
        return None
    draw = np.random.default_rng(seed)
    figures = (figure(draw.integers(0, size, size)) for _ in range(rounds))
    found = [one for one in figures if one is not None]
    if not found:
        return None
    low, high = np.quantile(found, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
