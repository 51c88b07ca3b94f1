"""How far off machines are that rate answers: `python -m bench.judging DATA [--keep]`.

Cascades: a model's answers (`bench.cascade`), a fifth to calibrate with; of two others, the mean of
the confidences less the share that is right, for all and for each kind of question (`task`), of
which the calibration knows nothing by itself. Over random draws.

Copies: DATA is a folder with `mmlu_pro_routing` (which of thirteen models answered which question
right). For each subject, and each model that serves beside a lesser one that gets copies: what
`learning.beliefs.compared` makes of the copies, on average, less the share that the lesser one has
right. What is believed of the model that serves is its share. Where both are wrong, whether they
say the same is not on record: they do at random, as often as `alike` says.

`off` is the mean of the absolute errors, `too_high` their mean.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import cascade
from bench.processes import append, machine
from situs.core.capability import CapabilityClass
from situs.core.rating import Likeness
from situs.core.snapshot import Belief, Beliefs
from situs.learning.beliefs import compared
from situs.learning.confidence import logistic
from situs.placement.confidence import WHOLE, View, probability

DRAWS = 100
ALIKE = (0.1, 0.3, 0.5)
GOOD = 0.6
"""Models that are right less often at a subject are not there to serve it."""

_LEAST_ROWS = 20
_NEEDS = CapabilityClass.MEDIUM


def main() -> None:
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("data", type=Path, help="folder with mmlu_pro_routing")
    ask.add_argument("--keep", action="store_true", help="Add the rows to the results.")
    options = ask.parse_args()
    path = options.data / "mmlu_pro_routing" / "train.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        asked = [json.loads(line) for line in file]
    for row in (*cascades(cascade.read()), *copies(asked)):
        print(json.dumps(row))
        if options.keep:
            append("judging", {"bench": "judging", **row, **machine()})


def cascades(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    right = np.array([row["correct"] for row in rows], float)
    tasks = np.array([row["task"] for row in rows])
    found = [cascade.signals_of(dict(row), WHOLE) for row in rows]
    draw = np.random.default_rng(5)
    every, errors = list[float](), defaultdict[str, list[float]](list)
    for _ in range(DRAWS):
        order = draw.permutation(len(rows))
        learnt, tested = order[: len(rows) // 5], order[len(rows) * 3 // 5 :]
        view = View(
            WHOLE,
            1,
            *logistic([found[k] for k in learnt], [right[k] > 0 for k in learnt]),
            (),
            (),
            (),
        )
        wrong = np.array([probability(view, found[k]) for k in tested]) - right[tested]
        every.append(float(wrong.mean()))
        for task in sorted(set(tasks)):
            mine = tasks[tested] == task
            if mine.sum() >= _LEAST_ROWS:
                errors[str(task)].append(float(wrong[mine].mean()))
    yield {"judge": "cascade", "of": "all kinds", "alike": "-", "pairs": DRAWS, **_off(every)}
    kinds = [float(np.mean(one)) for one in errors.values()]
    yield {"judge": "cascade", "of": "one kind", "alike": "-", "pairs": len(kinds), **_off(kinds)}


def copies(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    names = list(rows[0]["correct"])
    subjects = sorted({row["category"] for row in rows})
    tables = [
        np.array([[row["correct"][name] for name in names] for row in rows if row["category"] == s])
        for s in subjects
    ]
    for alike in ALIKE:
        draw, errors = np.random.default_rng(7), list[float]()
        for table in tables:
            share = table.mean(axis=0)
            for served in np.flatnonzero(share >= GOOD):
                for copied in np.flatnonzero(share <= share[served]):
                    if served != copied:
                        same = _same(table[:, served], table[:, copied], draw, alike)
                        rated = _rated(float(share[served]), float(same.mean()))
                        errors.append(rated - float(share[copied]))
        yield {"judge": "copies", "of": "one kind", "alike": alike, "pairs": len(errors)} | _off(
            errors
        )


def _same(one: Any, other: Any, draw: np.random.Generator, alike: float) -> Any:
    neither = (one == 0) & (other == 0)
    return ((one == 1) & (other == 1)) | (neither & (draw.random(len(one)) < alike))


def _rated(share: float, same: float) -> float:
    """The mean of the ratings where so many answers are the same."""
    beliefs = Beliefs({("served", "kind", _NEEDS.value): Belief(share, 1.0)})
    pair = [Likeness("copied", "served", "kind", _NEEDS, s, 0.0, "key") for s in (1.0, 0.0)]
    alike, other = compared(pair, {"served": _NEEDS}, beliefs)
    return same * alike.score + (1 - same) * other.score


def _off(errors: Sequence[float]) -> dict[str, float]:
    off, high = np.abs(errors), np.array(errors)
    return {
        "off": round(float(off.mean()), 3),
        "most": round(float(off.max()), 3),
        "too_high": round(float(high.mean()), 3),
    }


if __name__ == "__main__":
    main()
