"""The figures of RouteLLM, against curves drawn by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.core.heads import Guess
from situs.errors import OperatorError
from situs.studies.eval_capability import apgr, cpt, evaluate

gains = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60)


def rows(count=200):
    """The weak model fails at every prompt with a hard word, the strong one never."""
    return [
        {
            "prompt": f"{'prove' if at % 4 == 0 else 'name'} number {at} of the list",
            "strong_correct": True,
            "weak_correct": at % 4 != 0,
        }
        for at in range(count)
    ]


def test_a_curve_drawn_by_hand():
    ranked = np.array([1.0, 0.0, 1.0, 0.0])  # recovered: 0, 1/2, 1/2, 1, 1
    assert apgr(ranked) == pytest.approx((0.25 + 0.5 + 0.75 + 1.0) / 4)
    assert cpt(ranked, 0.5) == 0.25
    assert cpt(ranked, 0.8) == pytest.approx(0.5 + 0.25 * 0.6)


@given(gains)
def test_no_order_is_better_than_the_oracle_nor_worse_than_its_reverse(values):
    found = np.array(values)
    figures: list[Any] = [apgr(one) for one in (-np.sort(-found), np.sort(found), found)]
    best, worst, given_ = figures
    if given_ is None:
        assert sum(values) <= 0
    else:
        assert worst - 1e-9 <= given_ <= best + 1e-9
        assert best + worst == pytest.approx(1)


@given(gains)
def test_more_of_the_gap_needs_no_fewer_calls(values):
    figures: list[Any] = [cpt(np.array(values), share) for share in (0.5, 0.8)]
    half, most = figures
    assert (half is None and most is None) or 0 <= half <= most <= 1


def test_a_head_that_knows_is_as_good_as_the_oracle():
    def knows(seen, name):
        return Guess(name, 0.9 if name == "frontier" or "name" in seen.text else 0.1)

    found = evaluate(rows(), None, knows)
    assert found["apgr"] == found["reference"]["oracle"] == pytest.approx(0.875)
    assert found["auroc"] == 1
    assert found["cpt80"] == pytest.approx(0.2)
    assert found["reference"]["random"] == 0.5
    assert found["reference"]["knn"] is None
    low, high = found["apgr_interval"]
    assert low < found["apgr"] < high


def test_a_head_that_says_the_same_of_all_is_ranked_by_hash_alone():
    found = evaluate(rows(2000), None, lambda _, name: Guess(name, 0.5, True))
    assert found["apgr"] == pytest.approx(0.5, abs=0.03)
    assert found["unsure_share"] == 1
    assert found == evaluate(rows(2000)[::-1], None, lambda _, name: Guess(name, 0.5, True))


def test_with_rows_to_learn_from_a_head_is_fitted_to_them():
    found = evaluate(rows()[:100], rows()[100:])
    assert found["apgr"] > 0.8
    assert found["reference"]["knn"] > 0.8


def test_scores_may_be_of_any_range():
    scored = [
        {**row, "strong_correct": 9.0, "weak_correct": 9.0 if row["weak_correct"] else 1.0}
        for row in rows()
    ]
    assert evaluate(scored[:100], scored[100:])["apgr"] > 0.8


def test_figures_that_need_a_gap_are_none_where_there_is_none():
    equal = [{**row, "weak_correct": True} for row in rows()]
    found = evaluate(equal, None, lambda _, name: Guess(name, 0.5))
    assert (found["apgr"], found["cpt50"], found["apgr_interval"], found["auroc"]) == (None,) * 4
    assert found["reference"] == {"random": None, "knn": None, "oracle": None}


def test_without_a_head_and_without_rows_it_says_so():
    with pytest.raises(OperatorError, match="no capability head"):
        evaluate(rows())


def hidden(count):
    """Only a vector tells which prompts the weak model fails at."""
    return [
        {
            "prompt": f"name item {at} of the list",
            "strong_correct": True,
            "weak_correct": at % 4 != 0,
        }
        for at in range(1000, 1000 + count)
    ]


def encode(texts):
    return np.eye(4, dtype=np.float32)[[int(text.split()[2]) % 4 for text in texts]]


def test_vectors_are_learned_from_and_read_where_there_is_an_encoder():
    rows_ = hidden(400)
    plain = evaluate(rows_[300:], rows_[:300])
    assert evaluate(rows_[300:], rows_[:300], None, encode)["apgr"] > max(0.8, plain["apgr"])


def test_the_encoder_is_not_asked_where_the_head_is_unsure_without():
    learned = hidden(300)
    strange = [{**row, "prompt": "{}\n" * 300 + row["prompt"]} for row in hidden(20)]
    asked = []

    def counted(texts):
        asked.extend(texts)
        return encode(texts)

    assert evaluate(strange, learned, None, counted)["unsure_share"] == 1
    assert set(asked) == {row["prompt"] for row in learned}
