"""What is recorded when something goes wrong: the truth about who ended it."""

from __future__ import annotations

import asyncio

import pytest
from tests import make
from tests.unit.dispatch.test_walk import HELLO, ScriptedBackends, ScriptedReply

from situs.http.inference import _send_stream, form_of
from situs.placement.prefix import blocks_of


class Kept(make.Kept):
    """One deployment, a; `gateway` says what it answers."""

    def __init__(self):
        super().__init__(make.snapshot(make.view(make.deployment("a"))), ScriptedBackends())


def gateway(kept, reply):
    kept.backends = ScriptedBackends(a=reply)
    return make.gateway(kept)


def recorded(kept):
    [outcome] = kept.outcomes
    return outcome.status, outcome.code, [attempt.end.value for attempt in outcome.attempts]


def test_the_outcome_says_how_long_the_analysis_took_its_wait_for_a_thread_included():
    kept, now = Kept(), [0.0]

    async def slowly(run):
        now[0] += 2.5
        return run()

    kept.backends = ScriptedBackends(a=ScriptedReply([HELLO]))
    slow = make.gateway(kept, clock=lambda: now[0], aside=slowly)

    async def story():
        answer = await slow.handle(make.request(size=100_000))
        now[0] += 1
        await answer.close()

    asyncio.run(story())
    assert [outcome.analysis_s for outcome in kept.outcomes] == [2.5]


@pytest.mark.parametrize(("size", "made"), [(1000, False), (100_000, True)])
def test_the_beginning_of_a_long_prompt_is_hashed_beside_the_event_loop(size, made):
    given, ran = [], []

    class Noting(Kept):
        def warm(self, request, blocks=None):
            given.append(blocks)
            return {}

    async def aside(run):
        ran.append(run)
        return run()

    kept = Noting()
    kept.backends = ScriptedBackends(a=ScriptedReply([HELLO]))
    request = make.request("x" * 1000, size=size)

    async def story():
        answer = await make.gateway(kept, aside=aside).handle(request)
        await answer.close()

    asyncio.run(story())
    assert given == [blocks_of(request) if made else None]
    assert bool(ran) is made


def test_an_error_of_our_own_is_not_put_on_the_caller():
    kept = Kept()
    failing = ScriptedReply([], status=0, head=RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        asyncio.run(gateway(kept, failing).handle(make.request(stream=True)))
    assert recorded(kept) == (500, "internal_error", ["stopped"])


def test_nor_is_one_in_the_middle_of_a_stream():
    kept, sent = Kept(), []

    async def send(message):
        sent.append(message)

    async def story():
        failing = ScriptedReply([HELLO, RuntimeError("a bug")])
        answer = await gateway(kept, failing).handle(make.request(stream=True))
        await _send_stream(answer, form_of("/v1/chat/completions"), send, [])
        await answer.close()

    asyncio.run(story())
    assert recorded(kept) == (200, "internal_error", ["stopped"])
    assert b"internal_error" in sent[-2]["body"]


def test_a_caller_that_leaves_is_recorded_as_such():
    kept = Kept()

    async def story():
        waiting = ScriptedReply([], status=0, head="hang")
        task = asyncio.create_task(gateway(kept, waiting).handle(make.request()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert recorded(kept) == (499, None, ["client_gone"])
