"""The board: counts that workers share, never more than there is room for."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.core.record import End
from situs.fleet.board import Board
from situs.fleet.registry import Registry

SLOTS = {"a": 0, "b": 1}


@pytest.fixture
def pair():
    fd = Board.make(2)
    boards = Board(fd, 0), Board(fd, 1)
    for board in boards:
        board.bind(SLOTS)
    yield boards
    os.close(fd)


def test_each_sees_what_the_other_took(pair):
    one, other = pair
    assert one.take("a", 2)
    assert other.take("a", 2)
    assert not one.take("a", 2)
    assert one.counts(["a", "b"]) == [2, 0]
    assert one.counts([]) == []
    other.give_back("a")
    assert one.take("a", 2)


def test_a_refused_place_is_not_counted(pair):
    one, other = pair
    assert one.take("a", 1)
    assert not other.take("a", 1)
    assert one.count("a") == 1


def test_the_version_moves_with_every_change_of_any_row(pair):
    one, other = pair
    seen = {one.version()}
    other.take("b", 1)
    seen.add(one.version())
    other.give_back("b")
    seen.add(one.version())
    assert len(seen) == 3


def test_what_a_dead_worker_had_taken_is_given_back(pair):
    one, other = pair
    other.take("a", 5)
    other.take("b", 5)
    assert one.clear(1) == 2
    assert one.counts(["a", "b"]) == [0, 0]


def test_a_registry_sees_the_load_of_all_workers(pair):
    one, other = pair
    fleet = [make.deployment("a", max_in_flight=2), make.deployment("b")]
    mine, theirs = (Registry(fleet, "digest", lambda: 0.0, board) for board in (one, other))
    first = mine.view()
    assert theirs.began("a")
    assert theirs.began("a")
    assert mine.view() is not first
    assert mine.view().states[0].in_flight == 2
    assert not mine.began("a")
    theirs.ended("a", "req", End.COMPLETE, None)
    assert mine.began("a")


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from("ab"), st.booleans())))
def test_no_order_of_events_puts_more_in_flight_than_fits(events):
    fd = Board.make(2)
    try:
        boards = Board(fd, 0), Board(fd, 1)
        held = {(row, name): 0 for row in (0, 1) for name in "ab"}
        for board in boards:
            board.bind(SLOTS)
        for row, name, taking in events:
            if taking:
                held[row, name] += boards[row].take(name, 3)
            elif held[row, name]:
                boards[row].give_back(name)
                held[row, name] -= 1
            for each in "ab":
                assert boards[0].count(each) == held[0, each] + held[1, each] <= 3
    finally:
        os.close(fd)
