"""Expected times: from the configuration, and from what was measured, whatever that was."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple
from tests import make

from situs.core.fleet import DeploymentState, Pace, PrefixCache, Speed
from situs.core.record import Measured, Usage
from situs.placement.latency import (
    beginning,
    learn,
    moved,
    predict,
    resumed,
    slowness,
    unlearned,
)

SPEED = Speed(ttft_s=0.5, prompt_tokens_per_s=1000.0, completion_tokens_per_s=50.0)
PLACE = make.deployment(speed=SPEED, max_in_flight=4)
IDLE = DeploymentState()


def told(learned, prompt=0, cached=0, completion=0, in_flight=0):
    state = DeploymentState(in_flight=in_flight, pace=learned.pace)
    return predict(PLACE, state, prompt, cached, completion)


def stream(ttft_s, duration_s, usage=None, prompt=100):
    return Measured(ttft_s, duration_s, 0.5, prompt, usage)


def whole(duration_s, usage=None):
    return Measured(None, duration_s, 0.5, 100, usage)


@pytest.mark.parametrize(
    ("sizes", "in_flight", "ttft_s", "e2e_s"),
    [
        ((0, 0, 0), 0, 0.5, 0.5),
        ((1000, 0, 0), 0, 1.5, 1.5),
        ((1000, 600, 0), 0, 0.9, 0.9),
        ((1000, 2000, 0), 0, 0.5, 0.5),
        ((0, 0, 100), 0, 0.5, 2.5),
        ((0, 0, 100), 4, 1.0, 5.0),
    ],
)
def test_before_anything_was_measured_the_configured_speed_counts(sizes, in_flight, ttft_s, e2e_s):
    found = predict(PLACE, DeploymentState(in_flight=in_flight), *sizes)
    assert found == pytest.approx((ttft_s, e2e_s, 2 * ttft_s))


@given(st.integers(0, 10_000), st.integers(0, 12_000), st.integers(0, 5000), st.integers(0, 64))
def test_the_configured_speed_is_said_alike_in_both_ways(prompt, cached, completion, in_flight):
    state = DeploymentState(in_flight=in_flight)
    learned = DeploymentState(in_flight=in_flight, pace=unlearned(PLACE))
    sizes = (prompt, cached, completion)
    assert predict(PLACE, state, *sizes) == pytest.approx(predict(PLACE, learned, *sizes))


def after(truth, count=150, *, streamed=True, seed=0):
    """What is learned from a place that takes as long as `truth` says, within ten percent."""
    rng, learned = random.Random(seed), beginning(PLACE)
    for place in range(count):
        prompt, out, load = rng.randrange(20, 3000), rng.randrange(2, 300), rng.randrange(4)
        ttft_s, token_s = truth(place, prompt, load)
        ttft_s *= math.exp(rng.gauss(0, 0.1))
        e2e_s = ttft_s + (out - 1) * token_s
        measured = Measured(ttft_s if streamed else None, e2e_s, 0.5, prompt, Usage(prompt, out))
        learned = learn(learned, measured, load)
    return learned


def slow_place(_, prompt, load):
    return 2.0 + prompt / 200 + load * 1.5, 0.05 + load * 0.02


@pytest.mark.parametrize("streamed", [True, False])
def test_a_place_that_is_not_as_configured_is_learned(streamed):
    learned = after(slow_place, streamed=streamed)
    for prompt, load in ((50, 0), (500, 3), (2500, 0), (2500, 3)):
        ttft_s, token_s = slow_place(0, prompt, load)
        expected = (ttft_s, ttft_s + 200 * token_s)
        found = told(learned, prompt, 0, 200, load)
        assert found[:2] == pytest.approx(expected, rel=0.2 if streamed else 0.3)


def test_only_those_wait_for_whom_there_is_no_slot():
    slotted = make.deployment(speed=SPEED, cache=PrefixCache(slots=3))
    learned = beginning(slotted)
    for place in range(120):
        load = place % 5
        took_s = 1.0 + max(0, load - 2)
        learned = learn(learned, stream(took_s, took_s, Usage(100, 0)), load)
    for load in range(5):
        state = DeploymentState(in_flight=load, pace=learned.pace)
        assert predict(slotted, state, 100)[0] == pytest.approx(1.0 + max(0, load - 2), rel=0.15)


def test_a_place_that_changes_at_once_is_learned_again():
    def truth(place, prompt, load):
        times = 1.0 if place < 150 else 3.0
        return times * (0.5 + prompt / 1000), times * 0.02

    assert told(after(truth, 150), 1000)[0] == pytest.approx(1.5, rel=0.2)
    assert told(after(truth, 170), 1000)[0] == pytest.approx(4.5, rel=0.25)


def test_a_few_that_are_far_too_slow_change_little():
    def truth(place, prompt, load):
        return (0.5 + prompt / 1000) * (20.0 if place % 15 == 7 else 1.0), 0.02

    assert told(after(truth), 1000)[0] == pytest.approx(1.5, rel=0.25)


def test_what_was_in_the_cache_is_not_counted_as_read():
    learned = beginning(PLACE)
    for place in range(200):
        cached = 900 if place % 2 else 0
        usage = Usage(1000, 0, cached)
        took_s = 0.1 + (1000 - cached) / 500
        learned = learn(learned, stream(took_s, took_s, usage), 0)
    assert told(learned, 1000, 900)[0] == pytest.approx(0.3, rel=0.15)
    assert told(learned, 1000)[0] == pytest.approx(2.1, rel=0.15)


def test_without_a_usage_a_stream_teaches_its_first_token_and_a_whole_answer_nothing():
    before = beginning(PLACE)
    assert learn(before, whole(30.0), 0).pace == before.pace
    after_ = learn(before, stream(5.0, 30.0), 0)
    assert after_.ttft != before.ttft
    assert after_.token == before.token


def test_embeddings_teach_how_long_the_whole_takes():
    learned = beginning(PLACE)
    for _ in range(60):
        learned = learn(learned, whole(0.05, Usage(100, 0)), 0)
    assert told(learned, 100)[1] == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("spread", [0.1, 0.5])
def test_one_in_twenty_is_later_than_late(spread):
    rng, learned, beyond = random.Random(3), beginning(PLACE), 0
    for place in range(1500):
        ttft_s = 0.5 * math.exp(rng.gauss(0, spread))
        beyond += place >= 300 and ttft_s > told(learned, 100)[2]
        learned = learn(learned, stream(ttft_s, ttft_s), 0)
    assert 0.025 <= beyond / 1200 <= 0.085


times = st.floats(0, 1e6)
counts = st.integers(0, 2_000_000)
any_measured = st.builds(
    lambda ttft_s, more_s, prompt, out, cached, usage: Measured(
        ttft_s,
        (ttft_s or 0.0) + more_s,
        0.5,
        prompt,
        Usage(prompt, out, cached) if usage else None,
    ),
    st.none() | times,
    times,
    counts,
    counts,
    counts,
    st.booleans(),
)


@given(st.lists(st.tuples(any_measured, st.integers(0, 1000)), min_size=1, max_size=30))
def test_whatever_is_measured_expectations_stay_sound(story):
    learned = beginning(PLACE)
    for measured, load in story:
        learned = learn(learned, measured, load)
    pace = learned.pace
    assert all(math.isfinite(value) and value > 0 for value in astuple(pace))
    ttft_s, e2e_s, late_s = predict(PLACE, DeploymentState(in_flight=9, pace=pace), 100, 50, 10)
    assert 0 < ttft_s < e2e_s
    assert ttft_s < late_s
    assert learned.samples == len(story)


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.integers(0, 64))
def test_more_to_read_more_to_say_and_more_beside_take_longer(prompt, out, load):
    pace = after(slow_place, 40).pace
    state = DeploymentState(in_flight=load, pace=pace)
    busier = DeploymentState(in_flight=load + 1, pace=pace)
    mine = predict(PLACE, state, prompt, 0, out)
    assert predict(PLACE, state, prompt + 1, 0, out) >= mine
    assert predict(PLACE, state, prompt, 0, out + 1) >= mine
    assert predict(PLACE, busier, prompt, 0, out) > mine
    assert predict(PLACE, state, prompt, prompt, out) <= mine


def test_what_was_told_is_told_anew_when_it_is_off_by_two_percent():
    learned = beginning(PLACE)
    assert moved(learned, None)
    assert not moved(learned, learned.pace)
    assert moved(learn(learned, stream(5.0, 5.0), 0), learned.pace)


def test_slowness_is_one_where_all_is_as_configured():
    assert slowness(beginning(PLACE), PLACE, 256) == pytest.approx(1.0)


def test_a_pace_in_a_receipt_is_short():
    pace = after(slow_place, 40).pace
    assert all(len(f"{value!r}") <= 12 for value in astuple(pace))
    assert isinstance(pace, Pace)


DAY_S = 86_400.0


def test_what_was_learned_just_now_goes_on_as_it_was():
    learned = after(slow_place)
    found = resumed(learned, PLACE, -5.0)
    assert astuple(found.ttft) == pytest.approx(astuple(learned.ttft))
    assert found.pace == learned.pace


def test_the_older_the_easier_new_answers_move_it():
    learned = after(slow_place)
    moves = []
    for age_s in (0.0, DAY_S, 3 * DAY_S, 7 * DAY_S, 700 * DAY_S):
        found = resumed(learned, PLACE, age_s)
        assert found.pace == learned.pace
        before = told(found, 500)[0]
        moves.append(told(learn(found, stream(20.0, 20.0, prompt=500), 0), 500)[0] / before)
    assert moves[:4] == sorted(moves[:4])
    assert moves[3] == pytest.approx(moves[4])
    assert moves[3] > 2 * moves[0]


@given(st.floats(0, 10 * DAY_S), st.integers(0, 40), st.integers(0, 3))
def test_what_is_resumed_is_learned_from_like_any_other(age_s, count, seed):
    found = resumed(after(slow_place, count, seed=seed), PLACE, age_s)
    for ttft_s in (0.001, 5.0, 1e4):
        found = learn(found, stream(ttft_s, 2 * ttft_s, Usage(100, 20)), 2)
        assert all(math.isfinite(value) and value >= 0 for value in astuple(found.pace))


def test_slots_are_those_of_now():
    place = make.deployment(cache=PrefixCache(slots=4))
    assert resumed(after(slow_place, 3), place, 0.0).slots == 4
