"""What a walk tells of the places that it tried, and when it takes one to be late."""

from __future__ import annotations

import asyncio

import pytest
from tests import make
from tests.unit.dispatch.test_walk import Noted, ScriptedBackends, ScriptedReply

from situs.core.decision import Candidate
from situs.dispatch.attempt import Step
from situs.dispatch.walk import Walk, _late_s
from situs.errors import BackendUnavailable, NodesExhausted


class Told(Noted):
    def ended(self, deployment, request, end, measured, retry_after_s=None):
        self.events.append((deployment, end.value, retry_after_s))


@pytest.mark.parametrize("seconds", [None, 30])
def test_what_a_rate_limit_says_is_told(seconds):
    error = BackendUnavailable("busy", reason="rate_limited", retry_after_s=seconds)
    backends, told = ScriptedBackends(a=ScriptedReply([], status=0, head=error)), Told()
    step = Step(make.deployment("a"), Candidate("a", 1.0, {}, True, None, 0.1, 0.2), make.request())

    async def story():
        walk = Walk([step], backends, told, asyncio.get_running_loop().time)
        with pytest.raises(NodesExhausted):
            await walk.begin()

    asyncio.run(story())
    assert told.events[-1] == ("a", "rate_limited", seconds)


@pytest.mark.parametrize(("stream", "late_s"), [(True, 0.3), (False, 0.6)])
def test_a_place_is_late_by_what_was_learned_of_it(stream, late_s):
    candidate = Candidate("a", 1.0, {}, True, None, 0.1, 0.2)
    step = Step(make.deployment("a"), candidate, make.request(stream=stream), late=3.0)
    assert _late_s(step) == pytest.approx(late_s)
