"""The life of one model server, as a table.

Rule of this file: everything that decides a state lives here, and nothing here does anything. The
supervisor reports events and performs actions; the clock comes in as a number of seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from situs.errors import InternalError


class State(StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"  # the process lives, its probe fails
    BACKING_OFF = "backing_off"  # the process is gone; waiting before the next try
    STOPPING = "stopping"
    FAILED = "failed"  # given up; the next start request tries again


class Event(StrEnum):
    """What can happen. `gave_up` and `hung` are never reported: `step` derives them by counting."""

    START_REQUESTED = "start_requested"
    STOP_REQUESTED = "stop_requested"
    REFUSED = "refused"  # a check before the load said no: trying again would not help
    SPAWNED = "spawned"
    SPAWN_FAILED = "spawn_failed"
    PROBE_OK = "probe_ok"
    PROBE_FAILED = "probe_failed"
    HUNG = "hung"
    START_TIMED_OUT = "start_timed_out"
    EXITED = "exited"
    GAVE_UP = "gave_up"
    BACKED_OFF = "backed_off"
    GRACE_OVER = "grace_over"


class Action(StrEnum):
    SPAWN = "spawn"
    WATCH = "watch"  # begin to probe
    WAIT = "wait"  # for `backoff_s`, then report `backed_off`
    TERMINATE = "terminate"  # ask the group, then report `grace_over` after the grace
    KILL = "kill"  # the whole group
    SETTLE = "settle"  # answer everyone who waits


class Patience(Struct, frozen=True):
    """How long to wait, in seconds, and how often to try.

    `give_up_after` counts loads in a row that never became ready; a server that was ready once is
    restarted for as long as the gateway runs. `hung_after` counts failed probes in a row.
    """

    start_timeout_s: float = 120.0
    start_probe_s: float = 0.1
    probe_s: float = 2.0
    probe_timeout_s: float = 2.0
    hung_after: int = 10
    backoff_first_s: float = 0.5
    backoff_max_s: float = 30.0
    stable_s: float = 60.0
    give_up_after: int = 3
    max_waiters: int = 256


class Life(Struct, frozen=True):
    """Where one server stands: `failures` in a row, failed probes in a row, ready since when."""

    state: State = State.STOPPED
    failures: int = 0
    probes_failed: int = 0
    ready_since: float | None = None
    was_ready: bool = False


_S, _E, _A = State, Event, Action

TABLE: Mapping[tuple[State, Event], tuple[State, tuple[Action, ...]]] = MappingProxyType(
    {
        (_S.STOPPED, _E.START_REQUESTED): (_S.STARTING, (_A.SPAWN,)),
        (_S.STOPPED, _E.STOP_REQUESTED): (_S.STOPPED, (_A.SETTLE,)),
        #
        (_S.STARTING, _E.START_REQUESTED): (_S.STARTING, ()),
        (_S.STARTING, _E.REFUSED): (_S.FAILED, (_A.SETTLE,)),
        (_S.STARTING, _E.SPAWNED): (_S.STARTING, (_A.WATCH,)),
        (_S.STARTING, _E.SPAWN_FAILED): (_S.BACKING_OFF, (_A.WAIT,)),
        (_S.STARTING, _E.PROBE_OK): (_S.READY, (_A.SETTLE,)),
        (_S.STARTING, _E.PROBE_FAILED): (_S.STARTING, ()),
        (_S.STARTING, _E.START_TIMED_OUT): (_S.STARTING, (_A.KILL,)),
        (_S.STARTING, _E.EXITED): (_S.BACKING_OFF, (_A.WAIT,)),
        (_S.STARTING, _E.GAVE_UP): (_S.FAILED, (_A.SETTLE,)),
        (_S.STARTING, _E.STOP_REQUESTED): (_S.STOPPING, (_A.TERMINATE,)),
        #
        (_S.READY, _E.START_REQUESTED): (_S.READY, (_A.SETTLE,)),
        (_S.READY, _E.PROBE_OK): (_S.READY, ()),
        (_S.READY, _E.PROBE_FAILED): (_S.UNHEALTHY, ()),
        (_S.READY, _E.EXITED): (_S.BACKING_OFF, (_A.WAIT,)),
        (_S.READY, _E.STOP_REQUESTED): (_S.STOPPING, (_A.TERMINATE,)),
        #
        (_S.UNHEALTHY, _E.START_REQUESTED): (_S.UNHEALTHY, ()),
        (_S.UNHEALTHY, _E.PROBE_OK): (_S.READY, (_A.SETTLE,)),
        (_S.UNHEALTHY, _E.PROBE_FAILED): (_S.UNHEALTHY, ()),
        (_S.UNHEALTHY, _E.HUNG): (_S.UNHEALTHY, (_A.KILL,)),
        (_S.UNHEALTHY, _E.EXITED): (_S.BACKING_OFF, (_A.WAIT,)),
        (_S.UNHEALTHY, _E.STOP_REQUESTED): (_S.STOPPING, (_A.TERMINATE,)),
        #
        # A start request does not cut the wait short: that is what the wait is for.
        (_S.BACKING_OFF, _E.START_REQUESTED): (_S.BACKING_OFF, ()),
        (_S.BACKING_OFF, _E.BACKED_OFF): (_S.STARTING, (_A.SPAWN,)),
        (_S.BACKING_OFF, _E.STOP_REQUESTED): (_S.STOPPED, (_A.SETTLE,)),
        #
        # A probe's answer or a load's deadline may still be in the queue when a stop comes.
        (_S.STOPPING, _E.START_REQUESTED): (_S.STOPPING, ()),
        (_S.STOPPING, _E.STOP_REQUESTED): (_S.STOPPING, ()),
        (_S.STOPPING, _E.PROBE_OK): (_S.STOPPING, ()),
        (_S.STOPPING, _E.PROBE_FAILED): (_S.STOPPING, ()),
        (_S.STOPPING, _E.START_TIMED_OUT): (_S.STOPPING, ()),
        (_S.STOPPING, _E.GRACE_OVER): (_S.STOPPING, (_A.KILL,)),
        (_S.STOPPING, _E.EXITED): (_S.STOPPED, (_A.SETTLE,)),
        #
        (_S.FAILED, _E.START_REQUESTED): (_S.STARTING, (_A.SPAWN,)),
        (_S.FAILED, _E.STOP_REQUESTED): (_S.STOPPED, (_A.SETTLE,)),
    }
)

# What cannot happen, and why. Events about a process carry its number; the supervisor drops those
# of an earlier process before they reach the table.
_NO_PROCESS = (_S.STOPPED, _S.BACKING_OFF, _S.FAILED)
_OF_A_PROCESS = (_E.PROBE_OK, _E.PROBE_FAILED, _E.HUNG, _E.START_TIMED_OUT, _E.EXITED)
_WHILE_SPAWNING = (_E.REFUSED, _E.SPAWNED, _E.SPAWN_FAILED, _E.GAVE_UP)

IMPOSSIBLE: frozenset[tuple[State, Event]] = frozenset(
    # Nothing runs that could report.
    {(state, event) for state in _NO_PROCESS for event in _OF_A_PROCESS}
    # Spawning is one step of the owner: no other event comes in between. Giving up, too, is
    # decided about a load only.
    | {(state, event) for state in _S if state is not _S.STARTING for event in _WHILE_SPAWNING}
    # Only `backing_off` sets that timer, and leaving it cancels the timer.
    | {(state, _E.BACKED_OFF) for state in _S if state is not _S.BACKING_OFF}
    # Only `stopping` sets that timer.
    | {(state, _E.GRACE_OVER) for state in _S if state is not _S.STOPPING}
    # `hung` is counted while unhealthy only; a load has its own deadline, which ends with it.
    | {(state, _E.HUNG) for state in (_S.STARTING, _S.READY, _S.STOPPING)}
    | {(state, _E.START_TIMED_OUT) for state in (_S.READY, _S.UNHEALTHY)}
)


def step(life: Life, event: Event, now: float, patience: Patience) -> tuple[Life, list[Action]]:
    """What follows from an event at `now` (monotonic seconds).

    1. Failures that count as stable running are forgotten, then this one is counted.
    2. Counting may turn the event into `gave_up` or `hung`.
    3. The table says the rest. A pair it lacks raises InternalError, and nothing has changed.
    """
    failures, probes_failed, was_ready = life.failures, life.probes_failed, life.was_ready
    if event in (Event.EXITED, Event.SPAWN_FAILED):
        stable = life.ready_since is not None and now - life.ready_since >= patience.stable_s
        failures = 1 if stable else failures + 1
        loading = life.state is State.STARTING and not was_ready
        if loading and failures >= patience.give_up_after:
            event = Event.GAVE_UP
    if event is Event.PROBE_FAILED:
        probes_failed += 1
        if life.state is State.UNHEALTHY and probes_failed >= patience.hung_after:
            event = Event.HUNG
    try:
        state, actions = TABLE[life.state, event]
    except KeyError:
        raise InternalError(f"a runtime cannot see {event} while {life.state}") from None
    if state in (State.STOPPED, State.FAILED):
        failures, was_ready = 0, False
    return Life(
        state=state,
        failures=failures,
        probes_failed=probes_failed if event in (Event.PROBE_FAILED, Event.HUNG) else 0,
        ready_since=_ready_since(life, state, now),
        was_ready=was_ready or state is State.READY,
    ), list(actions)


def backoff_s(life: Life, patience: Patience) -> float:
    """How long to wait before the next try: doubles with every failure in a row, up to a limit."""
    doublings = min(max(life.failures - 1, 0), 32)
    return min(patience.backoff_first_s * 2.0**doublings, patience.backoff_max_s)


def _ready_since(life: Life, state: State, now: float) -> float | None:
    """Unhealthy spells do not restart the stable period: only an exit does."""
    if state is State.READY:
        return now if life.ready_since is None else life.ready_since
    return life.ready_since if state is State.UNHEALTHY else None
