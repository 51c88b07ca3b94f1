"""The parent's probes: standbys are kept warm, and what failed is asked before a request is.

Servers are also asked what they keep of prompts (`app.reading`).

A probe is one fixed question for one token, with no user's data in it, to an endpoint that the
configuration names; it is dialled by the parent itself, like every connection. Servers that Situs
runs have probes of their own (`runtimes.probe`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from situs.app.endpoints import endpoint_of
from situs.app.plan import Plan
from situs.app.reading import Reading
from situs.backends.http1 import Dial
from situs.backends.openai_compatible import Endpoint, OpenAICompatible, Origins
from situs.config.tree import Config
from situs.core.cost import cost_of
from situs.core.fleet import CacheFacts, Deployment, FleetView, Health, Role
from situs.core.ports import Backends
from situs.core.record import End, Usage
from situs.core.request import Request, Service, Wire
from situs.errors import BackendUnavailable

_AGAIN_S = 2.0
"""What failed and is owned is asked so often whether it is well again."""
_PATIENCE_S = 30.0
_MOST = 16
_DOWN = frozenset({Health.UNHEALTHY, Health.STALE})


class Probing:
    """Asks what is due, once a second; `tell` is given what was found out, name by name.

    What a rate limit answers says nothing. `close` at the end.
    """

    def __init__(
        self,
        dial: Dial,
        tell: Callable[[str, bool], None],
        tell_caches: Callable[[dict[str, CacheFacts]], None],
    ) -> None:
        self._tell = tell
        self._origins = Origins(dial)
        self._reading = Reading(self._origins, tell_caches)
        self._plan: Plan | None = None
        self._endpoints: dict[str, Endpoint] = {}
        self._backends: Backends = OpenAICompatible({}, self._origins)
        self._asked_at: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._costs: defaultdict[str, float] = defaultdict(float)

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """Since the start, by deployment and result: `well`, `failed`, `limited`."""
        return dict(self._counts)

    @property
    def costs(self) -> Mapping[str, float]:
        """Money since the start, by deployment."""
        return dict(self._costs)

    def look(self, plan: Plan, fleet: FleetView) -> None:
        """Begin to ask whatever is due; `fleet` is as the workers see it."""
        if plan is not self._plan:
            self._plan, self._endpoints = plan, _endpoints(plan)
            self._backends = OpenAICompatible(self._endpoints, self._origins)
        self._reading.look(plan, fleet, self._endpoints)
        now = time.monotonic()
        for deployment in self._due(plan.config, fleet, now):
            if deployment.name not in self._running and len(self._running) < _MOST:
                self._asked_at[deployment.name] = now
                asking = asyncio.create_task(self._ask(deployment))
                self._running[deployment.name] = asking

    def drop(self) -> None:
        """Keep no connection: what is permitted is another list."""
        self._origins.drop()

    async def close(self) -> None:
        for task in (running := list(self._running.values())):
            task.cancel()
        await asyncio.gather(*running, self._reading.close(), return_exceptions=True)
        self._origins.close()

    def _due(self, config: Config, fleet: FleetView, now: float) -> Sequence[Deployment]:
        today = time.strftime("%Y-%m-%d", time.gmtime())
        due = []
        for deployment, state in zip(fleet.deployments, fleet.states, strict=True):
            every_s = interval(config, deployment, state.health)
            until = deployment.locus.evidence_until
            known = until is None or today <= until
            asked_at = self._asked_at.get(deployment.name, float("-inf"))
            if every_s is not None and known and now - asked_at >= every_s:
                due.append(deployment)
        return due

    async def _ask(self, deployment: Deployment) -> None:
        name = deployment.name
        try:
            async with asyncio.timeout(_PATIENCE_S):
                result = await self._answer(deployment)
        except TimeoutError:
            result = "failed"
        except BackendUnavailable as error:
            result = "limited" if error.reason == End.RATE_LIMITED else "failed"
        finally:
            self._running.pop(name, None)
        self._counts[name, result] += 1
        if result != "limited":
            self._tell(name, result == "well")

    async def _answer(self, deployment: Deployment) -> str:
        """`well`, if it answers at all: one that refuses the question is there, too."""
        reply = self._backends.prepare(deployment, question(deployment))
        usage: Usage | None = None
        try:
            await reply.open()
            async for chunk in reply.chunks():
                usage = chunk.usage or usage
        finally:
            await reply.close()
        cost = None if usage is None else cost_of(deployment, usage, reply.bytes_out)
        if cost is not None:
            self._costs[deployment.name] += cost
        return "well"


def interval(config: Config, deployment: Deployment, health: Health) -> float | None:
    """How often it is to be asked, in seconds; None: never.

    As its `probe_s` says. Without one, owned ones alone: a standby as `defaults.probe_s` says, and
    whatever failed every two seconds, unless that is 0.
    """
    entry, default_s = config.deployments[deployment.name], config.defaults.probe_s
    if entry.endpoint is None:
        return None
    if entry.probe_s is not None:
        every_s = entry.probe_s
    elif not deployment.locus.owned:
        return None
    else:
        every_s = default_s if deployment.role is Role.STANDBY else 0.0
    asked = every_s > 0 or (entry.probe_s is None and default_s > 0)
    if asked and deployment.locus.owned and health in _DOWN:
        return _AGAIN_S
    return every_s or None


def question(deployment: Deployment) -> Request:
    """The same for everybody; one token is answered."""
    model, serves = deployment.model.name, deployment.model.serves
    document: dict[str, object]
    if Service.CHAT in serves:
        wire = Wire.OPENAI_CHAT
        document = {"messages": [{"role": "user", "content": "."}], "max_tokens": 1}
    elif Service.COMPLETIONS in serves:
        wire, document = Wire.OPENAI_COMPLETIONS, {"prompt": ".", "max_tokens": 1}
    else:
        wire, document = Wire.OPENAI_EMBEDDINGS, {"input": "."}
    document = {"model": model, **document}
    body = msgspec.json.encode(document)
    return Request("probe", wire, model, document, (), len(body), body, max_completion_tokens=1)


def _endpoints(plan: Plan) -> dict[str, Endpoint]:
    return {
        name: endpoint_of(plan, name, entry, lambda _: lambda: None)
        for name, entry in plan.config.deployments.items()
        if entry.endpoint is not None
    }
