"""When a pilot counts as worse than its baseline, and when chance would do."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.telemetry.serving import RENTED, attempt, served

from situs.core.record import End, Usage
from situs.telemetry.guard import METRICS, fair, judge, sample

METRIC = st.sampled_from(METRICS)
VALUES = st.lists(st.sampled_from([0.0, 1.0]), min_size=10, max_size=60)


def shares(bad, count):
    return [1.0] * bad + [0.0] * (count - bad)


@pytest.mark.parametrize(
    ("pilot", "baseline", "worse"),
    [
        (shares(50, 50), shares(0, 50), True),
        (shares(20, 50), shares(1, 50), True),
        (shares(1, 50), shares(0, 50), False),
        (shares(5, 50), shares(2, 50), False),
        (shares(11, 50), shares(10, 50), False),
        (shares(400, 1000), shares(200, 1000), True),
        (shares(230, 1000), shares(200, 1000), False),
        (shares(0, 50), shares(50, 50), False),
    ],
)
def test_shares_of_errors(pilot, baseline, worse):
    found = judge("errors", pilot, baseline, 0.2)
    assert found.worse is worse
    assert found.pilot == pytest.approx(sum(pilot) / len(pilot))


def test_the_slow_end():
    quick = [0.1 + n / 1000 for n in range(50)]
    slow = [one * 3 for one in quick]
    assert judge("e2e_p95", slow, quick, 0.2).worse
    assert not judge("e2e_p95", quick, slow, 0.2).worse
    assert not judge("e2e_p95", [one * 1.1 for one in quick], quick, 0.2).worse
    found = judge("ttft_p95", slow, quick, 0.2)
    assert (found.pilot, found.baseline) == pytest.approx((0.441, 0.147))


def test_one_very_slow_answer_ends_no_pilot():
    assert not judge("e2e_p95", [0.1] * 49 + [60.0], [0.1] * 50, 0.2).worse


def test_cost():
    assert judge("cost", [2.0] * 20, [1.0] * 20, 0.2).worse
    assert not judge("cost", [1.1] * 20, [1.0] * 20, 0.2).worse
    assert not judge("cost", [0.0] * 19 + [40.0], [1.0] * 20, 0.2).worse


@given(METRIC, VALUES, st.floats(0, 2))
def test_what_does_as_its_baseline_is_not_worse(metric, values, worse_by):
    assert not judge(metric, values, values, worse_by).worse


@given(METRIC, VALUES, VALUES, st.floats(0, 2), st.floats(0, 2))
def test_who_bears_more_ends_no_more_pilots(metric, pilot, baseline, less, more):
    less, more = sorted((less, more))
    if not judge(metric, pilot, baseline, less).worse:
        assert not judge(metric, pilot, baseline, more).worse


def test_chance_alone_ends_about_one_look_in_a_thousand_at_most():
    draw = random.Random(7)
    wrong = 0
    for _ in range(1000):
        pilot, baseline = (
            [float(draw.random() < 0.1) for _ in range(100)] for _ in range(2)
        )  # fmt: skip
        wrong += judge("errors", pilot, baseline, 0.0).worse
    assert wrong <= 4


def test_what_another_place_had_to_answer_is_an_error_of_the_first():
    failed = attempt(RENTED, end=End.SERVER_ERROR, duration_s=0.5)
    found = sample(served(attempts=(failed, attempt())))
    assert (found.errors, found.unsure) == (1.0, 0.0)
    assert found.ttft_p95 == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("ends", "status", "errors"),
    [
        ([End.COMPLETE], 200, 0.0),
        ([End.CLIENT_GONE], 200, 0.0),
        ([End.CLIENT_GONE], 499, 0.0),
        ([End.REFUSED], 400, 0.0),
        ([End.WITHHELD], 403, 0.0),
        ([End.SERVER_ERROR, End.DEADLINE], 504, 1.0),
        ([End.UNSURE, End.COMPLETE], 200, 0.0),
        ([End.CUT], 200, 1.0),
        ([End.TRUNCATED, End.COMPLETE], 200, 0.0),
        ([End.TRUNCATED], 502, 0.0),
        ([], 503, 1.0),
        ([], 403, 0.0),
    ],
)
def test_what_counts_as_an_error(ends, status, errors):
    tries = tuple(attempt(end=end) for end in ends)
    assert sample(served(attempts=tries, status=status)).errors == errors


@pytest.mark.parametrize("ends", [(), (End.DEADLINE,)])
def test_a_deadline_of_the_caller_is_no_error_of_the_pilot(ends):
    tries = tuple(attempt(end=end) for end in ends)
    found = sample(served(attempts=tries, status=504, code="deadline_exceeded"))
    assert found.errors == 0.0


def test_an_answer_that_was_not_to_be_trusted_is_counted():
    tries = (attempt(end=End.UNSURE), attempt(RENTED))
    assert sample(served(attempts=tries)).unsure == 1.0


def test_only_streams_have_a_first_token_and_only_whole_answers_an_end():
    assert sample(served(stream=False)).ttft_p95 is None
    assert sample(served(attempts=(attempt(end=End.CUT),))).e2e_p95 is None


def test_the_cost_of_a_request_does_not_depend_on_its_length():
    short = sample(served(usage=Usage(100, 50), cost=0.003)).cost
    long = sample(served(usage=Usage(100_000, 50_000), cost=3.0)).cost
    assert short == pytest.approx(long) == pytest.approx(20.0)
    assert sample(served(usage=None, cost=1.0)).cost is None
    assert sample(served(usage=Usage(0, 0), cost=0.0)).cost is None


def test_a_key_counts_for_no_more_than_all_others():
    some = [sample(served(key=key)) for key in "x" * 90 + "ab" * 10 + "x" * 90]
    kept = fair(some, 15)
    assert [one.key for one in kept] == [*"ab" * 10, *"x" * 20]
    assert len(fair(some[:90], 15)) == 15
