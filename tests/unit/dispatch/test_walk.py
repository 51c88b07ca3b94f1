"""The walk down the ranking, as conversations: what each deployment does, what comes of it."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests import make

from situs.core.decision import Candidate
from situs.core.ports import Chunk
from situs.core.record import End, Usage
from situs.dispatch.attempt import Step, end_of
from situs.dispatch.walk import Walk
from situs.errors import (
    AnswerStopped,
    BackendUnavailable,
    InvalidRequest,
    NoCapacity,
    NodesExhausted,
    StreamBroken,
)


class ScriptedReply:
    peer = None
    bytes_out = 10
    pieces = 0

    def __init__(self, script, status=200, head=None):
        self.script, self.status, self.head, self.closed = script, status, head, False

    async def open(self):
        if isinstance(self.head, Exception):
            raise self.head
        if self.head == "hang":
            await asyncio.Event().wait()

    async def chunks(self):
        for step in self.script:
            if isinstance(step, Exception):
                raise step
            if step == "hang":
                await asyncio.Event().wait()
            self.pieces += 1
            yield step

    async def close(self):
        self.closed = True


class ScriptedBackends:
    """Deployment name to its reply."""

    def __init__(self, **scripts):
        self.scripts, self.opened = scripts, []

    def prepare(self, deployment, request):
        self.opened.append(deployment.name)
        return self.scripts[deployment.name]


class Noted:
    def __init__(self, full=(), again_s=None):
        self.events, self.full, self.shut_s = [], full, again_s or {}

    def current(self):
        raise AssertionError("a walk reads no snapshot")

    def began(self, deployment):
        if deployment in self.full:
            return False
        self.events.append(("began", deployment))
        return True

    def warm(self, request, blocks=None):
        return {}

    def sent(self, deployment, request):
        pass

    def ended(self, deployment, request, end, measured, retry_after_s=None):
        self.events.append(("ended", deployment, end.value))

    def again_s(self, deployments):
        return min((self.shut_s[name] for name in deployments if name in self.shut_s), default=None)


def broken(reason):
    return BackendUnavailable("down", reason=reason)


def down(reason):
    return ScriptedReply([], status=0, head=broken(reason))


def walk_over(backends, situation=None, stream=True):
    request, noted = make.request(stream=stream), situation or Noted()
    steps = [
        Step(make.deployment(name), Candidate(name, 1, {}, True, None, 0.1, 1.0), request)
        for name in backends.scripts
    ]
    return Walk(steps, backends, noted, asyncio.get_running_loop().time)


def ends(walk):
    return [(a.deployment, a.end.value) for a in walk.attempts]


HELLO, LAST = Chunk(b"hello"), Chunk(b"last", usage=Usage(1, 2), last=True)


async def drain(walk):
    data = [(await walk.begin()).data]
    while (chunk := await walk.next()) is not None:
        data.append(chunk.data)
    return data


def test_the_first_that_answers_serves():
    async def conversation():
        backends = ScriptedBackends(a=ScriptedReply([HELLO, LAST]), b=ScriptedReply([HELLO]))
        situation = Noted()
        walk = walk_over(backends, situation)
        assert await drain(walk) == [b"hello", b"last"]
        assert ends(walk) == [("a", "complete")]
        assert walk.usage == Usage(1, 2)
        assert walk.attempts[0].bytes_in == 9
        assert situation.events == [("began", "a"), ("ended", "a", "complete")]
        assert backends.opened == ["a"]

    asyncio.run(conversation())


@pytest.mark.parametrize(
    "failure",
    [
        down(End.UNREACHABLE),
        down(End.TIMEOUT),
        down(End.RATE_LIMITED),
        ScriptedReply([broken(End.CUT)]),
        ScriptedReply([broken(End.STALLED)]),
        ScriptedReply([broken(End.GARBAGE)]),
        ScriptedReply([]),
    ],
)
def test_what_fails_before_its_first_chunk_is_followed_by_the_next(failure):
    async def conversation():
        walk = walk_over(ScriptedBackends(a=failure, b=ScriptedReply([HELLO, LAST])))
        assert await drain(walk) == [b"hello", b"last"]
        assert [a.deployment for a in walk.attempts] == ["a", "b"]
        assert walk.attempts[0].end is not End.COMPLETE
        assert walk.tried == 2

    asyncio.run(conversation())


@pytest.mark.parametrize("reason", [End.CUT, End.STALLED, End.GARBAGE])
def test_what_breaks_after_its_first_chunk_ends_and_nobody_else_is_tried(reason):
    async def conversation():
        reply = ScriptedReply([HELLO, broken(reason)])
        backends = ScriptedBackends(a=reply, b=ScriptedReply([HELLO]))
        walk = walk_over(backends)
        with pytest.raises(StreamBroken) as error:
            await drain(walk)
        assert error.value.reason == reason
        assert ends(walk) == [("a", reason.value)]
        assert backends.opened == ["a"]
        assert reply.closed

    asyncio.run(conversation())


class Stopping:
    """A mend that ends the answer at its n-th chunk."""

    def __init__(self, error, at):
        self.error, self.left, self.applied = error, at, {}

    def feed(self, chunk):
        self.left -= 1
        if self.left < 0:
            self.applied = {"answer_scan": 1}
            raise self.error
        return [chunk]

    def close(self):
        return []


def mended(backends, error, at):
    walk = walk_over(backends)
    walk.steps = [
        replace(s, applied={"redact": 2}, mend=lambda: Stopping(error, at)) for s in walk.steps
    ]
    return walk


@pytest.mark.parametrize("at", [0, 1])
def test_what_policy_stops_is_tried_nowhere_else(at):
    async def conversation():
        backends = ScriptedBackends(a=ScriptedReply([HELLO, LAST]), b=ScriptedReply([HELLO]))
        walk = mended(backends, AnswerStopped("no"), at)
        with pytest.raises(AnswerStopped) as stopped:
            await drain(walk)
        await walk.close(end_of(stopped.value))
        assert ends(walk) == [("a", "withheld")]
        assert walk.attempts[0].obligations == {"answer_scan": 1, "redact": 2}
        assert backends.opened == ["a"]

    asyncio.run(conversation())


def test_an_answer_that_cannot_be_read_fails_over_before_its_first_chunk_and_not_after():
    async def conversation(at):
        backends = ScriptedBackends(a=ScriptedReply([HELLO, LAST]), b=ScriptedReply([HELLO, LAST]))
        walk = mended(backends, StreamBroken("?", reason=End.GARBAGE), at)
        with pytest.raises(NodesExhausted if at == 0 else StreamBroken) as failed:
            await drain(walk)
        await walk.close(end_of(failed.value))
        return ends(walk)

    assert asyncio.run(conversation(0)) == [("a", "garbage"), ("b", "garbage")]
    assert asyncio.run(conversation(1)) == [("a", "garbage")]


@pytest.mark.parametrize(
    ("again_s", "told"),
    [({"a": 17.2, "b": 2.5}, 3), ({"a": 0.0}, 1), ({"a": 61.0, "b": 120.0}, 61)],
)
def test_when_all_fail_the_error_names_each_and_when_the_first_may_be_tried(again_s, told):
    async def conversation():
        backends = ScriptedBackends(a=down(End.UNREACHABLE), b=down(End.TIMEOUT))
        walk = walk_over(backends, Noted(again_s=again_s))
        with pytest.raises(NodesExhausted) as error:
            await walk.begin()
        assert "a (unreachable), b (timeout)" in error.value.message
        assert error.value.retry_after_s == told

    asyncio.run(conversation())


@pytest.mark.parametrize("hanging", [{"head": "hang", "script": []}, {"script": ["hang"]}])
def test_a_caller_that_leaves_while_waiting_ends_the_attempt_and_closes_it(hanging):
    async def conversation():
        situation, reply = Noted(), ScriptedReply(**hanging)
        walk = walk_over(ScriptedBackends(a=reply, b=ScriptedReply([HELLO])), situation)
        task = asyncio.create_task(walk.begin())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ends(walk) == [("a", "client_gone")]
        assert reply.closed
        assert situation.events[-1] == ("ended", "a", "client_gone")

    asyncio.run(conversation())


def test_a_caller_that_leaves_mid_stream_closes_the_upstream_once():
    async def conversation():
        situation, reply = Noted(), ScriptedReply([HELLO, "hang"])
        walk = walk_over(ScriptedBackends(a=reply), situation)
        await walk.begin()
        await walk.close()
        await walk.close()
        assert ends(walk) == [("a", "client_gone")]
        assert reply.closed
        assert len(situation.events) == 2

    asyncio.run(conversation())


def test_a_whole_answer_is_complete_though_nobody_read_on():
    async def conversation():
        walk = walk_over(ScriptedBackends(a=ScriptedReply([LAST])), stream=False)
        assert (await walk.begin()).last
        await walk.close()
        assert ends(walk) == [("a", "complete")]

    asyncio.run(conversation())


def test_an_error_of_the_request_itself_is_not_tried_elsewhere():
    async def conversation():
        reply = ScriptedReply([Chunk(b"{}", last=True)], status=400)
        backends = ScriptedBackends(a=reply, b=ScriptedReply([HELLO]))
        walk = walk_over(backends)
        await walk.begin()
        await walk.close()
        assert ends(walk) == [("a", "refused")]
        assert walk.status == 400
        assert backends.opened == ["a"]

    asyncio.run(conversation())


def test_what_has_no_free_place_is_passed_over_and_nothing_is_sent_there():
    async def conversation():
        backends = ScriptedBackends(a=ScriptedReply([HELLO]), b=ScriptedReply([HELLO, LAST]))
        walk = walk_over(backends, Noted(full=("a",)))
        assert await drain(walk) == [b"hello", b"last"]
        assert backends.opened == ["b"]
        assert ends(walk) == [("b", "complete")]

    asyncio.run(conversation())


def test_input_that_a_model_here_refuses_says_nothing_against_the_model():
    async def conversation():
        refusing = ScriptedReply([], status=0, head=InvalidRequest("input[3] is too long."))
        situation = Noted()
        walk = walk_over(ScriptedBackends(a=refusing, b=ScriptedReply([HELLO])), situation)
        with pytest.raises(InvalidRequest):
            await walk.begin()
        assert situation.events[-1] == ("ended", "a", "refused")

    asyncio.run(conversation())


def test_nowhere_a_free_place_is_no_capacity_and_no_attempt():
    async def conversation():
        backends = ScriptedBackends(a=ScriptedReply([HELLO]))
        walk = walk_over(backends, Noted(full=("a",)))
        with pytest.raises(NoCapacity):
            await walk.begin()
        assert walk.attempts == []
        assert walk.deployment is None

    asyncio.run(conversation())
