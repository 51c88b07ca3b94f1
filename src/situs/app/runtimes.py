"""The models that this machine runs, as the configuration wants them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from msgspec import Struct

from situs.app.link import RuntimeState
from situs.app.plan import Plan, models_dir
from situs.config import build
from situs.config.tree import Deployment as Entry
from situs.config.tree import Onnx
from situs.core.fleet import Health
from situs.errors import ConfigError, SitusError
from situs.runtimes.lifecycle import State
from situs.runtimes.llama_cpp import llama_spec
from situs.runtimes.onnx import check_onnx
from situs.runtimes.supervisor import Supervisor
from situs.runtimes.weights import locate
from situs.runtimes.within import Within

_log = logging.getLogger(__name__)

_HEALTH = {
    State.READY: Health.HEALTHY,
    State.STARTING: Health.STARTING,
    State.UNHEALTHY: Health.STALE,  # it lives: a probe that fails may only mean that it is busy
}
_LOAD_TIMEOUT_S = 600.0

OnState = Callable[[str, State, str], None]


class _Server(Struct):
    """One model that runs here; `made_from` says with which settings."""

    supervisor: Supervisor | Within
    key: str
    made_from: object
    promised_tokens: int
    state: RuntimeState


class RuntimeSet:
    """Owns the supervisors. `on_change` is called when the state of any is another one."""

    def __init__(self, on_state: OnState | None, on_change: Callable[[], None]) -> None:
        self._on_state = on_state
        self._on_change = on_change
        self._servers: dict[str, _Server] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def states(self) -> dict[str, RuntimeState]:
        return {name: server.state for name, server in self._servers.items()}

    async def start(self, plan: Plan) -> None:
        """Start what the plan has and does not run yet; what has other settings is started again.

        Raises before anything is started.
        """
        wanted = _wanted(plan)
        new = {
            name: self._server(plan, name, entry)
            for name, entry in wanted.items()
            if name not in self._servers or self._servers[name].made_from != _settings(plan, entry)
        }
        for name, server in new.items():
            if name in self._servers:
                await self._servers[name].supervisor.stop()
            self._servers[name] = server
            await server.supervisor.start()

    def retire(self, plan: Plan, grace_s: float) -> None:
        """Stop what the plan no longer has, `grace_s` later: requests may still be running."""
        wanted = _wanted(plan)
        for name in [name for name in self._servers if name not in wanted]:
            self._leave(self._servers.pop(name), grace_s)

    def failed(self) -> bool:
        """Every model was given up."""
        return all(s.supervisor.state is State.FAILED for s in self._servers.values())

    def __len__(self) -> int:
        return len(self._servers)

    async def settled(self) -> None:
        """Returns when every model is ready or has failed to load."""
        for server in list(self._servers.values()):
            with suppress(SitusError):
                await server.supervisor.ensure_ready(_LOAD_TIMEOUT_S)

    async def stop(self) -> None:
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(
            *(server.supervisor.stop() for server in self._servers.values()),
            *self._leaving,
            return_exceptions=True,
        )

    def _leave(self, server: _Server, grace_s: float) -> None:
        async def end() -> None:
            try:
                await asyncio.sleep(grace_s)
            finally:
                await server.supervisor.stop()

        task = asyncio.get_running_loop().create_task(end())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _server(self, plan: Plan, name: str, entry: Entry) -> _Server:
        model, runtime = plan.config.models[entry.model], entry.runtime
        starting = RuntimeState(Health.STARTING, None, "", loading=plan.generation == 0)
        if isinstance(runtime, Onnx):
            spec = build.onnx_of(model, runtime, models_dir(plan))
            within = Within(name, partial(check_onnx, spec), self._changed)
            return _Server(within, "", (runtime, model), 0, starting)
        if runtime is None or model.file is None:
            raise ConfigError(f"deployments.{name}: no weights to run")
        context_tokens = runtime.context_tokens or model.context_tokens
        llama = llama_spec(
            name,
            locate(model.file, models_dir(plan)),
            context_tokens=context_tokens,
            threads=runtime.threads,
            parallel=runtime.parallel,
        )
        supervisor = Supervisor(llama, models_dir(plan).parent, self._changed)
        return _Server(supervisor, llama.api_key, (runtime, model), context_tokens, starting)

    def _changed(self, name: str, state: State, detail: str) -> None:
        server = self._servers.get(name)
        if server is None:
            return
        health = _HEALTH.get(state, Health.UNHEALTHY)
        if state is State.READY and (short := _short_of_context(server)):
            health, detail = Health.UNHEALTHY, short
        loading = server.state.loading and state is State.STARTING
        address = server.supervisor.address
        server.state = RuntimeState(health, address, server.key, loading)
        _log.info("runtime %s is %s %s", name, state, detail)
        if self._on_state is not None:
            self._on_state(name, state, detail)
        self._on_change()


def _wanted(plan: Plan) -> dict[str, Entry]:
    deployments = plan.config.deployments
    return {name: entry for name, entry in deployments.items() if entry.runtime is not None}


def _settings(plan: Plan, entry: Entry) -> object:
    """What a server has to be started again for, when it is another."""
    return (entry.runtime, plan.config.models[entry.model])


def _short_of_context(server: _Server) -> str | None:
    """A backend's own limit is read, not assumed: less than configured would cut prompts."""
    facts = server.supervisor.facts
    if facts is None or facts.context_tokens >= server.promised_tokens:
        return None
    promised = server.promised_tokens
    return f"not used: a context of {facts.context_tokens} tokens, configured are {promised}"
