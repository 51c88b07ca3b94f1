"""The parent: owns what must be single, and tells its workers what holds."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

from situs.app.crew import Crew
from situs.app.link import Runtimes
from situs.app.plan import Plan, load_plan
from situs.app.runtimes import OnState, RuntimeSet
from situs.app.setting import Setting
from situs.errors import ConfigError, OperatorError, SitusError
from situs.stores.lock import DataLock

_log = logging.getLogger(__name__)

Read = Callable[[], Setting]


class Parent:
    """A running Situs: `async with` starts it and stops it; nothing is left behind.

    `read` gives the setting anew; a reload calls it.
    """

    def __init__(
        self,
        setting: Setting,
        listener: socket.socket,
        workers: int = 1,
        read: Read | None = None,
        on_state: OnState | None = None,
    ) -> None:
        self.setting = setting
        self.generation = 0
        self.refused: Counter[str] = Counter()
        self._read = read or (lambda: setting)
        self._listener = listener
        self._plan: Plan | None = None
        self._runtimes = RuntimeSet(on_state, self._runtimes_changed)
        self.crew = Crew(workers, listener, self._answer, self.refused.update)
        self._reloading = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(DataLock(self.setting.data))
            stack.callback(self.crew.kill)
            await self.crew.spawn()
            plan = load_plan(self.setting, 0, {})
            stack.push_async_callback(self._runtimes.stop)
            await self._runtimes.start(plan)
            self.crew.tell(Runtimes(self._runtimes.states()))
            await self.crew.begin(plan)
            self._plan = plan
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def failed(self) -> bool:
        """Nothing can be called: every deployment is a supervised one that was given up."""
        deployments = self.setting.config.deployments
        return len(self._runtimes) == len(deployments) and self._runtimes.failed()

    async def settled(self) -> None:
        """Returns when every supervised model is ready or has failed to load."""
        await self._runtimes.settled()

    async def reload(self) -> None:
        """Read configuration and policy again: all of it holds from now on, or nothing changes.

        Raises ConfigError, PolicyError or another OperatorError, with file and line.
        """
        async with self._reloading:
            setting = self._read()
            if self._plan is None:
                raise ConfigError("There is nothing to reload yet.")
            check_same_process(self.setting, setting)
            plan = load_plan(setting, self.generation + 1, self._plan.slots)

            async def start_runtimes() -> None:
                await self._runtimes.start(plan)

            await self.crew.change(plan, start_runtimes)
            self._runtimes.retire(plan, setting.config.server.drain_s)
            self._runtimes_changed()
            self.setting, self._plan, self.generation = setting, plan, plan.generation

    @property
    def url(self) -> str:
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def stop(self, *, now: bool = False) -> int:
        """Take no new requests, end what runs (at once if `now`); how many are waited for."""
        self._listener.close()
        return await self.crew.stop(now=now)

    async def reload_or_tell(self) -> None:
        """A reload that nobody waits for: what is wrong is logged."""
        try:
            await self.reload()
        except SitusError as error:
            _log.error("not reloaded, all stays as it was: %s %s", error.message, error.advice)
        else:
            _log.warning("reloaded: generation %d", self.generation)

    def _runtimes_changed(self) -> None:
        self.crew.tell(Runtimes(self._runtimes.states()))

    async def _answer(self, path: str, query: str) -> tuple[int, str, bytes]:
        return 404, "application/json", b"{}"


def check_same_process(old: Setting, new: Setting) -> None:
    """Raises ConfigError for a change that only another process can make true."""
    if old.config.server != new.config.server:
        raise ConfigError(
            "server: another one takes a restart", do="Restart, or leave the section as it was."
        )


async def serve(
    parent: Parent,
    on_ready: Callable[[str, Parent], None],
    on_stop: Callable[[int], None],
) -> None:
    """Run until SIGTERM or SIGINT, then drain: running requests end, new ones get 503.

    What still runs after `drain_s`, or at a second signal, is ended and told so. SIGHUP reloads,
    unless a person's terminal went away. `on_ready` is told the base URL once models are loaded
    (an OperatorError that it raises ends all), `on_stop` how many requests are waited for.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    refused: list[OperatorError] = []
    url = parent.url

    async def greet() -> None:
        await parent.settled()
        try:
            on_ready(url, parent)
        except OperatorError as error:
            refused.append(error)
            stopping.set()

    async with parent, asyncio.TaskGroup() as tasks:

        def stop() -> None:
            if stopping.is_set():
                tasks.create_task(parent.stop(now=True))
            stopping.set()

        def reload() -> None:
            tasks.create_task(parent.reload_or_tell())

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, stop if sys.stdin.isatty() else reload)
        greeting = tasks.create_task(greet())
        await stopping.wait()
        greeting.cancel()
        if waiting := await parent.stop():
            on_stop(waiting)
        await parent.crew.ended()
    if refused:
        raise refused[0]
