"""Figures of an evaluation, against values worked out by hand and slow definitions."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.studies import metrics

GOLD = ["a", "a", "a", "b", "b", "c"]
SAID = ["a", "a", "b", "b", "d", "b"]
SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=1, max_size=12)


def test_accuracy_is_the_share_that_agrees():
    assert metrics.accuracy(GOLD, SAID) == 3 / 6


def test_macro_f1_is_the_mean_over_every_class_named():
    # a: 2 of 3 and 2; b: 1 of 2 and 3; c and d: never right
    assert metrics.macro_f1(GOLD, SAID) == pytest.approx((4 / 5 + 2 / 5 + 0 + 0) / 4)


def test_confusion_counts_what_was_taken_for_what():
    assert metrics.confusion(GOLD, SAID) == {
        "a": {"a": 2, "b": 1},
        "b": {"b": 1, "d": 1},
        "c": {"b": 1},
    }


def test_nothing_has_no_figure():
    assert metrics.accuracy([], []) is None
    assert metrics.macro_f1([], []) is None
    assert metrics.confusion([], []) == {}
    assert metrics.ece([], []) is None
    assert metrics.auroc([], [1.0]) is None
    assert metrics.auroc([1.0], []) is None
    assert metrics.percentile([], 0.5) is None
    assert metrics.bootstrap_interval(0, lambda _: 1.0) is None
    assert metrics.bootstrap_interval(3, lambda _: None) is None


def test_rows_that_do_not_pair_up_are_a_mistake():
    with pytest.raises(ValueError, match="zip"):
        metrics.accuracy(["a"], [])


def test_calibrated_probabilities_have_no_error_and_sure_mistakes_have_all():
    assert metrics.ece([0.5, 0.5, 1.0], [True, False, True]) == 0
    assert metrics.ece([1.0, 1.0], [False, False]) == 1


def test_a_bin_holds_its_upper_bound():
    # 0.2 is the end of the first of five bins, so the two rows share it and their errors cancel.
    assert metrics.ece([0.2, 0.2, 0.1, 0.1, 0.1], [1, 0, 0, 0, 0], bins=5) == pytest.approx(0.06)
    assert metrics.ece([0.0], [0], bins=5) == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=40))
def test_ece_is_what_its_definition_says(pairs):
    said, right = [p / 30 for p, _ in pairs], [r for _, r in pairs]
    total = 0.0
    for bin_ in range(15):
        low, high = bin_ / 15, (bin_ + 1) / 15
        # a probability on a border is taken where the formula's rounding puts it
        inside = [i for i, p in enumerate(said) if min(14, max(0, math.ceil(p * 15) - 1)) == bin_]
        assert all(low - 1e-9 <= said[i] <= high + 1e-9 for i in inside)
        if inside:
            gap = sum(right[i] for i in inside) - sum(said[i] for i in inside)
            total += abs(gap)
    assert metrics.ece(said, right) == pytest.approx(total / len(said))


@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_in_order(inside, outside):
    pairs = [(a > b) + (a == b) / 2 for a, b in product(inside, outside)]
    assert metrics.auroc(inside, outside) == pytest.approx(sum(pairs) / len(pairs))


def test_a_percentile_lies_between_neighbours():
    assert metrics.percentile([3, 1, 2], 0.5) == 2
    assert metrics.percentile([1, 2], 0.75) == 1.75


def test_a_bootstrap_interval_is_the_same_each_time_and_holds_the_figure():
    values = np.arange(100) / 100

    def mean(picks):
        return float(values[picks].mean())

    wide = metrics.bootstrap_interval(len(values), mean)
    assert wide is not None
    assert wide == metrics.bootstrap_interval(len(values), mean)
    low, high = wide
    assert low < values.mean() < high
    # the standard error of the mean is 0.0289: 1.96 of it each way
    assert high - low == pytest.approx(4 * 0.0289, rel=0.15)
    narrow = metrics.bootstrap_interval(len(values), mean, share=0.5)
    assert narrow is not None
    assert low < narrow[0] < narrow[1] < high


def test_an_interval_of_what_cannot_vary_has_no_width():
    assert metrics.bootstrap_interval(5, lambda _: 0.25) == (0.25, 0.25)
