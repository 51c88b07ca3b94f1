"""The task head, adapted to own prompts."""

from __future__ import annotations

from typing import Any

import numpy as np

from situs.analysis.features import see
from situs.analysis.task_head import GRAM_BITS, MARK_BITS, task_head
from situs.learning.tasks_own import adapt

TASKS = ("code", "translation", "chat")
SAID = ("write a function number {}", "translate line {} into french", "good evening number {}")


def blank() -> tuple[dict[str, Any], dict[str, Any]]:
    grams = np.zeros((1 << GRAM_BITS, len(TASKS) + 1), np.int8)
    grams[:, 0] = 33
    arrays = {
        "grams": grams,
        "marks": np.zeros((1 << MARK_BITS, len(TASKS) + 1), np.int8),
        "scale": np.array([0.03, 0.01], np.float32),
        "bias": np.zeros(len(TASKS), np.float32),
    }
    return arrays, {"classes": TASKS, "temperature": 1.0, "threshold": 0.5}


TEXTS = [SAID[n % 3].format(n) for n in range(150)]
LABELS = [TASKS[n % 3] for n in range(150)]


def test_what_the_rows_say_is_learned_and_known_with_more_certainty():
    arrays, settings = adapt(*blank(), TEXTS, LABELS)
    head = task_head(arrays, settings)
    guesses = [head(see(said.format(999))) for said in SAID]
    assert [one.name for one in guesses] == list(TASKS)
    assert min(one.probability for one in guesses) > 0.6
    assert settings["classes"] == TASKS


def test_labels_that_follow_nothing_change_nothing():
    labels = np.random.default_rng(1).permutation(LABELS).tolist()
    before, settings = blank()
    arrays, _ = adapt(before, settings, TEXTS, labels)
    for name in before:
        np.testing.assert_array_equal(arrays[name], before[name])


def test_what_is_known_stays_where_new_rows_say_nothing_of_it():
    arrays, settings = adapt(*blank(), TEXTS, LABELS)
    again, later = adapt(arrays, settings, [f"sing song {n}" for n in range(90)], ["chat"] * 90)
    head = task_head(again, later)
    assert head(see("sing song 99")).name == "chat"
    assert head(see(SAID[0].format(999))).name == "code"
