"""Health and load: who is tried again, and when."""

from __future__ import annotations

import msgspec
import pytest
from tests import make

from situs.core.fleet import Health
from situs.core.record import End, Measured
from situs.fleet.registry import Registry


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry(clock):
    return Registry([make.deployment("a"), make.deployment("b")], "digest", clock)


def state(registry):
    return registry.view().states[0]


def attempt(registry, end, ratio=None):
    registry.began("a")
    registry.ended("a", end, ratio and Measured("req", ratio, ratio, 1.0, 10))


def test_in_flight_counts_what_has_not_ended(registry):
    registry.began("a")
    registry.began("a")
    assert state(registry).in_flight == 2
    registry.ended("a", End.COMPLETE, None)
    assert state(registry).in_flight == 1
    assert registry.view().states[1].in_flight == 0


def test_the_view_stays_the_same_object_until_something_changes(registry):
    first = registry.view()
    assert registry.view() is first
    registry.began("a")
    assert registry.view() is not first


def test_unreachable_is_unhealthy_at_once_and_stale_after_the_cool_down(registry, clock):
    attempt(registry, End.UNREACHABLE)
    assert state(registry).health is Health.UNHEALTHY
    clock.now = 9.9
    assert state(registry).health is Health.UNHEALTHY
    clock.now = 10.0
    assert state(registry).health is Health.STALE
    attempt(registry, End.COMPLETE)
    assert state(registry).health is Health.HEALTHY


def test_three_failures_in_a_row_are_unhealthy_two_are_not(registry):
    for _ in range(2):
        attempt(registry, End.SERVER_ERROR)
    attempt(registry, End.COMPLETE)
    for _ in range(2):
        attempt(registry, End.TIMEOUT)
    assert state(registry).health is Health.HEALTHY
    attempt(registry, End.CUT)
    assert state(registry).health is Health.UNHEALTHY


def test_a_caller_that_leaves_says_nothing_about_health(registry):
    for _ in range(5):
        attempt(registry, End.CLIENT_GONE)
    assert state(registry).health is Health.UNKNOWN


def test_a_supervisor_overrules(registry, clock):
    attempt(registry, End.UNREACHABLE)
    registry.set_health("a", Health.HEALTHY)
    clock.now = 100.0
    assert state(registry).health is Health.HEALTHY


def test_a_full_deployment_takes_no_more(clock):
    one = Registry([make.deployment("a", max_in_flight=1)], "digest", clock)
    assert one.began("a")
    assert not one.began("a")
    one.ended("a", End.COMPLETE, None)
    assert one.began("a")


def test_another_fleet_keeps_the_state_of_what_stays_and_forgets_the_rest(registry, clock):
    attempt(registry, End.UNREACHABLE)
    registry.began("b")
    moved = msgspec.structs.replace(make.deployment("b"), node="elsewhere")
    registry.replace([make.deployment("a"), moved], "other")
    kept, fresh = registry.view().states
    assert kept.health is Health.UNHEALTHY
    assert fresh.health is Health.UNKNOWN
    clock.now = 10.0
    assert state(registry).health is Health.STALE


def test_an_attempt_may_end_after_its_deployment_is_gone(registry):
    registry.began("b")
    registry.replace([make.deployment("a")], "other")
    registry.ended("b", End.COMPLETE, None)
    assert not registry.began("b")
    registry.replace([make.deployment("b")], "again")
    assert registry.view().states[0].in_flight == 0
