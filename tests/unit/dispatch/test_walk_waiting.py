"""A request whose places fail or are full waits for those that it has not tried."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.dispatch.test_walk import HELLO, LAST, Noted, ScriptedReply, down, drain, ends
from tests.unit.dispatch.test_walk_beside import walk_over

from situs.core.record import End
from situs.dispatch.line import Line
from situs.dispatch.walk import Limits
from situs.errors import DeadlineExceeded, NoCapacity, NodesExhausted

ANSWER = [HELLO, LAST]


def walked(replies, full, *, freed=True, retry=lambda: True, patience_s=0.3):
    """The walk and what came of it; what is full becomes free once somebody waits, or never."""

    async def story():
        line, situation, spent = Line(most=8, patience_s=patience_s), Noted(full=set(full)), []

        async def wait(take):
            if freed:
                asyncio.get_running_loop().call_later(0.12, situation.full.clear)
            return await line.wait(0, 5.0, take)

        def counted():
            spent.append(1)
            return retry()

        walk = walk_over(replies, Limits(wait=wait, retry=counted), situation=situation)
        try:
            return walk, await drain(walk), len(spent)
        except NodesExhausted as error:
            return walk, error, len(spent)
        finally:
            await walk.close()

    return asyncio.run(story())


def test_a_request_whose_place_failed_waits_for_the_others_that_are_full():
    replies = {"a": down(End.CUT), "b": ScriptedReply(ANSWER)}
    walk, said, spent = walked(replies, full={"b"})
    assert said == [b"hello", b"last"]
    assert ends(walk) == [("a", "cut"), ("b", "complete")]
    assert walk.queued_s > 0.1
    assert spent == 1, "looking for a place is not trying one"


def test_what_was_full_at_first_is_tried_when_all_others_have_failed():
    replies = {"a": ScriptedReply(ANSWER), "b": down(End.TIMEOUT)}
    walk, said, _ = walked(replies, full={"a"})
    assert said == [b"hello", b"last"]
    assert ends(walk) == [("b", "timeout"), ("a", "complete")]


@pytest.mark.parametrize("freed", [False, True])
def test_a_place_is_tried_once_and_nobody_waits_for_it_again(freed):
    replies = {"a": down(End.CUT), "b": down(End.CUT)}
    walk, error, _ = walked(replies, full={"b"}, freed=freed)
    assert isinstance(error, NodesExhausted)
    assert ends(walk) == [("a", "cut")] + [("b", "cut")] * freed


def test_nobody_waits_for_longer_than_there_is_time():
    async def story():
        line, situation = Line(most=8, patience_s=5.0), Noted(full={"a"})
        loop = asyncio.get_running_loop()
        limits = Limits(deadline=loop.time() + 0.05, wait=lambda take: line.wait(0, 5.0, take))
        walk = walk_over({"a": ScriptedReply(ANSWER)}, limits, situation=situation)
        with pytest.raises(DeadlineExceeded):
            await walk.begin()
        await walk.close()
        return walk, len(line)

    walk, waiting = asyncio.run(story())
    assert (ends(walk), waiting) == ([], 0)
    assert walk.queued_s > 0.04


def test_without_a_budget_nobody_waits_for_a_second_place():
    replies = {"a": down(End.CUT), "b": ScriptedReply(ANSWER)}
    walk, error, _ = walked(replies, full={"b"}, retry=lambda: False)
    assert isinstance(error, NodesExhausted)
    assert walk.queued_s == 0.0


@pytest.mark.parametrize(
    ("line_s", "expected_s", "again_s", "told"),
    [
        (12.3, 8.0, {}, 13),  # as others are served
        (None, 8.0, {}, 4),  # one of two places is free after half an answer
        (None, 0.1, {}, 1),
        (None, 90.0, {"a": 7.0}, 7),  # its breaker opened meanwhile
    ],
)
def test_who_finds_all_full_is_told_when_a_place_is_likely(line_s, expected_s, again_s, told):
    async def story():
        situation = Noted(full={"a", "b"}, again_s=again_s)
        limits = Limits(line_s=lambda: line_s)
        facts = {name: {"max_in_flight": 2} for name in "ab"}
        replies = {name: ScriptedReply(ANSWER) for name in "ab"}
        walk = walk_over(replies, limits, situation=situation, facts=facts, expected_s=expected_s)
        with pytest.raises(NoCapacity) as refused:
            await walk.begin()
        return refused.value.retry_after_s

    assert asyncio.run(story()) == told
