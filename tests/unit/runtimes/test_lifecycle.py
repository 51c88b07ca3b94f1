"""The lifecycle table: every pair is decided, and back-off is bounded."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.errors import InternalError
from situs.runtimes.lifecycle import (
    IMPOSSIBLE,
    TABLE,
    Action,
    Event,
    Life,
    Patience,
    State,
    backoff_s,
    step,
)

P = Patience(backoff_first_s=1.0, backoff_max_s=10.0, stable_s=60.0, give_up_after=3, hung_after=3)
PAIRS = sorted(product(State, Event))


def walk(*events: Event | tuple[Event, float], life: Life | None = None, patience: Patience = P):
    """The last life and actions after a conversation of events, each with an optional time."""
    life = life or Life()
    actions: list[Action] = []
    for item in events:
        event, now = item if isinstance(item, tuple) else (item, 0.0)
        life, actions = step(life, event, now, patience)
    return life, actions


def test_every_pair_is_in_the_table_or_listed_as_impossible_and_never_both():
    assert set(TABLE) | IMPOSSIBLE == set(PAIRS)
    assert not set(TABLE) & IMPOSSIBLE


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_each_pair_does_what_the_table_says_or_raises(state, event):
    life = Life(state=state)
    if (state, event) in IMPOSSIBLE:
        with pytest.raises(InternalError):
            step(life, event, 1.0, P)
    else:
        after, actions = step(life, event, 1.0, P)
        assert (after.state, tuple(actions)) == TABLE[state, event]


def test_every_state_can_be_reached_and_every_state_can_be_stopped():
    targets = {to for (state, _), (to, _) in TABLE.items() if state is not to}
    assert targets == set(State)
    for state in State:
        to, _ = TABLE[state, Event.STOP_REQUESTED]
        assert to in (State.STOPPING, State.STOPPED)


def test_a_load_goes_from_stopped_to_ready():
    life, actions = walk(Event.START_REQUESTED)
    assert (life.state, actions) == (State.STARTING, [Action.SPAWN])
    life, actions = walk(Event.SPAWNED, life=life)
    assert (life.state, actions) == (State.STARTING, [Action.WATCH])
    life, actions = walk(Event.PROBE_FAILED, (Event.PROBE_OK, 5.0), life=life)
    assert (life.state, actions, life.ready_since) == (State.READY, [Action.SETTLE], 5.0)


def test_a_load_that_never_worked_is_given_up():
    once = (Event.SPAWNED, Event.EXITED, Event.BACKED_OFF)
    life, _ = walk(Event.START_REQUESTED, *once, *once)
    assert (life.state, life.failures) == (State.STARTING, 2)
    life, actions = walk(Event.SPAWNED, Event.EXITED, life=life)
    assert (life.state, actions) == (State.FAILED, [Action.SETTLE])


def test_a_failed_runtime_tries_again_when_asked():
    life, actions = walk(Event.START_REQUESTED, life=Life(state=State.FAILED))
    assert (life.state, life.failures, actions) == (State.STARTING, 0, [Action.SPAWN])


def test_a_server_that_was_ready_once_is_restarted_for_ever():
    life, _ = walk(Event.START_REQUESTED, Event.SPAWNED, Event.PROBE_OK)
    for _ in range(50):
        life, actions = walk(Event.EXITED, life=life)
        assert (life.state, actions) == (State.BACKING_OFF, [Action.WAIT])
        life, _ = walk(Event.BACKED_OFF, Event.SPAWNED, life=life)
    assert backoff_s(life, P) == P.backoff_max_s


def test_a_stable_period_resets_the_back_off():
    ready = Life(state=State.READY, failures=5, ready_since=100.0, was_ready=True)
    early, _ = walk((Event.EXITED, 159.9), life=ready)
    late, _ = walk((Event.EXITED, 160.0), life=ready)
    assert (early.failures, late.failures) == (6, 1)
    assert backoff_s(late, P) == P.backoff_first_s


def test_an_unhealthy_spell_does_not_restart_the_stable_period():
    life, _ = walk(
        Event.START_REQUESTED,
        Event.SPAWNED,
        (Event.PROBE_OK, 10.0),
        (Event.PROBE_FAILED, 20.0),
        (Event.PROBE_OK, 30.0),
    )
    assert (life.state, life.ready_since, life.probes_failed) == (State.READY, 10.0, 0)


def test_a_hung_server_is_killed_after_that_many_failed_probes():
    ready = Life(state=State.READY, ready_since=0.0, was_ready=True)
    life, actions = walk(Event.PROBE_FAILED, Event.PROBE_FAILED, life=ready)
    assert (life.state, actions) == (State.UNHEALTHY, [])
    life, actions = walk(Event.PROBE_FAILED, life=life)
    assert (life.state, actions) == (State.UNHEALTHY, [Action.KILL])


def test_slow_loads_are_not_taken_for_hung():
    life, actions = walk(Event.START_REQUESTED, Event.SPAWNED, *[Event.PROBE_FAILED] * 100)
    assert (life.state, actions) == (State.STARTING, [])


@given(st.integers(0, 10_000), st.floats(0.01, 5), st.floats(5, 100))
def test_back_off_grows_and_stays_within_its_bounds(failures, first, most):
    patience = Patience(backoff_first_s=first, backoff_max_s=most)
    now, later = (backoff_s(Life(failures=n), patience) for n in (failures, failures + 1))
    assert first <= now <= later <= most


@given(st.lists(st.sampled_from(Event), max_size=60))
def test_a_process_is_spawned_only_when_none_can_be_running(events):
    life, running = Life(), False
    for now, event in enumerate(events):
        if (life.state, event) in IMPOSSIBLE or event in (Event.GAVE_UP, Event.HUNG):
            continue
        if event in (Event.SPAWNED, Event.REFUSED, Event.SPAWN_FAILED) and running:
            continue
        if event in (Event.EXITED, Event.PROBE_OK, Event.PROBE_FAILED) and not running:
            continue
        if event is Event.STOP_REQUESTED and life.state is State.STARTING and not running:
            continue  # spawning is one step
        life, actions = step(life, event, float(now), P)
        running = event is Event.SPAWNED or (running and event is not Event.EXITED)
        assert not (Action.SPAWN in actions and running)
        if life.state in (State.STOPPED, State.FAILED, State.BACKING_OFF):
            assert not running
