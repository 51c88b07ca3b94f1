"""Complexity is judged where it was fitted; lengths follow task and size."""

import math

import numpy as np
import pytest

from situs.analysis.effort import BITS, complexity_head, length_head
from situs.analysis.features import see

EXAM = "Which of these is prime?\nA. 4\nB. 7\nC. 9"


def complexity(bias, enough=0.7):
    arrays = {
        "table": np.zeros((1 << BITS, 3), np.int8),
        "scale": np.ones(3, np.float32),
        "bias": np.array(bias, np.float32),
    }
    return complexity_head(arrays, {"enough": enough, "tasks": ["reasoning"]})


def test_the_smallest_class_that_is_probably_right_will_do():
    found = complexity((-2, 1.5, 3))(see("What is 3 * 7 + 2?"), "reasoning")
    assert (found.name, found.unsure) == ("medium", False)
    assert found.probability == pytest.approx(1 / (1 + math.exp(-1.5)))


def test_where_no_class_is_probably_right_the_highest_answers_unsure():
    found = complexity((-3, -2, 0))(see(EXAM), "open_qa")
    assert (found.name, found.unsure) == ("frontier", True)


def test_a_higher_class_is_never_worse():
    assert list(np.diff(complexity((1, -1, 0)).right(see(EXAM))) >= 0) == [True, True]


def test_outside_exams_the_task_says_it_and_is_unsure():
    found = complexity((3, 3, 3))(see("Write a poem about rain"), "creative_writing")
    assert (found.name, found.unsure, found.probability) == ("small", True, 0.5)


def length(base, spread):
    arrays = {
        "table": np.zeros((1 << BITS, 1), np.int8),
        "scale": np.ones(1, np.float32),
        "base": np.array(base, np.float32),
        "spread": np.array(spread, np.float32),
    }
    return length_head(arrays, {"tasks": ["summarisation"], "weights": {"summarisation": 1.0}})


def test_length_has_bounds_around_what_is_expected():
    head = length([[3, 0, 0], [4, 0, 0]], [[-1, 1], [-2, 2]])
    found = head(see("Sum this up"), "summarisation")
    assert (found.low, found.expected, found.high) == pytest.approx(
        (math.exp(2), math.exp(3), math.exp(4))
    )


def test_a_task_without_known_answers_has_the_widest_bounds():
    head = length([[3, 0, 0], [4, 0, 0]], [[-1, 1], [-2, 2]])
    found = head(see("Book a flight"), "agent_step")
    assert found.high / found.low == pytest.approx(math.exp(4))


def test_more_that_is_given_can_make_it_longer():
    head = length([[1, 0, 0.5], [0, 0, 0]], [[-1, 1], [-1, 1]])
    short = head(see("Summarise this text for me:\nA line."), "summarisation")
    long = head(see("Summarise this text for me:\n" + "A line of text. " * 80), "summarisation")
    assert long.expected > 2 * short.expected
