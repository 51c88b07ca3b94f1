"""Calibration: what is promised holds, on answers drawn again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.core.snapshot import ANY_KIND
from situs.errors import ConfigError, OperatorError
from situs.learning.artefacts import Artefact, Card
from situs.learning.confidence import (
    DELTA,
    LEVELS,
    WINDOWS,
    Sample,
    at_most,
    fit,
    levels_of,
    logistic,
    measured,
    table_of,
)
from situs.learning.limits import check
from situs.placement.confidence import View, least, probability
from situs.placement.signals import NAMES, Said, Token


@pytest.mark.parametrize(
    ("wrong", "kept", "delta", "bound"),
    [(0, 10, 0.05, 0.2589), (2, 20, 0.05, 0.2826), (5, 100, 0.025, 0.1128), (0, 0, 0.1, 1.0)],
)
def test_bounds_are_those_of_the_tables(wrong, kept, delta, bound):
    """Clopper-Pearson, one-sided; the first is 1 - 0.05 ** (1 / 10)."""
    assert at_most(wrong, kept, delta) == pytest.approx(bound, abs=2e-4)


@given(st.integers(1, 200), st.data())
@settings(max_examples=30)
def test_more_wrong_ones_never_lower_a_bound(kept, data):
    wrong = data.draw(st.integers(0, kept))
    assert wrong / kept <= at_most(wrong, kept) <= 1.0
    assert at_most(wrong, kept) <= at_most(min(kept, wrong + 1), kept)


def test_the_probability_is_learned():
    draw = np.random.default_rng(1)
    x = draw.normal(size=(4000, len(NAMES)))
    right = draw.random(4000) < 1 / (1 + np.exp(-(2 * x[:, 0] - x[:, 3] + 0.5)))
    weights, bias = logistic([tuple(row) for row in x], list(right))
    assert weights[0] == pytest.approx(2, abs=0.25)
    assert weights[3] == pytest.approx(-1, abs=0.25)
    assert bias == pytest.approx(0.5, abs=0.2)


def test_signals_that_never_change_teach_nothing():
    weights, bias = logistic([(1.0,) * len(NAMES)] * 10, [True] * 8 + [False] * 2)
    assert weights == (0.0,) * len(NAMES)
    assert 1 / (1 + np.exp(-bias)) == pytest.approx(0.8, abs=0.01)
    assert logistic([None], [True]) == ((0.0,) * len(NAMES), 0.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=90))
def test_levels_fall_and_the_last_keeps_all_that_are_answers(scores):
    levels = levels_of(scores)
    assert len(levels) == LEVELS
    assert list(levels) == sorted(levels, reverse=True)
    assert all(one >= levels[-1] for one in scores if one > 1e-6)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2, 0.3])
def test_the_share_of_wrong_ones_is_kept_to_but_for_one_draw_in_ten(rate):
    """The truth is known: how often an answer is right, at which the signal only hints."""
    draw = np.random.default_rng(7)
    world = draw.beta(2, 1, 20_000)
    hint = world + draw.normal(0, 0.15, 20_000)
    over, draws = 0, 300
    for _ in range(draws):
        learn, check = draw.integers(0, 20_000, (2, 200))
        right = draw.random(200) < world[check]
        view = View(0, 1, (1.0,), 0.0, (), (), ())
        view = measured(view, levels_of(_level(hint[learn])), _level(hint[check]), right)
        level = least(view, rate)
        if level is not None:
            kept = np.array(_level(hint)) >= level
            over += 1 - world[kept].mean() > rate
    assert over / draws <= DELTA


def _level(hint):
    return list(1 / (1 + np.exp(-hint)))


def samples(count, model="small", task="chat", tokens=True, votes=1):
    """Sure ones are right, the others every other time."""
    found = []
    for k in range(count):
        sure = k % 3 > 0
        token = (Token("x", -0.01 if sure else -2.0 - k % 7 / 10),) if tokens else ()
        answer = Said(f"x{k}", token, finish="stop")
        right = sure or k % 2 == 0
        found.append(Sample(model, task, f"prompt {k}", (answer,) * votes, right))
    return found


def test_of_each_model_all_windows_and_the_tasks_with_rows_enough():
    table = table_of(fit([*samples(400), *samples(30, task="code"), *samples(300, "other")]))
    assert {*table} == {
        ("small", ANY_KIND),
        ("small", "chat"),
        ("other", ANY_KIND),
        ("other", "chat"),
    }
    views = table["small", "chat"].views
    assert [view.window for view in views] == list(WINDOWS)
    assert least(views[0], 0.1) is not None


def test_votes_are_learned_where_all_rows_have_them():
    assert (0, 3) in _seen(samples(300, votes=3))
    assert (0, 3) not in _seen([*samples(300, votes=3), *samples(301)[-1:]])


def _seen(rows):
    return {(view.window, view.votes) for view in table_of(fit(rows))["small", ANY_KIND].views}


def test_a_model_without_log_probabilities_is_judged_by_the_rest():
    calibration = table_of(fit(samples(300, tokens=False)))["small", ANY_KIND]
    assert calibration.tokens is False


def test_a_prompt_that_comes_again_counts_once():
    with pytest.raises(ConfigError, match="to learn from"):
        fit(samples(20) * 20)


def test_too_few_rows_are_refused():
    with pytest.raises(ConfigError, match="of small"):
        fit(samples(60))


def test_an_answer_in_the_wrong_form_is_never_kept():
    view = View(0, 1, (0.0,) * len(NAMES), 0.0, (), (), ())
    view = measured(view, levels_of([0.0] * 10), [0.0] * 100, [True] * 100)
    assert view.kept == (0.0,) * LEVELS
    assert probability(view, None) < view.levels[-1]


def broken(**change):
    settings = fit(samples(300))
    view = settings["entries"][0]["calibration"]["views"][0]
    view.update(change)
    return Artefact(Card(1, "confidence", "odd", "Odd.", (), settings, {}, {}), {}, Path("odd"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"levels": (0.1,) * 19 + (0.9,)}, "levels that do not fall"),
        ({"errors": (0.1,)}, "too many or too few"),
        ({"weights": (0.1,)}, "too many or too few"),
        ({"kept": "all"}, "settings.entries"),
    ],
)
def test_a_calibration_that_is_none_is_refused(change, why):
    check(broken())
    with pytest.raises(OperatorError, match=why):
        check(broken(**change))
