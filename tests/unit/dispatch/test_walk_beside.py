"""Second attempts: beside a place that is late, after an unsure answer, and all of it in time."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from tests import make
from tests.unit.dispatch.test_walk import (
    HELLO,
    LAST,
    Noted,
    ScriptedBackends,
    ScriptedReply,
    broken,
    down,
    drain,
    ends,
)

from situs.core.capability import CapabilityClass
from situs.core.decision import Candidate
from situs.core.fleet import LocusKind
from situs.core.ports import Chunk
from situs.core.record import End, Usage
from situs.dispatch.attempt import STOPPING, Step
from situs.dispatch.walk import Limits, Walk
from situs.errors import AnswerStopped, DeadlineExceeded, NodesExhausted, StreamBroken

CLOUD = make.locus("cloud", LocusKind.PUBLIC_CLOUD, jurisdiction="US")
OTHER_CLOUD = make.locus("other", LocusKind.PUBLIC_CLOUD, jurisdiction="CN")


class SlowReply(ScriptedReply):
    """Its head takes `after` seconds."""

    def __init__(self, script, after):
        super().__init__(script)
        self.after = after

    async def open(self):
        await asyncio.sleep(self.after)


class ScriptedGauge:
    """Holds everything back until it has seen `window` chunks; then it is low, or not."""

    def __init__(self, low, window=1):
        self.low, self.confidence = False, None
        self.says, self.window, self.held, self.open = low, window, [], False

    def feed(self, chunk):
        if self.open:
            return [chunk]
        self.held.append(chunk)
        if len(self.held) < self.window:
            return []
        self.low, self.confidence = self.says, 0.2 if self.says else 0.9
        return [] if self.low else self.release()

    def close(self):
        return [] if self.low and not self.open else self.release()

    def release(self):
        self.open, held, self.held = True, self.held, []
        return held


def _same(gauge):
    return gauge


def walk_over(replies, limits, *, situation=None, stream=True, facts=None, expected_s=0.01):
    """`facts`: of deployments; `gauge` and `quality` go to the step."""
    request, steps = make.request(stream=stream), []
    for name in replies:
        mine = dict((facts or {}).get(name, {}))
        gauge, quality = mine.pop("gauge", None), mine.pop("quality", None)
        candidate = Candidate(name, 1, {}, True, None, expected_s, expected_s, quality)
        deployment = make.deployment(name, **mine)
        steps.append(
            Step(deployment, candidate, request, gauge=partial(_same, gauge) if gauge else None)
        )
    clock = asyncio.get_running_loop().time
    return Walk(steps, ScriptedBackends(**replies), situation or Noted(), clock, limits)


def over(replies, limits=None, **more):
    async def story():
        walk = walk_over(replies, limits or Limits(), **more)
        try:
            return walk, await drain(walk)
        except (NodesExhausted, StreamBroken, DeadlineExceeded, AnswerStopped) as error:
            return walk, error
        finally:
            await walk.close()

    return asyncio.run(story())


async def until(true):
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


HEDGED = Limits(hedge=lambda: True)


def test_where_the_first_is_late_the_second_is_asked_beside_it_and_the_faster_serves():
    slow = SlowReply([HELLO, LAST], 30)
    walk, data = over({"a": slow, "b": ScriptedReply([HELLO, LAST])}, HEDGED)
    assert data == [b"hello", b"last"]
    assert ends(walk) == [("a", "outrun"), ("b", "complete")]
    assert [one.hedge for one in walk.attempts] == [False, True]
    assert walk.detour == "hedged"
    assert slow.closed


def test_what_is_late_and_still_faster_serves():
    replies = {"a": SlowReply([HELLO, LAST], 0.05), "b": SlowReply([LAST], 30)}
    walk, data = over(replies, HEDGED)
    assert data == [b"hello", b"last"]
    assert ends(walk) == [("b", "outrun"), ("a", "complete")], "last is what the caller got"
    assert walk.detour is None


def test_what_is_in_time_is_not_hedged():
    walk, _ = over({"a": ScriptedReply([HELLO, LAST]), "b": down(End.TIMEOUT)}, HEDGED)
    assert ends(walk) == [("a", "complete")]


def test_without_a_budget_no_second_place_is_asked():
    limits = Limits(hedge=lambda: False)
    replies = {"a": SlowReply([HELLO, LAST], 0.05), "b": ScriptedReply([LAST])}
    walk, _ = over(replies, limits)
    assert ends(walk) == [("a", "complete")]


@pytest.mark.parametrize(
    ("first", "second", "asked"),
    [
        (make.locus("here"), make.locus("there"), True),
        (make.locus("here"), CLOUD, False),
        (CLOUD, make.locus("here"), True),
        (CLOUD, OTHER_CLOUD, False),
    ],
)
def test_only_a_place_that_is_as_trusted_is_asked_beside(first, second, asked):
    replies = {"a": SlowReply([HELLO, LAST], 0.05), "b": ScriptedReply([LAST])}
    walk, _ = over(replies, HEDGED, facts={"a": {"locus": first}, "b": {"locus": second}})
    assert (len(walk.attempts) == 2) == asked


def test_when_the_first_fails_while_the_second_runs_the_second_serves():
    class Failing(ScriptedReply):
        async def open(self):
            await asyncio.sleep(0.04)
            raise broken(End.SERVER_ERROR)

    walk, data = over({"a": Failing([]), "b": SlowReply([HELLO, LAST], 0.08)}, HEDGED)
    assert data == [b"hello", b"last"]
    assert ends(walk) == [("a", "server_error"), ("b", "complete")]
    assert walk.detour == "failover"


def test_when_both_fail_the_next_is_tried():
    replies = {"a": SlowReply([], 0.05), "b": SlowReply([], 0.05), "c": ScriptedReply([LAST])}
    walk, data = over(replies, HEDGED)
    assert data == [b"last"]
    assert ends(walk) == [("a", "cut"), ("b", "cut"), ("c", "complete")]


def test_what_policy_stops_beside_another_stops_all():
    stopped = ScriptedReply([AnswerStopped("no")])
    walk, error = over({"a": SlowReply([LAST], 30), "b": stopped}, HEDGED)
    assert isinstance(error, AnswerStopped)
    assert ends(walk) == [("a", "outrun"), ("b", "withheld")]


@pytest.mark.parametrize(("said", "end"), [((), "client_gone"), ((STOPPING,), "stopped")])
def test_whoever_cancels_ends_both(said, end):
    async def story():
        noted = Noted()
        replies = {"a": SlowReply([LAST], 30), "b": SlowReply([LAST], 30)}
        walk = walk_over(replies, HEDGED, situation=noted)
        task = asyncio.create_task(walk.begin())
        await until(lambda: len(noted.events) == 2)
        task.cancel(*said)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ends(walk) == [("a", end), ("b", end)]
        assert [event[0] for event in noted.events].count("ended") == 2

    asyncio.run(story())


def test_time_that_overlaps_is_waited_once():
    walk, _ = over({"a": SlowReply([LAST], 30), "b": SlowReply([LAST], 0.1)}, HEDGED)
    assert walk.waited_s < sum(one.duration_s for one in walk.attempts) - 0.05


def doubtful(low=True, **more):
    return {"gauge": ScriptedGauge(low, **more), "quality": 0.4}


def test_an_answer_that_is_not_to_be_trusted_is_replaced_by_a_better_one():
    replies = {"a": ScriptedReply([HELLO, LAST]), "b": ScriptedReply([Chunk(b"good", last=True)])}
    walk, data = over(replies, facts={"a": doubtful(), "b": {"quality": 0.9}})
    assert data == [b"good"]
    assert ends(walk) == [("a", "unsure"), ("b", "complete")]
    assert walk.attempts[0].confidence == 0.2
    assert walk.detour == "escalated"


def test_both_are_paid():
    replies = {"a": ScriptedReply([LAST]), "b": ScriptedReply([LAST])}
    walk, _ = over(replies, facts={"a": doubtful(), "b": {"quality": 0.9}})
    assert [(d.name, *rest) for d, *rest in walk.paid] == [(n, Usage(1, 2), 10) for n in "ab"]
    assert [one.cost for one in walk.attempts] == [5e-6, 5e-6]


def test_what_is_to_be_trusted_goes_on_whole():
    replies = {"a": ScriptedReply([HELLO, HELLO, LAST]), "b": ScriptedReply([LAST])}
    facts = {"a": doubtful(low=False, window=2), "b": {"quality": 0.9}}
    walk, data = over(replies, facts=facts)
    assert data == [b"hello", b"hello", b"last"]
    assert ends(walk) == [("a", "complete")]


def test_an_answer_that_ends_within_the_window_goes_on():
    walk, data = over({"a": ScriptedReply([LAST])}, facts={"a": doubtful(window=5)})
    assert data == [b"last"]
    assert ends(walk) == [("a", "complete")]


def test_where_nothing_better_answers_the_unsure_answer_has_to_do():
    replies = {"a": ScriptedReply([HELLO, LAST]), "b": down(End.UNREACHABLE)}
    walk, data = over(replies, facts={"a": doubtful(), "b": {"quality": 0.9}})
    assert data == [b"hello", b"last"]
    assert ends(walk) == [("b", "unreachable"), ("a", "complete")], "last is what the caller got"
    assert walk.deployment.name == "a"


def test_of_two_unsure_answers_the_better_has_to_do_and_both_are_told():
    replies = {
        "a": ScriptedReply([LAST]),
        "b": ScriptedReply([HELLO, LAST]),
        "c": down(End.TIMEOUT),
    }
    facts = {"a": doubtful(), "b": {**doubtful(), "quality": 0.6}, "c": {"quality": 0.9}}
    walk, data = over(replies, facts=facts)
    assert data == [b"hello", b"last"]
    assert ends(walk) == [("a", "unsure"), ("c", "timeout"), ("b", "complete")]
    assert walk.detour == "escalated"


def test_only_a_better_place_is_asked_after_an_unsure_answer():
    replies = {name: ScriptedReply([LAST]) for name in "abc"}
    facts = {"a": doubtful(), "b": {"quality": 0.3}, "c": {"quality": 0.5}}
    walk, _ = over(replies, facts=facts)
    assert [one.deployment for one in walk.attempts] == ["a", "c"]


def test_where_nobody_knows_how_good_they_are_the_class_of_the_model_counts():
    replies = {name: ScriptedReply([LAST]) for name in "abc"}
    facts = {
        "a": {**doubtful(), "quality": None},
        "b": {"capability": CapabilityClass.TINY},
        "c": {"capability": CapabilityClass.FRONTIER},
    }
    walk, _ = over(replies, facts=facts)
    assert [one.deployment for one in walk.attempts] == ["a", "c"]


def test_when_an_unsure_answer_breaks_after_it_had_to_do_it_says_so():
    replies = {"a": ScriptedReply([HELLO, broken(End.CUT)]), "b": down(End.TIMEOUT)}
    walk, error = over(replies, facts={"a": doubtful(), "b": {"quality": 0.9}})
    assert isinstance(error, StreamBroken)
    assert ends(walk) == [("b", "timeout"), ("a", "cut")]


def test_a_better_answer_is_no_retry_and_costs_none_of_the_budget():
    replies = {"a": ScriptedReply([LAST]), "b": ScriptedReply([LAST])}
    limits = Limits(retry=lambda: False)
    walk, _ = over(replies, limits, facts={"a": doubtful(), "b": {"quality": 0.9}})
    assert ends(walk) == [("a", "unsure"), ("b", "complete")]


def test_when_the_retry_budget_is_spent_the_next_is_not_tried():
    limits = Limits(retry=lambda: False)
    walk, error = over({"a": down(End.TIMEOUT), "b": ScriptedReply([LAST])}, limits)
    assert isinstance(error, NodesExhausted)
    assert ends(walk) == [("a", "timeout")]


def in_time(replies, seconds, **more):
    async def story():
        deadline = asyncio.get_running_loop().time() + seconds
        walk = walk_over(replies, Limits(deadline=deadline), **more)
        try:
            return walk, await drain(walk)
        except (DeadlineExceeded, StreamBroken) as error:
            return walk, error
        finally:
            await walk.close()

    return asyncio.run(story())


def test_when_time_is_up_before_the_answer_begins_nothing_else_is_tried():
    walk, error = in_time({"a": ScriptedReply([], head="hang"), "b": ScriptedReply([LAST])}, 0.05)
    assert isinstance(error, DeadlineExceeded)
    assert ends(walk) == [("a", "deadline")]


def test_when_time_is_up_within_a_stream_it_breaks_and_says_so():
    walk, error = in_time({"a": ScriptedReply([HELLO, "hang"])}, 0.05)
    assert isinstance(error, StreamBroken)
    assert error.reason == "deadline"
    assert ends(walk) == [("a", "deadline")]


def test_what_is_whole_in_time_is_whole():
    walk, data = in_time({"a": ScriptedReply([HELLO, LAST])}, 30)
    assert data == [b"hello", b"last"]
    assert ends(walk) == [("a", "complete")]


def test_a_caller_that_leaves_while_an_unsure_answer_waits_ends_both():
    async def story():
        replies = {"a": ScriptedReply([HELLO, "hang"]), "b": ScriptedReply([], head="hang")}
        facts = {"a": doubtful(), "b": {"quality": 0.9}}
        walk = walk_over(replies, Limits(), facts=facts)
        task = asyncio.create_task(walk.begin())
        await until(lambda: walk.tried == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await walk.close()
        assert ends(walk) == [("a", "client_gone"), ("b", "client_gone")]

    asyncio.run(story())


def test_the_caller_reads_slowly_and_still_gets_everything():
    async def story():
        walk = walk_over({"a": ScriptedReply([HELLO] * 5 + [LAST])}, Limits())
        data = [await walk.begin()]
        while (chunk := await walk.next()) is not None:
            await asyncio.sleep(0)
            data.append(chunk)
        assert len(data) == 6

    asyncio.run(story())
