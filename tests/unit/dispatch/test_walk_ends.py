"""How every attempt ends: with its request, and with what is known of what it used."""

from __future__ import annotations

import asyncio

import pytest
from tests import make
from tests.unit.dispatch.test_walk import HELLO, LAST, Noted, ScriptedReply, broken, down
from tests.unit.dispatch.test_walk_beside import HEDGED, SlowReply, over, walk_over

from situs.core.ports import Chunk
from situs.core.record import End, Usage
from situs.dispatch.walk import Limits


def counted(walk):
    return [
        (one.end.value, one.usage and (one.usage.completion_tokens, one.usage.counted))
        for one in walk.attempts
    ]


PRICED = {"a": {"price": (1.0, 1e6)}, "b": {"price": (1.0, 1.0)}}
TOLD = Chunk(b"data: [DONE]\n\n", usage=Usage(7, 9), last=True)


def test_a_stream_that_its_caller_leaves_is_paid_for_what_came():
    async def story():
        walk = walk_over(
            {"a": ScriptedReply([HELLO, HELLO, HELLO, "hang"])}, Limits(), facts=PRICED
        )
        await walk.begin()
        await walk.next()
        await walk.next()
        await walk.close()
        return walk

    walk = asyncio.run(story())
    assert counted(walk) == [("client_gone", (3, True))]
    assert walk.usage.counted
    assert walk.attempts[0].cost == pytest.approx(3.0)


def test_what_was_outrun_is_paid_for_its_prompt_and_the_bill_is_of_the_one_that_served():
    replies = {"a": SlowReply([HELLO], 5.0), "b": ScriptedReply([HELLO, TOLD])}
    walk, _ = over(replies, HEDGED, facts=PRICED)
    assert counted(walk) == [("outrun", (0, True)), ("complete", (9, False))]
    assert [(place.name, usage.counted) for place, usage, _ in walk.paid] == [
        ("a", True), ("b", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "stream", "said"),
    [
        (lambda: ScriptedReply([HELLO, broken(End.CUT)]), True, ("cut", (1, True))),
        (lambda: ScriptedReply([HELLO, broken(End.TRUNCATED)]), True, ("truncated", None)),
        (lambda: ScriptedReply([HELLO]), True, ("complete", None)),
        (lambda: ScriptedReply([HELLO, TOLD]), True, ("complete", (9, False))),
        (lambda: down(End.SERVER_ERROR), True, ("server_error", None)),
        (lambda: down(End.TIMEOUT), True, ("timeout", None)),
    ],
)
def test_only_what_was_stopped_on_the_way_is_counted(reply, stream, said):
    walk, _ = over({"a": reply()}, stream=stream)
    assert counted(walk) == [said]


def test_what_never_left_is_not_counted():
    async def story():
        waiting = ScriptedReply([], status=0, head="hang")
        waiting.bytes_out = 0
        walk = walk_over({"a": waiting}, Limits())
        task = asyncio.create_task(walk.begin())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await walk.close()
        return walk

    assert counted(asyncio.run(story())) == [("client_gone", None)]


def test_what_was_counted_teaches_no_times():
    taught = []

    class Teaching(Noted):
        def ended(self, deployment, request, end, measured, retry_after_s=None):
            taught.append(measured.usage)

    over({"a": ScriptedReply([HELLO, HELLO, broken(End.CUT)])}, situation=Teaching())
    assert taught == [None]


def test_tokens_that_cannot_be_are_paid_as_reported_and_not_learned():
    taught = []

    class Teaching(Noted):
        def ended(self, deployment, request, end, measured, retry_after_s=None):
            taught.append(measured.usage.completion_tokens)

    lie = Chunk(b"hello there", usage=Usage(7, 9_900_000), last=True)
    walk, _ = over({"a": ScriptedReply([lie])}, situation=Teaching(), facts=PRICED)
    assert [one.usage.completion_tokens for one in walk.attempts] == [9_900_000]
    assert taught[0] < 1_000_000


@pytest.mark.parametrize("how", ["fails", "hangs up", "cancelled", "outrun", "raises"])
def test_every_attempt_that_began_ends_with_its_request_however_it_ends(how):
    class Counting(Noted):
        def sent(self, deployment, request):
            self.events.append(("sent", deployment, request.id))
            if how == "raises":
                raise RuntimeError("a bug")

        def ended(self, deployment, request, end, measured, retry_after_s=None):
            self.events.append(("over", deployment, request))

    async def story():
        noted = Counting()
        slow = SlowReply([HELLO], 5.0)
        replies = {
            "fails": {"a": down(End.CUT), "b": down(End.CUT)},
            "hangs up": {"a": ScriptedReply([HELLO, "hang"])},
            "cancelled": {"a": slow, "b": SlowReply([HELLO], 5.0)},
            "outrun": {"a": slow, "b": ScriptedReply([HELLO, LAST])},
            "raises": {"a": ScriptedReply([HELLO])},
        }[how]
        walk = walk_over(replies, HEDGED, situation=noted)
        task = asyncio.create_task(walk.begin())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await walk.close()
        return noted.events

    events = asyncio.run(story())
    begun = sorted(one[1] for one in events if one[0] == "began")
    assert begun
    assert sorted(one[1:] for one in events if one[0] == "over") == [
        (name, make.request().id) for name in begun
    ]
