"""Health and load: who is tried again, and when."""

from __future__ import annotations

import msgspec
import pytest
from tests import make

from situs.core.fleet import DeploymentState, Health
from situs.core.record import End, Measured, Usage
from situs.fleet.registry import Registry
from situs.placement.latency import predict


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
    registry.ended("a", "req", end, ratio and Measured(ratio, ratio, 1.0, 10))


def test_in_flight_counts_what_has_not_ended(registry):
    registry.began("a")
    registry.began("a")
    assert state(registry).in_flight == 2
    registry.ended("a", "req", End.COMPLETE, None)
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
    clock.now = 1.9
    assert state(registry).health is Health.UNHEALTHY
    clock.now = 2.5
    assert state(registry).health is Health.STALE
    attempt(registry, End.COMPLETE)
    assert state(registry).health is Health.HEALTHY


def test_nothing_goes_where_it_is_unhealthy_and_one_at_a_time_where_it_is_stale(registry, clock):
    attempt(registry, End.UNREACHABLE)
    assert not registry.began("a")
    clock.now = 2.5
    assert registry.began("a")
    assert not registry.began("a")
    registry.ended("a", "req", End.CLIENT_GONE, None)
    assert registry.began("a")
    registry.ended("a", "req", End.COMPLETE, None)
    assert all(registry.began("a") for _ in range(3))


def test_a_place_that_says_when_to_come_again_is_left_alone_until_then(registry, clock):
    registry.began("a")
    registry.ended("a", "req", End.RATE_LIMITED, None, 30)
    assert state(registry).health is Health.LIMITED
    clock.now = 29.9
    assert not registry.began("a")
    clock.now = 30.0
    assert state(registry).health is Health.STALE
    assert registry.began("a")


def test_a_probe_brings_back_what_could_not_be_reached(registry):
    attempt(registry, End.UNREACHABLE)
    registry.probed("a", True)
    assert state(registry).health is Health.HEALTHY
    assert registry.began("a")


def test_what_a_supervisor_says_again_changes_nothing(registry):
    registry.set_health("a", Health.HEALTHY)
    attempt(registry, End.UNREACHABLE)
    registry.set_health("a", Health.HEALTHY)
    assert state(registry).health is Health.UNHEALTHY
    registry.set_health("a", Health.STARTING)
    assert registry.conditions()["a"].why == "supervisor"
    registry.set_health("a", Health.HEALTHY)
    assert state(registry).health is Health.HEALTHY


def test_conditions_say_why_since_when_and_until_when(registry, clock):
    attempt(registry, End.UNREACHABLE)
    clock.now = 0.5
    one = registry.conditions()["a"]
    assert (one.health, one.why, one.for_s, one.tries) == ("unhealthy", "unreachable", 0.5, 1)
    assert one.again_s is not None
    assert 1.5 <= one.again_s <= 2.0
    assert registry.conditions()["b"].again_s is None


@pytest.fixture
def four(clock):
    return Registry([make.deployment(name, model="m") for name in "abcd"], "digest", clock)


def ask(registry, name, end, ttft_s=0.5):
    """As placement does where there are others: not of who is ejected."""
    fleet = registry.view()
    states = {d.name: state for d, state in zip(fleet.deployments, fleet.states, strict=True)}
    if states[name].health is not Health.EJECTED and registry.began(name):
        usage = Usage(100, 20)
        registry.ended(name, "req", end, Measured(ttft_s, ttft_s + 1.0, 0.5, 100, usage))


def test_the_one_that_fails_far_more_often_than_the_others_is_ejected_for_a_while(four, clock):
    for place in range(30):
        clock.now += 0.2
        for name in "bcd":
            ask(four, name, End.COMPLETE)
        ask(four, "a", End.SERVER_ERROR if place % 3 == 0 else End.COMPLETE)
    one = four.conditions()["a"]
    assert (one.health, one.why) == (Health.EJECTED, "error_rate")
    assert [s.health for s in four.view().states[1:]] == [Health.HEALTHY] * 3
    assert four.again_s(["a"]) == 0.0
    assert four.began("a"), "placement asks it where nobody else is left"
    four.ended("a", "req", End.CLIENT_GONE, None)
    clock.now += 40.0
    assert four.view().states[0].health is Health.STALE
    ask(four, "a", End.COMPLETE)
    assert four.view().states[0].health is Health.HEALTHY


def test_the_one_that_is_far_slower_than_the_others_is_ejected_and_compared_anew(four, clock):
    for _ in range(40):
        clock.now += 0.2
        for name, ttft_s in zip("abcd", (9.0, 0.5, 0.6, 0.7), strict=True):
            ask(four, name, End.COMPLETE, ttft_s)
    one = four.conditions()["a"]
    assert (one.health, one.why, one.tries) == (Health.EJECTED, "latency", 1)
    clock.now += 40.0
    for _ in range(5):
        clock.now += 2.0
        ask(four, "a", End.COMPLETE, 9.0)
    assert four.conditions()["a"].health is Health.HEALTHY
    for _ in range(5):
        clock.now += 2.0
        ask(four, "a", End.COMPLETE, 9.0)
    assert four.conditions()["a"].health is Health.EJECTED


def test_what_is_learned_shows_in_the_view(registry, clock):
    assert state(registry).pace is None
    for load in (0, 2) * 30:
        for _ in range(load):
            registry.began("a")
        registry.began("a")
        registry.sent("a", "req")
        took_s = 1.0 + load
        usage = Usage(100, 0)
        for _ in range(load):  # those before it end before it
            registry.ended("a", "before", End.CLIENT_GONE, None)
        registry.ended("a", "req", End.COMPLETE, Measured(took_s, took_s, 0.5, 100, usage))
    there = make.deployment("a")
    for load in (0, 2):
        seen = DeploymentState(in_flight=load, pace=state(registry).pace)
        assert predict(there, seen, 100)[0] == pytest.approx(1.0 + load, rel=0.15)


def test_a_prompt_that_was_not_read_whole_teaches_no_times(registry):
    registry.began("a")
    registry.ended("a", "req", End.TRUNCATED, Measured(0.01, 0.02, 0.5, 9000))
    assert state(registry).pace is None


def test_what_was_sent_and_never_measured_takes_no_room(registry):
    for number in range(20_000):
        registry.sent("a", str(number))
    assert len(registry._sent) <= 10_000


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
    one.ended("a", "req", End.COMPLETE, None)
    assert one.began("a")


def test_another_fleet_keeps_the_state_of_what_stays_and_forgets_the_rest(registry, clock):
    attempt(registry, End.UNREACHABLE)
    registry.began("b")
    moved = msgspec.structs.replace(make.deployment("b"), node="elsewhere")
    registry.replace([make.deployment("a"), moved], "other")
    kept, fresh = registry.view().states
    assert kept.health is Health.UNHEALTHY
    assert fresh.health is Health.UNKNOWN
    clock.now = 2.5
    assert state(registry).health is Health.STALE


def test_an_attempt_may_end_after_its_deployment_is_gone(registry):
    registry.began("b")
    registry.replace([make.deployment("a")], "other")
    registry.ended("b", "req", End.COMPLETE, None)
    assert not registry.began("b")
    registry.replace([make.deployment("b")], "again")
    assert registry.view().states[0].in_flight == 0


def test_it_is_known_when_the_first_that_is_shut_may_be_tried(registry, clock):
    assert registry.again_s(["a", "b"]) == 0.0
    registry.began("a")
    registry.ended("a", "req", End.RATE_LIMITED, None, 30)
    attempt_at_b = registry.began("b")
    registry.ended("b", "req", End.UNREACHABLE, None)
    assert attempt_at_b
    clock.now = 1.0
    assert registry.again_s(["a"]) == 29.0
    assert 1.0 <= registry.again_s(["a", "b"]) <= 1.5
    clock.now = 3.0
    assert registry.again_s(["b"]) == 0.0
    registry.began("b")
    assert registry.again_s(["b"]) is None, "it is being tried"
    assert registry.again_s(["a", "b"]) == 27.0


def test_nobody_knows_of_what_is_full_is_started_or_is_not_there(clock):
    registry = Registry([make.deployment(n, max_in_flight=1) for n in "ab"], "digest", clock)
    registry.began("a")
    registry.set_health("b", Health.STARTING)
    assert registry.again_s(["a", "b", "gone"]) is None
    assert registry.again_s([]) is None
