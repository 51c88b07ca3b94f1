"""Which answers may be kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.core.aim import Cascade
from situs.core.snapshot import ANY_KIND, Confidences
from situs.placement.confidence import (
    STARTS,
    WHOLE,
    Bar,
    Calibration,
    View,
    bar_for,
    least,
    probability,
)
from situs.placement.signals import NAMES, Said, Token, Wanted

LEVELS = tuple(1 - k / 20 for k in range(20))


def view(errors=(), window=WHOLE, votes=1):
    """The probability is that of the mean log-probability alone."""
    errors = tuple(errors) or (0.0,) * 20
    return View(window, votes, (1.0,) + (0.0,) * (len(NAMES) - 1), 0.0, LEVELS, errors, LEVELS)


def known(*views, tokens=True):
    return Confidences({("small", ANY_KIND): Calibration(tokens, 100, views)})


def bar(confidences, stream=False, **cascade):
    return bar_for(confidences, "small", "chat", Cascade(**cascade), stream)


@given(st.lists(st.floats(0, 1), min_size=20, max_size=20), st.floats(0.01, 0.99))
def test_a_run_goes_down_only_until_a_level_has_too_many_errors(errors, rate):
    """By the definition: some start reaches the level without passing one that fails."""
    reached = [
        at
        for start in STARTS
        for at in range(start, 20)
        if all(error <= rate for error in errors[start : at + 1])
    ]
    found = least(view(errors), rate)
    assert found == (LEVELS[max(reached)] if reached else None)


def test_a_level_that_fails_hides_what_is_below_from_runs_above():
    errors = [0.0] * 17 + [0.5] + [0.0] * 2
    assert least(view(errors), 0.1) == LEVELS[16]
    assert least(view([0.5] * 10 + [0.0] * 10), 0.1) is None


def test_the_task_counts_before_the_model():
    own = Calibration(True, 100, (view([0.9] * 20),))
    table = {("small", "chat"): own, ("small", ANY_KIND): Calibration(True, 100, (view(),))}
    assert bar(Confidences(table)) is None
    assert bar_for(Confidences(table), "small", "code", Cascade(), False) is not None


def test_nothing_learned_gives_no_bar():
    assert bar(Confidences()) is None


@pytest.mark.parametrize(("wanted", "window"), [(1, None), (3, 2), (31, 8), (100, 32)])
def test_a_stream_is_judged_on_the_largest_window_that_was_learned(wanted, window):
    found = bar(known(view(), *(view(window=w) for w in (2, 8, 32))), True, window_tokens=wanted)
    assert (found and found.view.window) == window


def test_votes_count_for_whole_answers_only():
    confidences = known(view(), view(votes=3), view(window=32))
    assert bar(confidences, votes=3).view.votes == 3
    assert bar(confidences, stream=True, votes=3).view.votes == 1
    assert bar(confidences, votes=5) is None


def test_an_answer_without_the_log_probabilities_it_was_calibrated_with_is_not_trusted():
    learned = Bar(view(), True, 0.1)
    sure = Said("yes", (Token("yes", -0.01),), finish="stop")
    assert learned.confidence([sure], Wanted()) > 0.4
    assert learned.confidence([Said("yes", finish="stop")], Wanted()) == 0.0


def test_the_worst_choice_counts_and_no_choice_is_worth_nothing():
    learned = Bar(view(), True, 0.1)
    sure, unsure = (Said("x", (Token("x", p),), finish="stop") for p in (-0.01, -3.0))
    assert learned.confidence([sure, unsure], Wanted()) == learned.confidence([unsure], Wanted())
    assert learned.confidence([], Wanted()) == 0.0


def test_no_answer_has_no_probability():
    assert probability(view(), None) == 0.0
