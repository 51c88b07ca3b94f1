"""What holds now: the live fleet together with what configuration and policy fixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import monotonic

from msgspec.structs import replace

from situs.core.fleet import CacheFacts
from situs.core.ports import Backends, Current
from situs.core.record import End, Measured
from situs.core.request import Blocks, Request
from situs.core.snapshot import Beliefs, Snapshot
from situs.fleet.prefixes import Prefixes
from situs.fleet.registry import Registry


class Situation:
    """Publishes one immutable `Current`, made anew only when the fleet changed.

    `load` swaps all of it at once: who asked before keeps what it was given.
    """

    def __init__(
        self,
        registry: Registry,
        fixed: Snapshot,
        backends: Backends,
        prefixes: Prefixes | None = None,
    ) -> None:
        self._registry = registry
        self._prefixes = prefixes or Prefixes(fixed.fleet.deployments, monotonic)
        self._current = Current(fixed, backends)

    def current(self) -> Current:
        view, current = self._registry.view(), self._current
        if view is not current.snapshot.fleet:
            snapshot = replace(current.snapshot, fleet=view, read=self._prefixes.read())
            current = Current(snapshot, current.backends)
            self._current = current
        return current

    def load(self, fixed: Snapshot, backends: Backends) -> None:
        """From now on requests are decided on `fixed` (with the live fleet) and sent over these."""
        self._registry.replace(fixed.fleet.deployments, fixed.fleet.digest)
        self._prefixes.load(fixed.fleet.deployments)
        self._current = Current(fixed, backends)

    def believe(self, beliefs: Beliefs) -> None:
        """This of models, from now on."""
        current = self._current
        self._current = Current(replace(current.snapshot, beliefs=beliefs), current.backends)

    def roll_back(self, scopes: frozenset[str]) -> None:
        """The pilots of these scopes are over, from now on."""
        current = self._current
        self._current = Current(replace(current.snapshot, rolled_back=scopes), current.backends)

    def began(self, deployment: str) -> bool:
        return self._registry.began(deployment)

    def warm(self, request: Request, blocks: Blocks | None = None) -> Mapping[str, int]:
        return self._prefixes.warm(request, blocks)

    def said(self, caches: Mapping[str, CacheFacts]) -> None:
        """This is what servers say of their caches, from now on."""
        self._prefixes.said(caches)

    def sent(self, deployment: str, request: Request) -> None:
        self._registry.sent(deployment, request.id)
        self._prefixes.sent(deployment, request)

    def ended(
        self,
        deployment: str,
        request: str,
        end: End,
        measured: Measured | None,
        retry_after_s: float | None = None,
    ) -> None:
        self._registry.ended(deployment, request, end, measured, retry_after_s)
        self._prefixes.ended(deployment, request, end, measured)

    def again_s(self, deployments: Iterable[str]) -> float | None:
        return self._registry.again_s(deployments)
