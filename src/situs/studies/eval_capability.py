"""What choosing between two models by their prompts is worth: `situs eval capability`.

Measured as RouteLLM does (Ong et al. 2024, arXiv 2406.18665), over all prompts instead of eleven
thresholds: prompts go to the strong model in the order of their need, and the curve is the share of
the gap between the two models that is recovered at each share of strong calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from situs.analysis.capability import Capability, capability_head
from situs.analysis.features import rows as places
from situs.analysis.features import see
from situs.core.heads import Encode, Guess, Seen
from situs.errors import OperatorError
from situs.learning.artefacts import load, shipped
from situs.learning.capability import fit
from situs.studies.metrics import auroc, bootstrap_interval

Values = NDArray[np.float64]

STRONG, WEAK = "gpt-4-1106-preview", "mixtral-8x7b-instruct-v0-1"
"""The pair that the head of the package was taught; one that lacks it is asked for classes."""

_CLASSES = ("frontier", "medium")
_NEIGHBOURS = 40
_SKETCH_BITS = 11
_BLOCK = 512


def evaluate(
    rows: Sequence[Mapping[str, Any]],
    train_rows: Sequence[Mapping[str, Any]] | None = None,
    head: Callable[[Seen, str], Guess] | None = None,
    encode: Encode | None = None,
) -> dict[str, Any]:
    """The figures over rows of `prompt`, `strong_correct` and `weak_correct`.

    With `train_rows` a head is fitted to their results alone. Of the references, which are APGR
    too, `random` is its expectation and `knn` the mean gain of the nearest prompts learned from.
    What needs a gap is None where the strong model is no better. `encode` is asked where a head
    that reads vectors is not unsure without. Raises OperatorError without a head and without
    `train_rows`.
    """
    prompts = [str(row["prompt"]) for row in rows]
    strong, weak = _column(rows, "strong_correct"), _column(rows, "weak_correct")
    gains = strong - weak
    if train_rows is None:
        pair = (STRONG, WEAK) if _knows(head, STRONG, WEAK) else _CLASSES
    else:
        head, pair = _fitted(train_rows, encode), ("strong", "weak")
    if head is None:
        raise OperatorError(
            "There is no capability head to evaluate.",
            do="Give rows to learn from with --train, or install the package again.",
        )
    needs, unsure = _needs(head, pair, prompts, encode)
    ties = np.array([_tie(prompt) for prompt in prompts], np.uint64)
    ranked = gains[np.lexsort((ties, -needs))]
    near = None if train_rows is None else _neighbours(prompts, train_rows)
    interval = bootstrap_interval(len(rows), lambda picks: apgr(ranked[np.sort(picks)]))
    return {
        "apgr": apgr(ranked),
        "apgr_interval": None if interval is None else list(interval),
        "cpt50": cpt(ranked, 0.5),
        "cpt80": cpt(ranked, 0.8),
        "auroc": auroc(needs[gains > 0], needs[gains <= 0]),
        "reference": {
            "random": None if apgr(ranked) is None else 0.5,
            "knn": None if near is None else apgr(gains[np.lexsort((ties, -near))]),
            "oracle": apgr(np.sort(gains)[::-1]),
        },
        "accuracy": {"strong": _mean(strong), "weak": _mean(weak)},
        "unsure_share": _mean(unsure),
    }


def apgr(ranked: Values) -> float | None:
    """The mean share of the gap recovered, over all shares of strong calls.

    `ranked` are gains (strong minus weak), those sent to the strong model first in front; the
    curve is integrated by trapezoids.
    """
    curve = _curve(ranked)
    return None if curve is None else float(np.trapezoid(curve, dx=1 / len(ranked)))


def cpt(ranked: Values, share: float) -> float | None:
    """The least share of strong calls that recovers this share of the gap."""
    curve = _curve(ranked)
    if curve is None:
        return None
    after = int(np.argmax(curve >= share))
    before, reached = curve[after - 1], curve[after]
    return float((after - 1 + (share - before) / (reached - before)) / len(ranked))


def _curve(ranked: Values) -> Values | None:
    """The share of the gap recovered after 0, 1, 2, … strong calls; None without a gap."""
    total = np.concatenate([[0.0], np.cumsum(ranked)])
    return None if total[-1] <= 1e-9 else total / total[-1]


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Values:
    return np.array([float(row[name]) for row in rows], np.float64)


def _mean(values: Values) -> float | None:
    return float(values.mean()) if len(values) else None


def _tie(prompt: str) -> int:
    digest = hashlib.sha256(prompt.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8])


def _knows(head: Callable[[Seen, str], Guess] | None, *models: str) -> bool:
    return isinstance(head, Capability) and head.models.issuperset(models)


def _fitted(rows: Sequence[Mapping[str, Any]], encode: Encode | None) -> Capability:
    """A head of these rows; its subjects are those of the package, told without any results."""
    least = min(min(row["strong_correct"], row["weak_correct"]) for row in rows)
    most = max(max(row["strong_correct"], row["weak_correct"]) for row in rows)
    # Scores of another range, such as 1 to 10, are brought to 0 to 1: only their order counts.
    low, wide = (0.0, 1.0) if least >= 0 and most <= 1 else (float(least), float(most - least))
    results = [
        {"prompt": row["prompt"], "model": name, "correct": (row[f"{name}_correct"] - low) / wide}
        for row in rows
        for name in ("strong", "weak")
    ]
    folder = shipped("capability")
    subjects = load(folder).arrays if folder.is_dir() else None
    return capability_head(*fit(results, subjects, None, encode))


def _needs(
    head: Callable[[Seen, str], Guess],
    pair: tuple[str, str],
    prompts: Sequence[str],
    encode: Encode | None,
) -> tuple[Values, Values]:
    """For each prompt P(strong right) - P(weak right), and 1 where either is unsure."""
    needs, unsure = np.zeros(len(prompts)), np.zeros(len(prompts))
    for at, prompt in enumerate(prompts):
        seen = see(prompt)
        if isinstance(head, Capability):
            strong, weak = head.answers(seen, pair)
            if encode is not None and head.reads_vectors and not (strong.unsure or weak.unsure):
                strong, weak = head.answers(seen, pair, encode([prompt])[0])
        else:
            strong, weak = (head(seen, name) for name in pair)
        needs[at] = strong.probability - weak.probability
        unsure[at] = strong.unsure or weak.unsure
    return needs, unsure


def _neighbours(prompts: Sequence[str], train_rows: Sequence[Mapping[str, Any]]) -> Values:
    """The mean gain of the nearest prompts learned from, by the cosine of their words."""
    gains = _column(train_rows, "strong_correct") - _column(train_rows, "weak_correct")
    known = _sketches([str(row["prompt"]) for row in train_rows])
    count = min(_NEIGHBOURS, len(gains))
    found = np.zeros(len(prompts))
    for at in range(0, len(prompts), _BLOCK):
        near = _sketches(prompts[at : at + _BLOCK]) @ known.T
        nearest = np.argpartition(-near, count - 1, axis=1)[:, :count]
        found[at : at + _BLOCK] = gains[nearest].mean(1)
    return found


def _sketches(prompts: Sequence[str]) -> NDArray[np.float32]:
    """Counts of hashed words and pairs, damped, of length 1."""
    found = np.zeros((len(prompts), 1 << _SKETCH_BITS), np.float32)
    for at, prompt in enumerate(prompts):
        seen = see(prompt)
        hashes = np.concatenate([seen.words, seen.pairs])
        found[at] = np.log1p(np.bincount(places(hashes, _SKETCH_BITS), minlength=found.shape[1]))
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    found /= np.maximum(lengths, np.float32(1e-9))
    return found
