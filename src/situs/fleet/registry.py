"""The fleet's live state: who is in flight where, who failed, who is well again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from situs.core.fleet import Deployment, DeploymentState, FleetView, Health, Pace
from situs.core.record import End, Measured
from situs.placement.latency import Learned, beginning, learn

_WELL = frozenset({End.COMPLETE, End.STOPPED, End.WITHHELD, End.REFUSED})
_NOT_ITS_FAULT = frozenset({End.CLIENT_GONE})
_AT_ONCE = frozenset({End.UNREACHABLE})
_FAILURES_TO_UNHEALTHY = 3
_COOL_DOWN_S = 10.0


class Places(Protocol):
    """What is in flight over all workers; no deployment gets more than it takes."""

    def version(self) -> int:
        """Another number when a count may have changed."""

    def counts(self, deployments: Sequence[str]) -> list[int]: ...

    def take(self, deployment: str, most: int) -> bool:
        """False when `most` are taken."""

    def give_back(self, deployment: str) -> None: ...


class OwnPlaces:
    """The places of a single process."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._version = 0

    def version(self) -> int:
        return self._version

    def counts(self, deployments: Sequence[str]) -> list[int]:
        return [self._taken[name] for name in deployments]

    def take(self, deployment: str, most: int) -> bool:
        if self._taken[deployment] >= most:
            return False
        self._taken[deployment] += 1
        self._version += 1
        return True

    def give_back(self, deployment: str) -> None:
        self._taken[deployment] -= 1
        self._version += 1


class Registry:
    """Owns the states of all deployments.

    A deployment becomes `unhealthy` when it cannot be reached or fails three times in a row, and
    `stale` ten seconds later: it may be tried again, and one good answer makes it `healthy`.
    A supervised one is told by its supervisor (`set_health`).
    """

    def __init__(
        self,
        deployments: Sequence[Deployment],
        digest: str,
        clock: Callable[[], float],
        places: Places | None = None,
    ) -> None:
        self._clock = clock
        self._places = places or OwnPlaces()
        self._deployments: tuple[Deployment, ...] = ()
        self._states: list[DeploymentState] = []
        self._failures: list[int] = []
        self._learned: list[Learned] = []
        self._retry_at: dict[int, float] = {}
        self.replace(deployments, digest)

    def replace(self, deployments: Sequence[Deployment], digest: str) -> None:
        """Another fleet from now on; the same model served at the same node keeps its state."""
        before = {
            (d.name, d.node, d.model.name): (
                self._states[i],
                self._failures[i],
                self._learned[i],
                i,
            )
            for i, d in enumerate(self._deployments)
        }
        retry_at, self._retry_at = self._retry_at, {}
        self._deployments = tuple(deployments)
        self._digest = digest
        self._names = [d.name for d in deployments]
        self._index = {name: i for i, name in enumerate(self._names)}
        self._states = [DeploymentState() for _ in deployments]
        self._failures = [0 for _ in deployments]
        self._learned = [beginning(d) for d in deployments]
        for index, d in enumerate(deployments):
            known = before.get((d.name, d.node, d.model.name))
            if known is not None:
                self._states[index], self._failures[index], self._learned[index], old = known
                if old in retry_at:
                    self._retry_at[index] = retry_at[old]
        self._view: FleetView | None = None
        self._version = -1

    def view(self) -> FleetView:
        """The fleet as it is now; the same object until something changes."""
        if self._retry_at:
            self._let_stale()
        version = self._places.version()
        if self._view is None or version != self._version:
            self._version = version
            for index, count in enumerate(self._places.counts(self._names)):
                if self._states[index].in_flight != count:
                    self._change(index, in_flight=count)
            self._view = FleetView(self._deployments, tuple(self._states), self._digest)
        return self._view

    def set_health(self, deployment: str, health: Health) -> None:
        """What a supervisor knows; of a deployment that is not in the fleet, nothing is kept."""
        index = self._index.get(deployment)
        if index is None:
            return
        self._retry_at.pop(index, None)
        self._failures[index] = 0
        self._change(index, health=health)

    def began(self, deployment: str) -> bool:
        """Takes a place in flight; False when there is none, or no such deployment any more."""
        index = self._index.get(deployment)
        if index is None:
            return False
        return self._places.take(deployment, self._deployments[index].max_in_flight)

    def ended(self, deployment: str, end: End, measured: Measured | None) -> None:
        self._places.give_back(deployment)
        index = self._index.get(deployment)
        if index is None:  # a fleet without it was loaded meanwhile
            return
        state = self._states[index]
        pace = state.pace
        if measured is not None:
            self._learned[index] = learn(self._learned[index], measured, state.in_flight - 1)
            pace = self._learned[index].pace
        health = state.health if end in _NOT_ITS_FAULT else self._judge(index, end)
        if pace != state.pace or health is not state.health:
            self._change(index, pace=pace, health=health)

    def _judge(self, index: int, end: End) -> Health:
        if end in _WELL:
            self._failures[index] = 0
            self._retry_at.pop(index, None)
            return Health.HEALTHY
        self._failures[index] += 1
        if end in _AT_ONCE or self._failures[index] >= _FAILURES_TO_UNHEALTHY:
            self._retry_at[index] = self._clock() + _COOL_DOWN_S
            return Health.UNHEALTHY
        return self._states[index].health

    def _let_stale(self) -> None:
        now = self._clock()
        for index in [i for i, at in self._retry_at.items() if at <= now]:
            del self._retry_at[index]
            self._change(index, health=Health.STALE)

    def _change(
        self,
        index: int,
        *,
        health: Health | None = None,
        in_flight: int | None = None,
        pace: Pace | None = None,
    ) -> None:
        state = self._states[index]
        self._states[index] = DeploymentState(
            state.health if health is None else health,
            state.in_flight if in_flight is None else in_flight,
            state.pace if pace is None else pace,
        )
        self._view = None
