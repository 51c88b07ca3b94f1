"""Adapts the length head to answers of one's own: a level and bounds for each task.

What the words of a prompt add stays as it was. Needs a few dozen answers of a task to change it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.analysis.effort import length_head
from situs.analysis.features import see

LEAST = 30
"""Answers of a task without which its level and bounds stay as they are."""

_LEAST_SPREAD = 0.05
_BOUNDS = (0.1, 0.5, 0.9)


class Length(Struct, frozen=True):
    """How many tokens an answer took. `text` is the prompt, None where only its task is known."""

    task: str
    completion_tokens: int
    text: str | None = None


def adapt(
    arrays: Mapping[str, Any], settings: Mapping[str, Any], lengths: Sequence[Length]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and settings of a length head whose bounds hold four out of five of `lengths`.

    Without prompts the size and the words of a prompt count for nothing in the tasks concerned.
    """
    tasks, weights = list(settings["tasks"]), dict(settings["weights"])
    base, spread = np.array(arrays["base"]), np.array(arrays["spread"])
    expect = length_head(arrays, settings)
    for task in sorted({one.task for one in lengths}):
        mine = [one for one in lengths if one.task == task]
        if len(mine) < LEAST:
            continue
        if task not in tasks:
            tasks.append(task)
            base = np.insert(base, -1, base[-1], axis=0)
            spread = np.insert(spread, -1, spread[-1], axis=0)
        place = tasks.index(task)
        known = [(one.text, one.completion_tokens) for one in mine if one.text is not None]
        if known:
            left = [np.log(count / expect(see(text), task).expected) for text, count in known]
        else:
            base[place], weights[task] = 0, 0.0
            left = [np.log(one.completion_tokens) for one in mine]
        low, middle, high = _quantiles(left)
        base[place, 0] += middle
        spread[place] = (
            min(low - middle, -_LEAST_SPREAD),
            max(high - middle, _LEAST_SPREAD),
        )
    return (
        {**arrays, "base": base, "spread": spread},
        {**settings, "tasks": tasks, "weights": weights},
    )


def _quantiles(values: Sequence[float]) -> NDArray[np.float64]:
    return np.quantile(np.asarray(values, np.float64), _BOUNDS)
