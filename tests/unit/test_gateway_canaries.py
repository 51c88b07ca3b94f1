"""A canary token does not leave for a place that is not owned."""

from __future__ import annotations

import asyncio

import pytest
from tests import make
from tests.unit.dispatch.test_walk import HELLO, ScriptedBackends, ScriptedReply
from tests.unit.test_gateway import Kept

from situs.core.fleet import LocusKind

TOKEN = b"bovadi-kerulo-mitaso-fegonu"
AWAY = make.locus("away", LocusKind.PUBLIC_CLOUD)


def handled(text, *deployments, canaries=(TOKEN,), **fields):
    kept = Kept()
    kept.fixed = make.snapshot(make.view(*deployments), canaries=canaries)
    replies = {deployment.name: ScriptedReply([HELLO]) for deployment in deployments}
    kept.backends = ScriptedBackends(**replies)

    async def aside(run):
        return run()

    async def story():
        answer = await make.gateway(kept, aside=aside).handle(make.request(text, **fields))
        await answer.close()

    asyncio.run(story())
    [outcome] = kept.outcomes
    return outcome.status, outcome.code, [attempt.deployment for attempt in outcome.attempts]


@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize("text", ["{}", "so: {}.", "{}\n"])
def test_a_token_is_refused_recorded_and_sent_nowhere(text, size):
    cloud = make.deployment("cloud", locus=AWAY)
    found = handled(text.format(TOKEN.decode()), cloud, size=size)
    assert found == (403, "canary_found", [])


def test_it_is_refused_too_where_an_owned_place_might_fail_over_to_another():
    here, cloud = make.deployment("here"), make.deployment("cloud", locus=AWAY)
    assert handled(TOKEN.decode(), here, cloud)[1] == "canary_found"


def test_an_owned_place_may_read_it():
    assert handled(TOKEN.decode(), make.deployment("here")) == (200, None, ["here"])


@pytest.mark.parametrize("canaries", [(), (b"another-token-of-ours",)])
def test_what_holds_no_token_goes_its_way(canaries):
    cloud = make.deployment("cloud", locus=AWAY)
    assert handled(TOKEN.decode(), cloud, canaries=canaries) == (200, None, ["cloud"])
