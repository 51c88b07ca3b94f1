"""Who is probed how often, with what; and that a probe finds out what is so."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests import make
from tests.fakes.openai_server import fake_process

from situs.app.plan import Plan
from situs.app.probing import Probing, interval, question
from situs.backends.openai_compatible import place_of
from situs.config.load import parse
from situs.core.fleet import DeploymentState, Health, LocusKind, Role
from situs.core.request import Service
from situs.dispatch.egress import Connector, Permit

OWNED = make.locus("office")
RENTED = make.locus("us", LocusKind.PUBLIC_CLOUD)


def setting(url="http://127.0.0.1:9/v1", *, probe_s=None, default_s=60.0, runtime=False):
    entry = {
        "model": "m",
        "locus": "office",
        "price": {"currency": "USD", "prompt": 1.0, "completion": 1.0},
        "endpoint": {"url": url},
    }
    model = {"capability": "small", "context_tokens": 4096}
    if runtime:
        del entry["endpoint"]
        entry["runtime"] = {"kind": "llama_cpp"}
        model["file"] = "SmolLM2-135M-Instruct.Q4_1"
    if probe_s is not None:
        entry["probe_s"] = probe_s
    document = {
        "version": 1,
        "defaults": {"probe_s": default_s},
        "loci": {"office": {"kind": "on_prem", "jurisdiction": "AU", "owned": True}},
        "models": {"m": model},
        "deployments": {"a": entry},
    }
    return parse(msgspec.json.encode(document).decode())


@pytest.mark.parametrize(
    ("told", "locus", "role", "health", "seconds"),
    [
        ({}, OWNED, "standby", "unknown", 60.0),
        ({}, OWNED, "standby", "healthy", 60.0),
        ({}, OWNED, "active", "healthy", None),
        ({}, OWNED, "active", "unknown", None),
        ({}, OWNED, "active", "unhealthy", 2.0),
        ({}, OWNED, "active", "stale", 2.0),
        ({}, OWNED, "standby", "unhealthy", 2.0),
        ({}, OWNED, "active", "limited", None),
        ({}, OWNED, "active", "ejected", None),
        ({}, RENTED, "standby", "unknown", None),
        ({}, RENTED, "standby", "stale", None),
        ({"probe_s": 15}, RENTED, "standby", "unknown", 15),
        ({"probe_s": 15}, RENTED, "active", "stale", 15),
        ({"probe_s": 15}, OWNED, "active", "healthy", 15),
        ({"probe_s": 15}, OWNED, "active", "stale", 2.0),
        ({"probe_s": 0}, OWNED, "standby", "stale", None),
        ({"default_s": 0}, OWNED, "standby", "unknown", None),
        ({"default_s": 0}, OWNED, "active", "stale", None),
        ({"default_s": 0, "probe_s": 15}, OWNED, "standby", "healthy", 15),
        ({"runtime": True}, OWNED, "standby", "stale", None),
    ],
)
def test_how_often_a_deployment_is_asked(told, locus, role, health, seconds):
    deployment = make.deployment("a", locus=locus, role=Role(role))
    assert interval(setting(**told), deployment, Health(health)) == seconds


@pytest.mark.parametrize(
    ("serves", "path"),
    [
        ({Service.CHAT, Service.COMPLETIONS}, "chat"),
        ({Service.COMPLETIONS}, "completions"),
        ({Service.EMBEDDINGS}, "embeddings"),
    ],
)
def test_the_question_is_one_that_the_model_serves_and_asks_for_one_token(serves, path):
    asked = question(make.deployment("a", serves=frozenset(serves)))
    assert asked.wire.service == path
    assert asked.document.get("max_tokens", 1) == 1


def plan_of(config: Any) -> Plan:
    checked: Any = None
    return Plan(0, config, "", {}, checked, {}, {})


def nothing(*_):
    """Nobody listens."""


def asked(url, *, allowed=None, times=1):
    """What a probe of a standby there finds, and what is counted."""
    found = []

    async def story():
        permit = Permit("a", lambda: place_of(allowed or url), owned=True)
        probing = Probing(Connector([permit]).dial, lambda *told: found.append(told), nothing)
        config = setting(url)
        plan = plan_of(config)
        view = make.view(make.deployment("a", model="m", locus=OWNED, role=Role.STANDBY))
        for _ in range(times):
            probing.look(plan, view)
        while not probing.counts:  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0.01)
        await probing.close()
        return probing.counts, probing.costs

    return (found, *asyncio.run(story()))


def test_a_probe_of_what_answers_finds_it_well_and_is_paid_for(tmp_path):
    with fake_process(tmp_path) as fake:
        found, counts, costs = asked(fake.base_url)
    assert found == [("a", True)]
    assert counts == {("a", "well"): 1}
    assert costs["a"] > 0


def test_a_probe_of_what_is_not_there_fails():
    found, counts, _ = asked("http://127.0.0.1:9/v1")
    assert found == [("a", False)]
    assert counts == {("a", "failed"): 1}


def test_a_probe_reaches_only_what_is_permitted(tmp_path):
    with fake_process(tmp_path) as fake:
        found, _, _ = asked(fake.base_url, allowed="http://127.0.0.1:9/v1")
        traffic = fake.traffic()
    assert found == [("a", False)]
    assert traffic == (0, 0)


def test_nobody_is_asked_twice_at_once_or_before_time(tmp_path):
    with fake_process(tmp_path) as fake:
        _, counts, _ = asked(fake.base_url, times=5)
    assert counts == {("a", "well"): 1}


def test_a_place_whose_evidence_is_over_is_not_asked():
    async def story():
        probing = Probing(Connector().dial, nothing, nothing)
        old = make.locus("office", evidence_until="2020-01-01")
        deployment = make.deployment("a", model="m", locus=old, role=Role.STANDBY)
        plan = plan_of(setting())
        probing.look(plan, make.view(deployment, states={"a": DeploymentState(Health.STALE)}))
        running = list(probing._running)
        await probing.close()
        return running

    assert asyncio.run(story()) == []


def test_a_probe_of_a_runtime_is_refused_by_the_configuration():
    with pytest.raises(Exception, match="probe of its own"):
        setting(runtime=True, probe_s=5)
