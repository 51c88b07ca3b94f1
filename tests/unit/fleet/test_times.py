"""What workers measured is heard by the others, whole or not at all."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests import make

from situs.core.record import Measured, Usage
from situs.fleet.board import Board
from situs.fleet.times import ENTRIES, MOST, number_of


@pytest.fixture
def three():
    fd = Board.make(2)
    yield [Board(fd, row).times for row in (0, 1, None)]
    os.close(fd)


def said(duration_s: float = 1.0, ttft_s: float | None = 0.25, usage: Usage | None = None):
    return Measured(ttft_s, duration_s, 0.0, 100 if usage is None else usage.prompt_tokens, usage)


TOLD = [
    (1, said(), 0),
    (2**64 - 1, said(3.5, None, Usage(1000, 50, 400)), 7),
    (0, said(0.5, 0.125, Usage(0, 0)), 63),
]


def test_all_others_and_the_parent_hear_what_one_measured(three):
    one, other, parent = three
    for number, measured, in_flight in TOLD:
        one.tell(number, measured, in_flight)
    other.tell(5, said(), 1)
    assert list(one.heard()) == [(5, said(), 1)]
    assert list(other.heard()) == TOLD
    assert list(parent.heard()) == [*TOLD, (5, said(), 1)]
    assert [list(each.heard()) for each in three] == [[], [], []]


def test_of_a_crowd_the_newest_are_heard_of_each(three):
    one, other, parent = three
    for at in range(ENTRIES + 10):
        one.tell(1, said(float(at)), 0)
        other.tell(2, said(float(at)), 0)
    heard = list(parent.heard())
    assert [number for number, _, _ in heard] == [1] * (MOST // 2) + [2] * (MOST // 2)
    assert heard[-1][1].duration_s == ENTRIES + 9
    assert list(parent.heard()) == []


def test_what_is_written_over_while_it_is_read_is_passed_by(three):
    one, _, parent = three
    for at in range(MOST):
        one.tell(1, said(float(at)), 0)
    hearing = parent.heard(10**6)
    first = next(hearing)[1].duration_s
    for at in range(ENTRIES - 10):
        one.tell(1, said(1000.0 + at), 0)
    left = [measured.duration_s for _, measured, _ in hearing]
    assert first == 0.0
    assert left == [float(at) for at in range(MOST - 10, MOST)]


def test_who_comes_later_begins_with_what_comes_then():
    fd = Board.make(2)
    one = Board(fd, 0).times
    one.tell(1, said(), 0)
    late, again = Board(fd, 1).times, Board(fd, 0).times
    assert list(late.heard()) == []
    again.tell(2, said(), 0)
    assert [number for number, _, _ in late.heard()] == [2]
    os.close(fd)


SIZES = st.integers(0, 2**40)


@given(
    st.lists(st.tuples(SIZES, SIZES, SIZES, st.floats(0, 1e9), st.floats(0, 1e9)), max_size=20),
    st.integers(1, 64),
)
def test_whatever_is_measured_is_told_in_order_and_fits(answers, most):
    fd = Board.make(2)
    one, other = Board(fd, 0).times, Board(fd, 1).times
    for at, (prompt, completion, cached, ttft_s, duration_s) in enumerate(answers):
        one.tell(at, said(duration_s, ttft_s, Usage(prompt, completion, cached)), 0)
    heard = list(other.heard(most))
    assert [number for number, _, _ in heard] == list(range(len(answers)))[-most:]
    for number, measured, _ in heard:
        assert measured.usage is not None
        assert measured.usage.prompt_tokens == min(answers[number][0], 2**31 - 1)
        assert measured.duration_s == pytest.approx(answers[number][4])
    os.close(fd)


def test_deployments_are_told_apart_by_name_node_and_model():
    one = make.deployment("a")
    others = make.deployment("b"), replace(one, node="b"), make.deployment("a", model="b")
    assert len({number_of(each) for each in (one, *others)}) == 4
    assert number_of(replace(one, max_in_flight=3)) == number_of(one)
