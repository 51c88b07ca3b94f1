"""Before and after."""

from __future__ import annotations

import numpy as np

from situs.studies.compare import compare
from situs.studies.metrics import accuracy

GOLD = np.array(["a", "b"] * 100)


def figure(said):
    return {"accuracy": lambda picks: accuracy(GOLD[picks].tolist(), said[picks].tolist())}


def test_each_figure_stands_beside_the_one_before_with_intervals():
    wrong = GOLD.copy()
    wrong[:50] = "c"
    (one,) = compare(200, figure(wrong), figure(GOLD))
    assert (one.name, one.before, one.after) == ("accuracy", 0.75, 1)
    assert one.after_interval == (1, 1)
    assert one.before_interval is not None
    assert one.before_interval[0] < 0.75 < one.before_interval[1]
    assert one.difference is not None
    assert 0 < one.difference[0] < 0.25 < one.difference[1]


def test_the_difference_is_paired_so_equal_heads_differ_by_nothing():
    wrong = GOLD.copy()
    wrong[:50] = "c"
    (one,) = compare(200, figure(wrong), figure(wrong))
    assert one.difference == (0, 0)


def test_without_a_head_before_there_is_nothing_to_compare_with():
    (one,) = compare(200, None, figure(GOLD))
    assert (one.before, one.before_interval, one.difference) == (None, None, None)
    assert one.after == 1
