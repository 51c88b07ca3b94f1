"""Times that were measured elsewhere, or before: a registry goes on from them."""

from __future__ import annotations

import os
import random
from math import exp

import pytest
from msgspec.structs import replace
from tests import make

from situs.core.fleet import Health
from situs.core.record import End, Measured, Usage
from situs.fleet.board import Board
from situs.fleet.registry import Registry
from situs.placement.latency import beginning, learn, predict

FLEET = [make.deployment(name, max_in_flight=8) for name in "abc"]


@pytest.fixture
def crew():
    """A registry for each of three workers."""
    fd = Board.make(3)
    boards = [Board(fd, row) for row in range(3)]
    for board in boards:
        board.bind({"a": 0, "b": 1, "c": 2})
    yield [
        Registry(FLEET, "digest", lambda: 0.0, board, seed, board.times)
        for seed, board in enumerate(boards)
    ]
    os.close(fd)


def answered(registry, count=1, seed=0, name="a"):
    """Answers that take five times as long as is configured."""
    rng = random.Random(seed)
    for _ in range(count):
        prompt, out = rng.randrange(100, 2000), rng.randrange(10, 100)
        ttft_s = (2.5 + prompt / 400) * exp(rng.gauss(0, 0.1))
        registry.began(name)
        registry.sent(name, "req")
        measured = Measured(ttft_s, ttft_s + out / 8, 1.0, prompt, Usage(prompt, out))
        registry.ended(name, "req", End.COMPLETE, measured)


def ttft_s(registry, at=0):
    return predict(FLEET[at], registry.view().states[at], 1000)[0]


def test_what_one_measured_all_know_once_they_have_heard_it(crew):
    one, other, third = crew
    answered(one, 60)
    before = other.view()
    assert ttft_s(other) == pytest.approx(1.0)
    other.hear()
    third.hear()
    assert other.view() is not before
    assert ttft_s(one) == pytest.approx(5.0, rel=0.15)
    assert ttft_s(other) == ttft_s(third) == pytest.approx(ttft_s(one), rel=1e-3)
    assert other.view().states[1].pace is None


def test_nothing_is_heard_twice_nor_told_on(crew):
    one, other, third = crew
    answered(one, 5)
    other.hear()
    known = ttft_s(other)
    other.hear()
    one.hear()
    assert ttft_s(other) == known
    answered(other, 1, seed=1)
    third.hear()
    one.hear()
    assert ttft_s(third) == pytest.approx(ttft_s(one), rel=1e-3)


def test_of_a_place_that_is_not_in_the_fleet_nothing_is_learned(crew):
    one, other, _ = crew
    other.replace(FLEET[1:], "without a")
    answered(one, 5)
    other.hear()
    assert [state.pace for state in other.view().states] == [None, None]
    moved = replace(FLEET[0], node="elsewhere")
    other.replace([moved], "moved")
    answered(one, 5)
    other.hear()
    assert other.view().states[0].pace is None


def test_what_is_heard_says_nothing_of_health(crew):
    one, other, _ = crew
    answered(one, 20)
    other.hear()
    assert one.view().states[0].health is Health.HEALTHY
    assert other.view().states[0].health is Health.UNKNOWN


def taught(count=40):
    found = beginning(FLEET[0])
    for at in range(count):
        found = learn(found, Measured(3.0 + at % 2, 9.0, 0.0, 500, Usage(500, 50)), 0)
    return found


def test_times_that_were_kept_count_from_the_first_request_on(crew):
    one = crew[0]
    one.teach({"a": taught(), "gone": taught()})
    states = one.view().states
    assert states[0].pace == taught().pace
    assert (states[0].health, states[0].in_flight, states[1].pace) == (Health.UNKNOWN, 0, None)
    answered(one, 60)
    assert ttft_s(one) == pytest.approx(5.0, rel=0.15)


def test_what_is_no_longer_known_begins_anew(crew):
    one = crew[0]
    answered(one, 30)
    assert one.view().states[0].pace is not None
    one.teach({"b": taught()})
    assert [state.pace is None for state in one.view().states] == [True, False, True]
    assert ttft_s(one) == pytest.approx(1.0)


def test_nobody_is_an_outlier_for_what_was_learned_before():
    group = [make.deployment(name, model="same") for name in "abcd"]
    clock = iter(range(0, 10_000, 2)).__next__
    registry = Registry(group, "digest", lambda: float(clock()))
    registry.teach({"a": taught(200)})
    for _ in range(12):
        for name in "bcd":
            registry.began(name)
            registry.ended(name, "req", End.COMPLETE, Measured(0.5, 1.0, 1.0, 100))
    assert registry.view().states[0].health is Health.UNKNOWN
    for _ in range(12):
        answered(registry, name="a")
    assert registry.view().states[0].health is Health.EJECTED
