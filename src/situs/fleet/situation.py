"""What holds now: the live fleet together with what configuration and policy fixed."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from situs.core.ports import Backends, Current
from situs.core.record import End, Measured
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.fleet.registry import Registry


class Situation:
    """Publishes one immutable `Current`, made anew only when the fleet changed.

    `load` swaps all of it at once: who asked before keeps what it was given.
    """

    def __init__(self, registry: Registry, fixed: Snapshot, backends: Backends) -> None:
        self._registry = registry
        self._current = Current(fixed, backends)

    def current(self) -> Current:
        view, current = self._registry.view(), self._current
        if view is not current.snapshot.fleet:
            current = Current(replace(current.snapshot, fleet=view), current.backends)
            self._current = current
        return current

    def load(self, fixed: Snapshot, backends: Backends) -> None:
        """From now on requests are decided on `fixed` (with the live fleet) and sent over these."""
        self._registry.replace(fixed.fleet.deployments, fixed.fleet.digest)
        self._current = Current(fixed, backends)

    def began(self, deployment: str) -> bool:
        return self._registry.began(deployment)

    def warm(self, request: Request) -> Mapping[str, int]:
        return {}

    def sent(self, deployment: str, request: Request) -> None:
        pass

    def ended(self, deployment: str, end: End, measured: Measured | None) -> None:
        self._registry.ended(deployment, end, measured)
