"""Readiness: what a load balancer is told."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from tests import make

from situs.core.fleet import DeploymentState, Health
from situs.core.ports import Current
from situs.http.admin import Admin
from situs.http.auth import ANYONE


def asked(health, *, loading=(), problem=None, sessions=None):
    """Status and body of `GET /readyz`."""
    states = {"a": DeploymentState(health)}
    snapshot = make.snapshot(make.view(make.deployment("a"), states=states))
    situation = SimpleNamespace(current=lambda: Current(snapshot, SimpleNamespace()))
    gateway: Any = SimpleNamespace(situation=situation)
    admin = Admin(gateway, lambda: problem, lambda: list(loading), lambda: sessions)
    sent: list[dict[str, Any]] = []

    async def send(message):
        sent.append(message)

    call: Any = SimpleNamespace(send=send, caller=ANYONE)
    asyncio.run(admin.readyz(call))
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize("health", [Health.HEALTHY, Health.UNKNOWN, Health.STALE])
def test_what_may_be_tried_is_ready(health):
    assert asked(health)[0] == 200


@pytest.mark.parametrize("health", [Health.UNHEALTHY, Health.STARTING])
def test_nothing_usable_is_not_ready(health):
    assert asked(health)[0] == 503


def test_while_a_model_of_this_machine_still_loads_it_is_not_ready():
    status, told = asked(Health.HEALTHY, loading=["chat"])
    assert (status, told["loading"], told["usable"]) == (503, ["chat"], ["a"])


def test_what_cannot_record_is_not_ready():
    assert asked(Health.HEALTHY, problem="ENOSPC")[0] == 503


def test_one_that_refuses_sessions_is_ready_for_others_and_says_so():
    status, told = asked(Health.HEALTHY, sessions="sessions.db cannot be used")
    assert (status, told["sessions"]) == (200, "sessions.db cannot be used")
    assert asked(Health.HEALTHY)[1]["sessions"] is None
