"""Health and load: who is tried again, and when."""

from __future__ import annotations

import pytest
from tests import make

from situs.core.fleet import Health
from situs.core.record import End
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
    registry.ended("a", end, ratio)


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


def test_slowness_follows_the_measured_times_and_is_bounded(registry):
    for _ in range(50):
        attempt(registry, End.COMPLETE, 3.0)
    assert state(registry).slowness == 20.0
    for _ in range(100):
        attempt(registry, End.COMPLETE, 0.1)
    assert state(registry).slowness == 0.05
