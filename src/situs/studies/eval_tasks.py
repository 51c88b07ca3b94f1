"""How well the task of a prompt is told: `situs eval tasks`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from situs.analysis.features import see
from situs.analysis.task import NEEDS
from situs.analysis.task_head import TaskHead, asked
from situs.core.heads import Encode, Guess, Heads
from situs.errors import ConfigError, OperatorError
from situs.learning.tasks_sources import DOLLY
from situs.studies.metrics import accuracy, confusion, ece, macro_f1, percentile


class _Told(Struct, frozen=True):
    guess: Guess
    deep: bool
    ms: float


def evaluate(
    rows: Sequence[Mapping[str, Any]],
    heads: Heads,
    mapping: Mapping[str, str] | None = None,
    open_: bool = False,
) -> dict[str, Any]:
    """The figures over rows of `text` and `label`.

    Labels are tasks, or `mapping` says which; without it, categories of dolly15k are known. A
    prediction is one of the tasks that the labels map to, with `open_` one of all. The encoder is
    asked where the fast tier is unsure, if there is one. `coverage` and `selective_accuracy` are of
    the rows about which the head was sure in the end. Raises ConfigError for a label that is no
    task, with the row's place (`at`), and OperatorError where no head is there.
    """
    head = heads.task
    if not isinstance(head, TaskHead):
        raise OperatorError(
            "There is no trained task head to evaluate.",
            do="Install the package with its artefacts, or name a version of the head `task`.",
        )
    gold = _gold(rows, mapping, head.classes)
    only = None if open_ else set(gold)
    if rows:
        _tell(head, heads.encode, rows[0]["text"], only)
    told = [_tell(head, heads.encode, row["text"], only) for row in rows]
    said = [one.guess.name for one in told]
    right = [a == b for a, b in zip(gold, said, strict=True)]
    times = [one.ms for one in told]
    sure = [one for one, guess in zip(right, told, strict=True) if not guess.guess.unsure]
    return {
        "macro_f1": macro_f1(gold, said),
        "accuracy": accuracy(gold, said),
        "ece": ece([one.guess.probability for one in told], right),
        "p50_ms": percentile(times, 0.5),
        "p99_ms": percentile(times, 0.99),
        "deep_share": _share([one.deep for one in told]),
        "coverage": len(sure) / len(rows) if rows else None,
        "selective_accuracy": _share(sure),
        "questions_merged_macro_f1": macro_f1(_merged(gold), _merged(said)),
        "confusion": confusion(gold, said),
    }


def _tell(head: TaskHead, encode: Encode | None, text: str, only: set[str] | None) -> _Told:
    began = time.perf_counter()
    seen = see(text)
    guess = head.among(seen, None, only)
    deep = guess.unsure and encode is not None and head.reads_vectors
    if deep and encode is not None:
        vector = _vector(encode, seen.text)
        deep = vector is not None
        guess = head.among(seen, vector, only)
    return _Told(guess, deep, (time.perf_counter() - began) * 1e3)


def _vector(encode: Encode, text: str) -> Any | None:
    """None where the deep tier was shed."""
    found = encode((asked(text),))
    return None if found is None else found[0]


def _gold(
    rows: Sequence[Mapping[str, Any]], mapping: Mapping[str, str] | None, tasks: Sequence[str]
) -> list[str]:
    table = mapping
    if table is None:
        table = DOLLY if all(row["label"] in DOLLY for row in rows) else {}
    known = {*tasks, *NEEDS}
    found = []
    for number, row in enumerate(rows, 1):
        task = table.get(row["label"], row["label"])
        if task not in known:
            raise ConfigError(
                f"{row.get('at', f'row {number}')}: its label is no task and is not mapped to one.",
                do=f"Use --map with a JSON object from labels to {', '.join(tasks)}.",
            )
        found.append(task)
    return found


def _merged(tasks: Sequence[str]) -> list[str]:
    return ["question" if one in ("open_qa", "advice") else one for one in tasks]


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
