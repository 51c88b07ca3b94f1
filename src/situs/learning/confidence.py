"""How sure one may be of a model's answers, from answers known to be right or wrong.

The answers are divided, by prompt. From a third the probability of being right is learned (logistic
in the signals), and at which levels to look; with the others it is tested how many of the answers
from each level on are wrong. Sources: Angelopoulos, Bates, Candès, Jordan, Lei,
"Learn then Test" (2021); Geifman, El-Yaniv, "Selective classification" (2017).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import lgamma, log
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from situs.core.snapshot import ANY_KIND, Confidences
from situs.errors import ConfigError
from situs.learning.artefacts import Artefact
from situs.placement.confidence import STARTS, WHOLE, Calibration, View, probability
from situs.placement.signals import NAMES, Said, Wanted, agreeing, beginning, signals

HEAD = "confidence"

WINDOWS = (WHOLE, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

DELTA = 0.1
"""So probable it may be that too many wrong answers are kept after all: of all draws of rows."""

LEVELS = 20
LEAST_ROWS = 50
"""To test with, of a model, and of a model at a task."""

_LEAST = 1e-6
_RIDGE = 1.0
_ROUNDS = 50
_HALVINGS = 30


class Sample(Struct, frozen=True):
    """The answers of a model to one prompt; `correct` says whether the first is right.

    `key` tells prompts apart.
    """

    model: str
    task: str
    key: str
    answers: tuple[Said, ...]
    correct: bool
    wanted: Wanted = Wanted()


class Entry(Struct, frozen=True):
    """A calibration as it is kept."""

    model: str
    task: str
    calibration: Calibration


def fit(samples: Sequence[Sample]) -> dict[str, Any]:
    """The settings of an artefact: for each model, and each of its tasks with rows enough.

    Of a prompt, only the first answers of a model count: rows must be draws of their own.
    Raises ConfigError where there are too few rows of a model.
    """
    by_model: dict[str, dict[str, Sample]] = defaultdict(dict)
    for one in samples:
        by_model[one.model].setdefault(one.key, one)
    entries: list[Entry] = []
    for model, mine in sorted(by_model.items()):
        learnt, tested = _parts(tuple(mine.values()))
        if min(len(learnt), len(tested)) < LEAST_ROWS:
            raise ConfigError(
                f"There are {len(learnt)} and {len(tested)} answers of {model} to learn from and "
                f"to test with; at least {LEAST_ROWS} of each are needed.",
                do="Collect more, of prompts that differ.",
            )
        entries += _of_model(model, learnt, tested)
    return {"delta": DELTA, "entries": msgspec.to_builtins(entries)}


def confidences_of(artefact: Artefact) -> Confidences:
    """What the gateway judges answers by."""
    return Confidences(table_of(artefact.card.settings), artefact.digest)


def table_of(settings: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """The calibrations by model and task, of what `fit` gave."""
    entries = msgspec.convert(settings["entries"], list[Entry])
    return {(one.model, one.task): one.calibration for one in entries}


def _parts(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """To learn from, and to test with; a prompt is in one of them, always the same."""
    learnt, tested = list[Sample](), list[Sample]()
    for one in samples:
        digest = hashlib.sha256(b"part" + one.key.encode("utf-8", "replace")).digest()
        (tested if digest[0] % 3 else learnt).append(one)
    return learnt, tested


def _of_model(model: str, learnt: Sequence[Sample], tested: Sequence[Sample]) -> list[Entry]:
    tokens = sum(bool(one.answers[0].tokens) for one in learnt) * 2 > len(learnt)
    votes = min(len(one.answers) for one in (*learnt, *tested))
    seen = [(window, 1) for window in WINDOWS] + ([(WHOLE, votes)] if votes > 1 else [])
    tasks = defaultdict[str, list[View]](list)
    rows = _tasks(tested)
    for window, count in seen:
        found = [_signals(one, window, count, tokens) for one in learnt]
        weights, bias = logistic(found, [one.correct for one in learnt])
        view = View(window, count, weights, bias, (), (), ())
        before = [probability(view, one) for one in found]
        after = [probability(view, _signals(one, window, count, tokens)) for one in tested]
        for task, places in rows.items():
            mine = [k for k, one in enumerate(learnt) if task in (ANY_KIND, one.task)]
            levels = levels_of([before[k] for k in mine or range(len(before))])
            scores, right = [after[k] for k in places], [tested[k].correct for k in places]
            tasks[task].append(measured(view, levels, scores, right))
    return [
        Entry(model, task, Calibration(tokens, len(rows[task]), tuple(views)))
        for task, views in sorted(tasks.items())
    ]


def _tasks(tested: Sequence[Sample]) -> dict[str, Sequence[int]]:
    """The places of the rows of each task that has enough, and of all."""
    places: dict[str, Sequence[int]] = {ANY_KIND: range(len(tested))}
    for task in sorted({one.task for one in tested} - {ANY_KIND}):
        mine = [k for k, one in enumerate(tested) if one.task == task]
        if len(mine) >= LEAST_ROWS:
            places[task] = mine
    return places


def _signals(sample: Sample, window: int, votes: int, tokens: bool) -> tuple[float, ...] | None:
    first = agreeing(sample.answers[:votes])
    if bool(first.tokens) is not tokens:
        return None
    if window > WHOLE:
        first = beginning(first, window)
    return signals(first, sample.wanted)


def levels_of(scores: Iterable[float]) -> tuple[float, ...]:
    """Falling, so that each keeps as many more."""
    ordered = sorted(scores, reverse=True)
    at = [max(0, (k + 1) * len(ordered) // LEVELS - 1) for k in range(LEVELS)]
    return tuple(max(_LEAST, ordered[k]) for k in at)


def measured(
    view: View, levels: Sequence[float], scores: Sequence[float], right: Sequence[bool]
) -> View:
    """The view with what was found at each level on rows that had no part in choosing it."""
    score, wrong = np.array(scores), ~np.array(right, bool)
    errors, kept = [], []
    for level in levels:
        chosen = score >= level
        many = int(chosen.sum())
        errors.append(round(at_most(int(wrong[chosen].sum()), many), 6))
        kept.append(round(many / len(score), 6))
    return msgspec.structs.replace(
        view, levels=tuple(levels), errors=tuple(errors), kept=tuple(kept)
    )


def at_most(wrong: int, kept: int, delta: float = DELTA / len(STARTS)) -> float:
    """The share of wrong ones that is exceeded with so small a probability (Clopper-Pearson)."""
    if wrong >= kept:
        return 1.0
    low, high = wrong / kept, 1.0
    seen = np.arange(wrong + 1)
    ways = np.array([lgamma(kept + 1) - lgamma(k + 1) - lgamma(kept - k + 1) for k in seen])
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        fewer = float(np.exp(ways + seen * log(share) + (kept - seen) * log(1.0 - share)).sum())
        low, high = (share, high) if fewer > delta else (low, share)
    return high


def logistic(
    found: Sequence[tuple[float, ...] | None], right: Sequence[bool]
) -> tuple[tuple[float, ...], float]:
    """Weights and bias, with a ridge over signals brought to one scale. No answers teach nothing.

    Newton's method; see Hastie, Tibshirani, Friedman, section 4.4.
    """
    known = [k for k, one in enumerate(found) if one is not None]
    if not known:
        return (0.0,) * len(NAMES), 0.0
    x = np.array([found[k] for k in known], np.float64)
    y = np.array([right[k] for k in known], np.float64)
    mean, spread = x.mean(0), x.std(0)
    spread[spread < 1e-9] = np.inf
    z = np.hstack([(x - mean) / spread, np.ones((len(x), 1))])
    ridge = np.diag([_RIDGE] * len(NAMES) + [1e-3])
    w = np.zeros(len(NAMES) + 1)
    for _ in range(_ROUNDS):
        p = 1.0 / (1.0 + np.exp(-np.clip(z @ w, -30, 30)))
        slope = z.T @ (y - p) - ridge @ w
        bend = (z * (p * (1 - p))[:, None]).T @ z + ridge
        step = np.linalg.solve(bend, slope)
        w = w + step
        if float(np.abs(step).max()) < 1e-8:
            break
    weights = w[:-1] / spread
    bias = float(w[-1] - weights @ mean)
    return tuple(float(one) for one in weights), bias
