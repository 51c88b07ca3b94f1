"""Servers are asked what they keep of prompts, so that nobody need say it; a new start is noticed.

Asked are the servers that may be probed. A question costs no tokens and has no user's data in it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from situs.app.link import RuntimeState
from situs.app.plan import Plan
from situs.backends.cache_facts import Said, read_cache
from situs.backends.openai_compatible import Endpoint, Origins
from situs.core.fleet import CacheFacts, Deployment, FleetView, Health
from situs.core.request import Service
from situs.errors import BackendUnavailable

_log = logging.getLogger(__name__)

_EVERY_S = 30.0
_SILENT_S = 600.0
"""Who does not say is asked again so late: it may have been updated."""
_PATIENCE_S = 30.0
_MOST = 16
_DOWN = frozenset({Health.UNHEALTHY, Health.STALE, Health.STARTING})


def of_runtimes(states: Mapping[str, RuntimeState]) -> dict[str, CacheFacts]:
    """Servers that Situs runs keep as they are configured; one started anew has another port."""
    return {name: CacheFacts(start=one.address[1]) for name, one in states.items() if one.address}


class _Asked(Struct):
    """Where, for which model, when next, and what was said there."""

    place: tuple[str | None, str]
    next_at: float = 0.0
    said: Said | None = None
    start: int = 0


class Reading:
    """Asks whatever is due; `tell` is given all that was said, when it is another."""

    def __init__(self, origins: Origins, tell: Callable[[dict[str, CacheFacts]], None]) -> None:
        self._origins = origins
        self._tell = tell
        self._asked: dict[str, _Asked] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, CacheFacts] = {}

    def look(self, plan: Plan, fleet: FleetView, endpoints: Mapping[str, Endpoint]) -> None:
        """Begin to ask; `fleet` is as the workers see it."""
        now = time.monotonic()
        for deployment, state in zip(fleet.deployments, fleet.states, strict=True):
            name, endpoint = deployment.name, endpoints.get(deployment.name)
            if endpoint is None or not _may_be_asked(plan, deployment):
                self._asked.pop(name, None)
                continue
            place = endpoint.base_url(), endpoint.model
            asked = self._asked.get(name)
            if asked is None or asked.place != place:
                asked = self._asked[name] = _Asked(place)
            idle = name not in self._running and len(self._running) < _MOST
            if idle and now >= asked.next_at and state.health not in _DOWN:
                asked.next_at = now + _EVERY_S
                self._running[name] = asyncio.create_task(self._ask(deployment, endpoint, asked))
        self._tell_all(fleet)

    async def close(self) -> None:
        for task in (running := list(self._running.values())):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _ask(self, deployment: Deployment, endpoint: Endpoint, asked: _Asked) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                said = await read_cache(self._origins, endpoint)
        except (TimeoutError, BackendUnavailable):
            return  # requests and probes find out how it is
        finally:
            self._running.pop(deployment.name, None)
        before, asked.said = asked.said, said
        if said is None:
            asked.next_at = time.monotonic() + _SILENT_S
            return
        asked.start += before is not None and said.began_anew(before)
        context, configured = said.context_tokens, deployment.model.context_tokens
        if context is not None and context < configured and before is None:
            _log.warning(
                "%s: its server gives a request %d tokens of context, the configuration says %d",
                deployment.name,
                context,
                configured,
            )

    def _tell_all(self, fleet: FleetView) -> None:
        names = {deployment.name for deployment in fleet.deployments}
        found = {
            name: CacheFacts(asked.said.cache, asked.start)
            for name, asked in self._asked.items()
            if asked.said is not None and name in names
        }
        if found != self._told:
            self._told = found
            self._tell(found)


def _may_be_asked(plan: Plan, deployment: Deployment) -> bool:
    """Like a probe: owned ones, unless `probe_s` is 0, others where `probe_s` is said."""
    entry, default_s = plan.config.deployments[deployment.name], plan.config.defaults.probe_s
    if deployment.model.serves.isdisjoint({Service.CHAT, Service.COMPLETIONS}):
        return False
    until = deployment.locus.evidence_until
    if until is not None and time.strftime("%Y-%m-%d", time.gmtime()) > until:
        return False
    if entry.probe_s is not None:
        return entry.probe_s > 0
    return deployment.locus.owned and default_s > 0
