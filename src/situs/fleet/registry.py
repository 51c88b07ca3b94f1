"""The fleet's live state: who is in flight where, who failed, who is well again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from situs.core.fleet import Deployment, DeploymentState, FleetView, Health
from situs.core.record import End

_WELL = frozenset({End.COMPLETE, End.STOPPED, End.REFUSED})
_NOT_ITS_FAULT = frozenset({End.CLIENT_GONE})
_AT_ONCE = frozenset({End.UNREACHABLE})
_FAILURES_TO_UNHEALTHY = 3
_COOL_DOWN_S = 10.0
_SMOOTHING = 0.2


class Registry:
    """Owns the states of all deployments.

    A deployment becomes `unhealthy` when it cannot be reached or fails three times in a row, and
    `stale` ten seconds later: it may be tried again, and one good answer makes it `healthy`.
    A supervised one is told by its supervisor (`set_health`).
    """

    def __init__(
        self, deployments: Sequence[Deployment], digest: str, clock: Callable[[], float]
    ) -> None:
        self._deployments = tuple(deployments)
        self._digest = digest
        self._clock = clock
        self._index = {d.name: i for i, d in enumerate(self._deployments)}
        self._states = [DeploymentState() for _ in self._deployments]
        self._failures = [0] * len(self._deployments)
        self._retry_at: dict[int, float] = {}
        self._view: FleetView | None = None

    def view(self) -> FleetView:
        """The fleet as it is now; the same object until something changes."""
        if self._retry_at:
            self._let_stale()
        if self._view is None:
            self._view = FleetView(self._deployments, tuple(self._states), self._digest)
        return self._view

    def set_health(self, deployment: str, health: Health) -> None:
        index = self._index[deployment]
        self._retry_at.pop(index, None)
        self._failures[index] = 0
        self._change(index, health=health)

    def began(self, deployment: str) -> None:
        index = self._index[deployment]
        self._change(index, in_flight=self._states[index].in_flight + 1)

    def ended(self, deployment: str, end: End, ttft_ratio: float | None) -> None:
        index = self._index[deployment]
        state = self._states[index]
        slowness = state.slowness
        if ttft_ratio is not None:
            moved = slowness * ((1 - _SMOOTHING) + _SMOOTHING * ttft_ratio)
            slowness = min(max(moved, 0.05), 20.0)
        health = state.health if end in _NOT_ITS_FAULT else self._judge(index, end)
        self._change(index, in_flight=state.in_flight - 1, slowness=slowness, health=health)

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
        slowness: float | None = None,
    ) -> None:
        state = self._states[index]
        self._states[index] = DeploymentState(
            state.health if health is None else health,
            state.in_flight if in_flight is None else in_flight,
            state.slowness if slowness is None else slowness,
        )
        self._view = None
