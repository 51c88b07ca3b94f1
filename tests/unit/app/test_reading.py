"""Which servers are asked what they keep, and what is told of it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from msgspec.structs import replace
from tests import make
from tests.fakes import cache_says
from tests.fakes.openai_server import FakeOpenAI
from tests.unit.app.test_probing import OWNED, RENTED, nothing, plan_of, setting

from situs.app.link import RuntimeState
from situs.app.probing import Probing
from situs.app.reading import of_runtimes
from situs.backends.openai_compatible import place_of
from situs.core.fleet import CacheFacts, DeploymentState, Health, PrefixCache
from situs.core.request import Service
from situs.dispatch.egress import Connector, Permit


def told(*says, locus=OWNED, health=Health.HEALTHY, serves=None, context=4096, **how):
    """All that is told, and what the server was asked; it says one thing after the other."""

    async def story():
        async with FakeOpenAI() as fake:
            heard: list[Any] = []
            permit = Permit("a", lambda: place_of(fake.base_url), owned=True)
            probing = Probing(Connector([permit]).dial, nothing, heard.append)
            facts = {} if serves is None else {"serves": frozenset(serves)}
            deployment = make.deployment(
                "a", model="m", locus=locus, context_tokens=context, **facts
            )
            view = make.view(deployment, states={"a": DeploymentState(health)})
            for one in says:
                fake.set(says=one)
                await _asked(probing, plan_of(setting(fake.base_url, **how)), view)
            await probing.close()
            return heard, fake.looks

    return asyncio.run(story())


async def _asked(probing, plan, view):
    """As if the time for it had come."""
    reading = probing._reading
    for asked in reading._asked.values():
        asked.next_at = 0.0
    probing.look(plan, view)
    await asyncio.gather(*reading._running.values())
    probing.look(plan, view)


def test_what_an_owned_server_says_is_told_once():
    heard, _ = told(cache_says.llama_cpp(slots=3), cache_says.llama_cpp(slots=3))
    assert heard == [{"a": CacheFacts(PrefixCache(slots=3))}]


def test_a_new_start_is_told():
    heard, _ = told(cache_says.llama_cpp(marker="a"), cache_says.llama_cpp(marker="b"))
    assert [facts["a"].start for facts in heard] == [0, 1]


def test_one_that_says_nothing_any_more_is_told():
    heard, _ = told(cache_says.vllm(), {})
    assert heard == [{"a": CacheFacts(PrefixCache(tokens=37440))}, {}]


@pytest.mark.parametrize(
    "how",
    [
        {"locus": RENTED},
        {"probe_s": 0},
        {"default_s": 0},
        {"serves": {Service.EMBEDDINGS}},
        {"health": Health.UNHEALTHY, "default_s": 60, "probe_s": 100_000},
        {"locus": make.locus("office", evidence_until="2020-01-01")},
    ],
)
def test_who_may_not_be_probed_or_is_down_is_not_asked(how):
    heard, paths = told(cache_says.llama_cpp(), **how)
    assert heard == []
    assert paths == []


def test_a_rented_one_is_asked_where_probes_of_it_are_configured():
    heard, _ = told(cache_says.llama_cpp(slots=2), locus=RENTED, probe_s=100_000)
    assert heard == [{"a": CacheFacts(PrefixCache(slots=2))}]


def test_nobody_is_asked_again_before_time():
    async def story():
        async with FakeOpenAI() as fake:
            permit = Permit("a", lambda: place_of(fake.base_url), owned=True)
            probing = Probing(Connector([permit]).dial, nothing, nothing)
            fake.set(says=cache_says.llama_cpp())
            plan = plan_of(setting(fake.base_url))
            view = make.view(make.deployment("a", model="m", locus=OWNED))
            await _asked(probing, plan, view)
            for _ in range(5):
                probing.look(plan, view)
            running = list(probing._reading._running)
            await probing.close()
            return running, fake.looks

    assert asyncio.run(story()) == ([], ["/props", "/slots"])


def test_a_server_that_situs_runs_has_begun_anew_when_it_listens_elsewhere():
    loading = RuntimeState(Health.STARTING, None, "")
    first, second = (
        replace(loading, health=Health.HEALTHY, address=("127.0.0.1", port)) for port in (1, 2)
    )
    told = [of_runtimes({"a": state}) for state in (first, loading, second)]
    assert told[0] != told[2]
    assert told[1] == {}


def test_a_context_that_is_less_than_configured_is_logged(caplog):
    with caplog.at_level(logging.WARNING):
        told(cache_says.llama_cpp(context=1024), cache_says.llama_cpp(context=1024))
        told(cache_says.llama_cpp(context=4096))
    [line] = [record.getMessage() for record in caplog.records]
    assert "1024" in line
    assert "4096" in line
