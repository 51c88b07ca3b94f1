"""The current snapshot: the live fleet together with what configuration and policy fixed."""

from __future__ import annotations

from situs.core.fleet import FleetView
from situs.core.record import End
from situs.core.snapshot import Snapshot
from situs.fleet.registry import Registry


class Situation:
    """Publishes one immutable snapshot, made anew only when the fleet changed."""

    def __init__(self, registry: Registry, fixed: Snapshot) -> None:
        self._registry = registry
        self._snapshot = fixed

    def snapshot(self) -> Snapshot:
        view: FleetView = self._registry.view()
        if view is not self._snapshot.fleet:
            fixed = self._snapshot
            self._snapshot = Snapshot(view, fixed.policy, fixed.labels, fixed.objective, fixed.home)
        return self._snapshot

    def began(self, deployment: str) -> None:
        self._registry.began(deployment)

    def ended(self, deployment: str, end: End, ttft_ratio: float | None) -> None:
        self._registry.ended(deployment, end, ttft_ratio)
