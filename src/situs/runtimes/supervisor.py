"""Keeps one model server alive: one task reads one queue, the lifecycle decides, this performs."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path
from types import MappingProxyType

from situs.core.record import End
from situs.errors import BackendUnavailable, NoCapacity, OperatorError, SitusError
from situs.runtimes.lifecycle import Action, Event, Life, State, backoff_s, step
from situs.runtimes.probe import HOST, free_port, is_healthy, read_facts
from situs.runtimes.process import Files, ServerProcess, how_it_ended
from situs.runtimes.processes import listens, reap_previous
from situs.runtimes.spec import Facts, OnState, RuntimeSpec

_NO_PROCESS = (State.STOPPED, State.BACKING_OFF, State.FAILED)
_KILLED_FOR = MappingProxyType(
    {
        State.STARTING: " because it was not ready in time",
        State.UNHEALTHY: " because it no longer answered",
        State.STOPPING: " because it did not end when asked",
    }
)


class Supervisor:
    """Owns one runtime. All methods belong to the event loop in which it was started.

    `on_state(name, state, detail)` is called in that loop at every change of state; it must not
    block or raise. The address is another one after every restart: read it when you need it.
    """

    def __init__(self, spec: RuntimeSpec, data_dir: Path, on_state: OnState) -> None:
        self.spec = spec
        self.facts: Facts | None = None
        self.detail = ""
        self._files = Files(spec.name, data_dir)
        self._on_state = on_state
        self._life = Life()
        # Events about a process carry its number; it changes when that process is gone.
        self._events: asyncio.Queue[tuple[Event, int | None]] = asyncio.Queue()
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self._asked = False
        self._waiters: set[asyncio.Future[None]] = set()
        self._process: ServerProcess | None = None
        self._prober: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._grace_s = 5.0
        self._refusal: OperatorError | None = None
        self._killed_for = ""

    @property
    def state(self) -> State:
        return self._life.state

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens, while there is a process."""
        return (HOST, self._process.port) if self._process else None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def log_path(self) -> Path:
        return self._files.log.path

    async def start(self) -> None:
        """Begin to load, and return at once; `on_state` and `ensure_ready` tell how it goes."""
        self._ask_to_start()

    async def ensure_ready(self, timeout_s: float) -> None:
        """Return once it is ready, starting it if need be; all who wait share one load.

        Raises OperatorError when it was given up (WeightsError when the weights are the reason),
        BackendUnavailable when it is not ready in time or was stopped, NoCapacity when too many
        wait already.
        """
        if self.state is State.READY:
            return
        if len(self._waiters) >= self.spec.patience.max_waiters:
            raise _later(NoCapacity(f"too many requests wait for runtime {self.spec.name}"))
        self._ask_to_start()
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            raise BackendUnavailable(
                f"runtime {self.spec.name} is {self.state} after {timeout_s:g} s",
                reason=End.TIMEOUT,
                retry_after_s=max(1, math.ceil(timeout_s)),
            ) from None
        finally:
            self._waiters.discard(waiter)

    async def stop(self, grace_s: float = 5.0) -> None:
        """End the server: asked first, killed with its whole group after the grace."""
        if self._task is None or self._task.done():
            return
        self._grace_s = grace_s
        self._post(Event.STOP_REQUESTED)
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    def _ask_to_start(self) -> None:
        """At most one start request is under way: a load that fails is not begun again by it."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        if not self._asked and self.state in (State.STOPPED, State.FAILED):
            self._asked = True
            self._post(Event.START_REQUESTED)

    def _post(self, event: Event, number: int | None = None) -> None:
        self._events.put_nowait((event, number))

    async def _run(self) -> None:
        """Take events in order until stopped; whatever ends this, no process is left."""
        try:
            await asyncio.to_thread(reap_previous, self._files.pid_file)
            while True:
                event, number = await self._events.get()
                if event is Event.START_REQUESTED:
                    self._asked = False
                if number is None or number == self._number:
                    await self._take(event)
                if self.state is State.STOPPED and self._events.empty():
                    return
        finally:
            self._drop_watchers()
            if self._process is not None:
                self._process.abandon()
                self._process = None
            self._life, self._asked = Life(), False
            self._events = asyncio.Queue()
            self._settle()

    async def _take(self, event: Event) -> None:
        before = self._life.state
        if event is Event.EXITED:
            self._process, self.facts = None, None
        self._life, actions = step(self._life, event, time.monotonic(), self.spec.patience)
        if self.state is State.READY:
            self._files.log.serving()
        if self.state is not before:
            if before in _NO_PROCESS or self.state in _NO_PROCESS:
                self._number += 1
                self._drop_watchers()
            self._note()
            self._on_state(self.spec.name, self.state, self.detail)
        for action in actions:
            await self._perform(action)

    async def _perform(self, action: Action) -> None:
        loop = asyncio.get_running_loop()
        match action:
            case Action.SPAWN:
                await self._take(await self._spawn())
            case Action.WATCH:
                self._prober = loop.create_task(self._watch(self._number))
            case Action.WAIT:
                delay = backoff_s(self._life, self.spec.patience)
                self._timer = loop.call_later(delay, self._post, Event.BACKED_OFF, self._number)
            case Action.TERMINATE if self._process is not None:
                self._drop_watchers()
                self._process.terminate()
                self._timer = loop.call_later(
                    self._grace_s, self._post, Event.GRACE_OVER, self._number
                )
            case Action.KILL if self._process is not None:
                self._killed_for = _KILLED_FOR.get(self.state, "")
                self._process.kill()
            case Action.SETTLE:
                self._settle()

    async def _spawn(self) -> Event:
        number = self._number

        def exited(code: int) -> None:
            self.detail = self._with_tail(how_it_ended(code) + self._killed_for)
            self._post(Event.EXITED, number)

        self._refusal, self._killed_for = None, ""
        try:
            if self.spec.check is not None:
                await asyncio.to_thread(self.spec.check)
            self._files.prepare()
            self._process = ServerProcess(self.spec, free_port(), self._files, exited)
        except OperatorError as refusal:
            self._refusal, self.detail = refusal, refusal.message
            return Event.REFUSED
        except OSError as problem:
            self.detail = f"cannot be started: {problem.strerror or problem}"
            return Event.SPAWN_FAILED
        return Event.SPAWNED

    async def _watch(self, number: int) -> None:
        """Probe until cancelled; a load that takes too long is reported instead of its probe."""
        patience, process = self.spec.patience, self._process
        begun, loaded = time.monotonic(), False
        while process is not None:
            healthy = await self._probe(process, first=not loaded)
            late = not loaded and time.monotonic() - begun > patience.start_timeout_s
            loaded = loaded or healthy
            if healthy:
                self._post(Event.PROBE_OK, number)
            else:
                self._post(Event.START_TIMED_OUT if late else Event.PROBE_FAILED, number)
            await asyncio.sleep(patience.probe_s if loaded else patience.start_probe_s)

    async def _probe(self, process: ServerProcess, first: bool) -> bool:
        """Healthy; and the first time: it is really ours that answers, and it says what it loaded.

        A port that was free when chosen may be someone else's by now.
        """
        if not await is_healthy(self.spec, process.port):
            return False
        if first:
            if await asyncio.to_thread(listens, process.pid, process.port) is False:
                return False
            if self.spec.props_path:
                self.facts = await read_facts(self.spec, process.port)
                return self.facts is not None
        return True

    def _note(self) -> None:
        """What a caller may want to know about the state just entered."""
        match self.state:
            case State.READY if self.facts is not None:
                self.detail = f"context of {self.facts.context_tokens} tokens, {self.facts.build}"
            case State.UNHEALTHY:
                self.detail = "alive, but its health probe fails"
            case State.BACKING_OFF:
                delay = backoff_s(self._life, self.spec.patience)
                self.detail = f"next try in {delay:g} s: {self.detail}"
            case State.FAILED if self._refusal is None:
                self._refusal = OperatorError(
                    f"runtime {self.spec.name} does not start: {self.detail}",
                    do=f"Its whole output is in {self.log_path}.",
                )
            case State.FAILED:
                pass
            case _:
                self.detail = ""

    def _settle(self) -> None:
        """Answer everyone who waits, according to the state."""
        for waiter in self._waiters:
            if waiter.done():
                continue
            if self.state is State.READY:
                waiter.set_result(None)
            else:
                waiter.set_exception(self._why_not())

    def _why_not(self) -> SitusError:
        if self.state is State.FAILED and self._refusal is not None:
            return type(self._refusal)(self._refusal.message, do=self._refusal.advice)
        return BackendUnavailable(
            f"runtime {self.spec.name} is {self.state}", reason=End.UNREACHABLE
        )

    def _drop_watchers(self) -> None:
        if self._prober is not None:
            self._prober.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._prober = self._timer = None

    def _with_tail(self, what: str) -> str:
        tail = self._files.log.tail()
        return f"{what}; its last output:\n{tail}" if tail else what


def _later(refusal: NoCapacity) -> NoCapacity:
    refusal.retry_after_s = 1
    return refusal
