"""The composition root: configuration in, running system out. Only this file knows every class."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import uvicorn
from msgspec import Struct

from situs.analysis import DEFAULT_FLOORS, analyse, warm
from situs.backends.openai_compatible import Endpoint, OpenAICompatible
from situs.config import build
from situs.config.rules import is_loopback
from situs.config.secrets import Secret, resolve
from situs.config.tree import Config
from situs.config.tree import Deployment as Entry
from situs.core.decision import Analysis
from situs.core.fleet import Health
from situs.core.request import Request
from situs.core.snapshot import Labels, Routes, Snapshot
from situs.errors import AddressInUse, ConfigError, OperatorError, SitusError
from situs.fleet.registry import Registry
from situs.fleet.situation import Situation
from situs.gateway import Gateway
from situs.http.admin import Admin
from situs.http.app import App, Handler
from situs.http.guard import Guard
from situs.http.guarded import GuardedProtocol
from situs.http.inference import Chat
from situs.rego.embedded import load as load_policy
from situs.rego.library import shipped
from situs.runtimes.lifecycle import State
from situs.runtimes.llama_cpp import llama_spec, locate
from situs.runtimes.supervisor import Supervisor
from situs.runtimes.weights import load_lock
from situs.stores.lock import DataLock
from situs.stores.segments import SegmentWriter
from situs.trust.keys import open_signing_key

_log = logging.getLogger("situs")

_HEALTH = {
    State.READY: Health.HEALTHY,
    State.STARTING: Health.STARTING,
    State.UNHEALTHY: Health.STALE,  # it lives: a probe that fails may only mean that it is busy
}

_LOAD_TIMEOUT_S = 600.0

OnState = Callable[[str, State, str], None]


class Setting(Struct, frozen=True):
    """What a system is built from: the tree, the folder it stands in, where data live."""

    config: Config
    base: Path
    data: Path


def build_snapshot(setting: Setting) -> Snapshot:
    """The deciding half: enough for `explain`, without sockets, files to write or models.

    Raises ConfigError, PolicyError or WeightsError for what cannot be built.
    """
    warm()
    config = setting.config
    weights = {name: entry.sha256 for name, entry in load_lock().items()}
    deployments = build.fleet_of(config, weights)
    digest = build.fleet_digest(deployments)
    view = Registry(deployments, digest, time.monotonic).view()
    paths = build.policy_paths(config, setting.base) or (shipped(),)
    return Snapshot(
        fleet=view,
        policy=load_policy(paths),
        labels=build.labels_of(config, DEFAULT_FLOORS),
        objective=config.defaults.objective,
        home=config.home or "",
    )


class System:
    """A running Situs: `async with` starts it and stops it; nothing is left behind."""

    def __init__(self, setting: Setting, on_state: OnState | None = None) -> None:
        self.setting = setting
        fixed = build_snapshot(setting)
        self._registry = Registry(fixed.fleet.deployments, fixed.fleet.digest, time.monotonic)
        self._on_state = on_state
        self._runtime_keys: dict[str, str] = {}
        self._supervisors = {
            name: self._supervisor(name, entry)
            for name, entry in setting.config.deployments.items()
            if entry.runtime is not None
        }
        self._secrets = _secrets(setting)
        self._backends = OpenAICompatible(
            {
                name: self._endpoint(name, entry)
                for name, entry in setting.config.deployments.items()
            }
        )
        self.situation = Situation(self._registry, fixed, self._backends)
        self.receipts: SegmentWriter | None = None
        self._aside = ThreadPoolExecutor(2, "situs-analysis")
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            data = self.setting.data
            stack.enter_context(DataLock(data))
            writer = SegmentWriter(data / "receipts", open_signing_key(data / "keys"), time.time)
            writer.start()
            stack.callback(writer.close)
            self.receipts = writer
            stack.callback(self._backends.close)
            stack.callback(self._aside.shutdown, wait=False, cancel_futures=True)
            for supervisor in self._supervisors.values():
                stack.push_async_callback(supervisor.stop)
                await supervisor.start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def app(self) -> App:
        """The ASGI application over this system."""
        if self.receipts is None:
            raise RuntimeError("not started")
        gateway = Gateway(
            situation=self.situation,
            receipts=self.receipts,
            wall=time.time,
            clock=time.monotonic,
            aside=self._analyse_aside,
        )
        writer, server = self.receipts, self.setting.config.server
        admin = Admin(gateway, lambda: writer.state().problem)
        routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): Chat(gateway),
            ("GET", "/v1/models"): admin.models,
            ("GET", "/v1/models/"): admin.model,
            ("POST", "/situs/v1/explain"): admin.explain,
            ("GET", "/situs/v1/fleet"): admin.fleet,
            ("GET", "/livez"): admin.livez,
            ("GET", "/readyz"): admin.readyz,
        }
        hosts = frozenset(host.lower() for host in server.allowed_hosts)
        origins = frozenset(origin.lower() for origin in server.allowed_origins)
        return App(routes, Guard(hosts, origins), server.max_body_mb * 1_000_000)

    async def _analyse_aside(self, request: Request, labels: Labels, routes: Routes) -> Analysis:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._aside, analyse, request, labels, routes)

    def failed(self) -> bool:
        """Nothing can be called: every deployment is a supervised one that was given up."""
        given_up = [s for s in self._supervisors.values() if s.state is State.FAILED]
        return len(given_up) == len(self.setting.config.deployments)

    async def settled(self) -> None:
        """Returns when every supervised model is ready or has failed to load."""
        for supervisor in self._supervisors.values():
            with suppress(SitusError):
                await supervisor.ensure_ready(_LOAD_TIMEOUT_S)

    def _supervisor(self, name: str, entry: Entry) -> Supervisor:
        config, data = self.setting.config, self.setting.data
        model, runtime = config.models[entry.model], entry.runtime
        if runtime is None or model.file is None:
            raise ConfigError(f"deployments.{name}: no weights to run")
        spec = llama_spec(
            name,
            locate(model.file, data / "models"),
            context_tokens=runtime.context_tokens or model.context_tokens,
            threads=runtime.threads,
            parallel=runtime.parallel,
        )
        self._registry.set_health(name, Health.STARTING)
        self._runtime_keys[name] = spec.api_key
        return Supervisor(spec, data, self._supervised)

    def _supervised(self, name: str, state: State, detail: str) -> None:
        health = _HEALTH.get(state, Health.UNHEALTHY)
        if state is State.READY and (short := self._short_of_context(name)):
            health, detail = Health.UNHEALTHY, short
        self._registry.set_health(name, health)
        _log.info("runtime %s is %s %s", name, state, detail)
        if self._on_state is not None:
            self._on_state(name, state, detail)

    def _short_of_context(self, name: str) -> str | None:
        """A backend's own limit is read, not assumed: less than configured would cut prompts."""
        facts = self._supervisors[name].facts
        fleet = self.situation.current().snapshot.fleet
        promised = next(d.model.context_tokens for d in fleet.deployments if d.name == name)
        if facts is None or facts.context_tokens >= promised:
            return None
        return f"not used: a context of {facts.context_tokens} tokens, configured are {promised}"

    def _endpoint(self, name: str, entry: Entry) -> Endpoint:
        defaults = self.setting.config.defaults
        base_url, key = self._address(name, entry)
        return Endpoint(
            base_url=base_url,
            model=build.upstream_model(entry),
            key=key,
            connect_timeout_s=defaults.connect_timeout_s,
            first_byte_timeout_s=defaults.first_byte_timeout_s,
            answer_timeout_s=defaults.answer_timeout_s,
            stall_timeout_s=defaults.stall_timeout_s,
        )

    def _address(
        self, name: str, entry: Entry
    ) -> tuple[Callable[[], str | None], Callable[[], str | None]]:
        if entry.endpoint is not None:
            url, secret = build.base_url(entry.endpoint), self._secrets.get(name)
            return (lambda: url), (lambda: None if secret is None else secret.reveal())
        supervisor, runtime_key = self._supervisors[name], self._runtime_keys[name]
        return (lambda: _loopback_url(supervisor)), (lambda: runtime_key)


def _loopback_url(supervisor: Supervisor) -> str | None:
    address = supervisor.address
    return None if address is None else f"http://{address[0]}:{address[1]}/v1"


def _secrets(setting: Setting) -> Mapping[str, Secret]:
    """Every secret the configuration names, resolved. Raises ConfigError for one that is not."""
    return {
        name: resolve(entry.endpoint.key, setting.base, at=f"deployments.{name}.endpoint.key")
        for name, entry in setting.config.deployments.items()
        if entry.endpoint is not None and entry.endpoint.key is not None
    }


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises AddressInUse; ConfigError beyond loopback, which needs keys."""
    if not is_loopback(host):
        raise ConfigError(
            f"server.host is {host}: Situs does not listen beyond loopback without API keys",
            do="Listen on 127.0.0.1, and put a proxy that authenticates in front.",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise AddressInUse(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
    return listener


OnReady = Callable[[str, System], None]


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the system closes after the last request."""

    @contextmanager
    def capture_signals(self) -> Any:
        yield


def _server(app: App, drain_s: float) -> _Server:
    """uvicorn over `app`; its own limit of a stop is only a second net below ours."""
    return _Server(
        uvicorn.Config(
            app,
            http=GuardedProtocol,
            loop="uvloop",
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(drain_s) + 5,
        )
    )


def _settle_memory() -> None:
    """What start-up made stays: the collector need not look at it again, nor look that often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def serve(
    setting: Setting,
    listener: socket.socket,
    on_state: OnState | None = None,
    on_ready: OnReady | None = None,
    on_stop: Callable[[int], None] | None = None,
) -> None:
    """Run until SIGTERM or SIGINT, then drain: running requests end, new ones get 503.

    What still runs after `drain_s`, or at a second signal, is ended and told so. `on_ready` is told
    the base URL once models are loaded (an OperatorError that it raises ends all), `on_stop` how
    many requests are waited for.
    """
    async with System(setting, on_state) as system:
        app = system.app()
        drain_s = setting.config.server.drain_s
        server = _server(app, drain_s)

        def stop() -> None:
            again = server.should_exit
            if not again and app.running and on_stop is not None:
                on_stop(len(app.running))
            app.draining = server.should_exit = True
            loop.call_later(0 if again else drain_s, app.stop_running)

        _settle_memory()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        async with asyncio.TaskGroup() as tasks:
            greeting = tasks.create_task(_greet(system, f"http://{shown}:{port}", on_ready, stop))
            await server.serve(sockets=[listener])
            greeting.cancel()
        if greeting.done() and not greeting.cancelled() and (refused := greeting.result()):
            raise refused


async def _greet(
    system: System, url: str, on_ready: OnReady | None, stop: Callable[[], None]
) -> OperatorError | None:
    """Tell once requests can be served: when every supervised model is loaded or given up."""
    await system.settled()
    try:
        if on_ready is not None:
            on_ready(url, system)
    except OperatorError as error:
        stop()
        return error
    return None
