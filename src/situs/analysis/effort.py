"""How demanding is it, and how long will the answer be? Linear heads over the task head's features.

Complexity was fitted on exam questions, the only public prompts with the results of many models;
for other tasks it says the task's usual class, and that it is unsure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from situs.analysis.features import rows, summed
from situs.analysis.task import NEEDS
from situs.analysis.task_head import asking, marked
from situs.core.capability import CapabilityClass
from situs.core.heads import Guess, Seen, Span

BITS = 12
"""Tables have 2**12 rows, for n-grams and marks alike."""

CHARS_PER_TOKEN = 4.0
"""How answers that are known in characters were counted."""

CLASSES = (CapabilityClass.SMALL, CapabilityClass.MEDIUM, CapabilityClass.FRONTIER)
"""Those with results to fit on, in order; there are none for smaller ones."""

_OPTION = ("\nA. ", "\nA) ", "\n(A)")


class ComplexityHead:
    """The smallest class of model that will do, and how probably its answer is right.

    `enough` in the settings is the probability from which a class will do; where none reaches it,
    the highest answers. For prompts that look like no exam and are none of `tasks`, it says the
    task's prior, unsure, with a probability that means nothing (0.5).
    """

    def __init__(self, arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self._table, self._scale, self._bias = arrays["table"], arrays["scale"], arrays["bias"]
        self._enough = float(settings["enough"])
        self._fitted = frozenset(settings["tasks"])

    def __call__(self, seen: Seen, task: str) -> Guess:
        if task not in self._fitted and not any(one in seen.text for one in _OPTION):
            return Guess(NEEDS.get(task, CapabilityClass.MEDIUM).value, 0.5, unsure=True)
        right = self.right(seen)
        enough = right >= self._enough
        place = int(enough.argmax()) if enough.any() else len(CLASSES) - 1
        return Guess(CLASSES[place].value, float(right[place]), not enough.any())

    def right(self, seen: Seen) -> NDArray[np.float32]:
        """How probably an answer of each of `CLASSES` is right; a higher class is never worse."""
        said = _summed(self._table, self._scale, seen) + self._bias
        found: NDArray[np.float32] = np.maximum.accumulate(1 / (1 + np.exp(-said)))
        return found


def complexity_head(arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> ComplexityHead:
    """The function that an artefact of the head `complexity` holds."""
    return ComplexityHead(arrays, settings)


def length_head(
    arrays: Mapping[str, Any], settings: Mapping[str, Any]
) -> Callable[[Seen, str], Span]:
    """From an artefact: the tokens of the answer, log-normal for each task."""
    table, scale, base, spread = (arrays[one] for one in ("table", "scale", "base", "spread"))
    places = {task: place for place, task in enumerate(settings["tasks"])}

    def length(seen: Seen, task: str) -> Span:
        place = places.get(task, len(places))
        said = float(sizes(seen) @ base[place])
        said += float(_summed(table, scale, seen)[0]) * settings["weights"].get(task, 0.0)
        low, high = spread[place]
        return Span(math.exp(said + low), math.exp(said), math.exp(said + high))

    return length


def sizes(seen: Seen) -> NDArray[np.float32]:
    """1, and the logarithms of how much is asked and how much is given, in characters."""
    part = len(asking(seen))
    return np.array([1, math.log1p(part), math.log1p(max(len(seen.text) - part, 0))], np.float32)


def features(seen: Seen) -> NDArray[np.intp]:
    """Rows of the tables."""
    grams, marks = marked(seen)
    return rows(np.concatenate((grams, marks)), BITS)


def _summed(table: Any, scale: Any, seen: Seen) -> NDArray[np.float32]:
    found = features(seen)
    total = summed(table, found) * scale
    said: NDArray[np.float32] = total / np.float32(math.sqrt(len(found)))
    return said
