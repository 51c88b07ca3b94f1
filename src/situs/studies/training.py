"""What `situs train` does: learn from one part of the rows, compare on the rest, keep a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from situs.analysis.effort import length_head
from situs.analysis.features import see
from situs.analysis.task_head import TaskHead
from situs.core.heads import Guess, Span
from situs.errors import ConfigError
from situs.learning import length_own, tasks_own
from situs.learning.artefacts import FORMAT, Artefact, Card, Source, save
from situs.learning.examples import Answered, split
from situs.learning.length_own import Length
from situs.learning.tasks_sources import DOLLY
from situs.learning.versions import new_folder
from situs.studies.compare import Compared, Figure, compare
from situs.studies.metrics import Picks, accuracy, ece, macro_f1, percentile

LEAST_ROWS, LEAST_HELD = 50, 5

Row = TypeVar("Row")


class Learnt(Struct, frozen=True):
    """A head before it is kept: what it is, and its figures on the rows held back."""

    head: str
    arrays: dict[str, Any]
    settings: dict[str, Any]
    learnt: int
    held: int
    figures: list[Compared]


def learn_tasks(
    rows: Sequence[Mapping[str, Any]], mapping: Mapping[str, str] | None, base: Artefact, file: Path
) -> Learnt:
    """The task head, adapted to rows of `text` and `label`; `mapping` is from labels to tasks."""
    known = set(base.card.settings["classes"])
    table = mapping or (DOLLY if all(row["label"] in DOLLY for row in rows) else {})
    pairs = []
    for row in rows:
        task = table.get(row["label"], row["label"])
        if task not in known:
            raise ConfigError(
                f"{row['at']}: its label is no task and is not mapped to one.",
                do=f"Use --map with a JSON object from labels to {', '.join(sorted(known))}.",
            )
        pairs.append((row["text"], task))
    learnt, held = divided(pairs, [text for text, _ in pairs], file)
    if len({task for _, task in learnt}) < 2:
        raise ConfigError(
            f"{file}: all rows to learn from have the same label.",
            do="Add rows of at least one other task.",
        )
    arrays, settings = tasks_own.adapt(
        base.arrays, base.card.settings, [text for text, _ in learnt], [task for _, task in learnt]
    )
    gold = np.array([task for _, task in held])
    heads = (TaskHead(base.arrays, base.card.settings), TaskHead(arrays, settings))
    before, after = (_of_tasks([head(see(text)) for text, _ in held], gold) for head in heads)
    figures = compare(len(held), before, after)
    return Learnt("task", arrays, settings, len(learnt), len(held), figures)


def learn_length(
    answers: Sequence[Answered], task_of: Callable[[str], str], base: Artefact, file: Path
) -> Learnt:
    """The length head, adapted to prompts and how long their answers were."""
    lengths = [Length(task_of(one.text), one.completion_tokens, one.text) for one in answers]
    learnt, held = divided(lengths, [one.text for one in answers], file)
    return _length(learnt, held, base)


def learn_length_by_task(
    counts: Sequence[tuple[str, str, int]], base: Artefact, index: Path
) -> Learnt:
    """As `learn_length`, of requests (id, task, tokens of the answer) whose prompts nobody kept."""
    lengths = [Length(task, tokens) for _, task, tokens in counts]
    learnt, held = divided(lengths, [one for one, _, _ in counts], index)
    return _length(learnt, held, base)


def keep(
    learnt: Learnt, base: Artefact | None, data: Path, version: str | None, command: str
) -> Artefact:
    """Writes a new version, whose card says what it was made from. Raises OperatorError."""
    folder = new_folder(data, learnt.head, version)
    own = Source("rows of your own", "yours", learnt.learnt)
    made = "learned from" if base is None else f"{learnt.head} {base.card.version}, adapted to"
    card = Card(
        format=FORMAT,
        head=learnt.head,
        version=folder.name,
        about=f"{made} {learnt.learnt} rows.",
        sources=(*(() if base is None else base.card.sources), own),
        settings=learnt.settings,
        metrics={
            "held_back": learnt.held,
            "base": None if base is None else base.digest,
            "figures": msgspec.to_builtins(learnt.figures),
        },
        files={},
        command=command,
    )
    return save(folder, card, learnt.arrays)


def divided(rows: Sequence[Row], texts: Sequence[str], file: Path) -> tuple[list[Row], list[Row]]:
    """Rows to learn from and rows held back. Raises ConfigError for too few, or all the same."""
    if len(rows) < LEAST_ROWS:
        raise ConfigError(
            f"{file} gives {len(rows)} rows to learn from; at least {LEAST_ROWS} are needed.",
            do="Collect more, or leave the head as it is.",
        )
    learnt, held = split(rows, texts)
    if min(len(learnt), len(held)) < LEAST_HELD:
        raise ConfigError(
            f"{file}: nearly all texts are the same; {len(held)} would be held back.",
            do="Collect rows that differ.",
        )
    return learnt, held


def _of_tasks(guesses: Sequence[Guess], gold: Any) -> dict[str, Figure]:
    said = np.array([one.name for one in guesses])
    sure = np.array([one.probability for one in guesses])
    return {
        "macro_f1": lambda picks: macro_f1(gold[picks].tolist(), said[picks].tolist()),
        "accuracy": lambda picks: accuracy(gold[picks].tolist(), said[picks].tolist()),
        "ece": lambda picks: ece(sure[picks], said[picks] == gold[picks]),
    }


def _length(learnt: Sequence[Length], held: Sequence[Length], base: Artefact) -> Learnt:
    arrays, settings = length_own.adapt(base.arrays, base.card.settings, learnt)
    gold = np.array([one.completion_tokens for one in held], np.float64)
    both = []
    for head in (length_head(base.arrays, base.card.settings), length_head(arrays, settings)):
        spans = [head(see(one.text or ""), one.task) for one in held]
        both.append(_of_lengths(spans, gold))
    figures = compare(len(held), both[0], both[1])
    return Learnt("length", arrays, settings, len(learnt), len(held), figures)


def _of_lengths(spans: Sequence[Span], gold: Any) -> dict[str, Figure]:
    """How often the bounds hold (0.8 is meant), and the usual error, 0.5 being half too much."""
    low, expected, high = (
        np.array([getattr(one, name) for one in spans]) for name in ("low", "expected", "high")
    )
    inside = (gold >= low) & (gold <= high)
    errors = np.abs(expected - gold) / gold

    def coverage(picks: Picks) -> float | None:
        return float(inside[picks].mean()) if len(picks) else None

    return {
        "coverage": coverage,
        "median_abs_pct_error": lambda picks: percentile(errors[picks], 0.5),
    }
