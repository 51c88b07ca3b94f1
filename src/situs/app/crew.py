"""The workers: started, told what holds, replaced when they die."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec import Struct

from situs.app.confine import workers_environment
from situs.app.door import DoorKeeper, doors
from situs.app.link import (
    Alive,
    Asked,
    Believed,
    Caches,
    Drop,
    Keys,
    Lease,
    Leased,
    Link,
    Load,
    Loaded,
    News,
    Place,
    RolledBack,
    Runtimes,
    Stop,
    Stopping,
    Switch,
    Switched,
    Told,
    ToParent,
)
from situs.app.plan import Plan
from situs.config.tree import Log
from situs.core.fleet import Condition, Health
from situs.core.snapshot import Beliefs
from situs.dispatch.egress import Connector
from situs.errors import OperatorError
from situs.fleet.board import Board
from situs.placement.latency import Learned
from situs.runtimes.process import how_it_ended
from situs.trust.allowance import Grant, Report
from situs.trust.api_keys import NO_KEYS

_log = logging.getLogger(__name__)
_PATIENCE_S = 30.0
_LOAD_S = 600.0
"""Many samples of routes take long to fit; who hangs meanwhile is known by its silence."""
_YOUNG_S = 5.0
_LONGEST_PAUSE_S = 10.0
_MOST_SILENT = 10
_GRAVEST_FIRST = (
    *(Health.UNHEALTHY, Health.EJECTED, Health.LIMITED, Health.STARTING, Health.STALE),
    *(Health.HEALTHY, Health.UNKNOWN),
)


class Member(Struct):
    """One worker process as the parent sees it; `silent` counts beats since it was heard."""

    row: int
    process: asyncio.subprocess.Process
    link: Link
    door: DoorKeeper
    since: float
    generation: int = -1
    silent: int = 0
    problem: str | None = None
    conditions: dict[str, Condition] = {}
    replies: asyncio.Queue[Loaded | Switched | Stopping] = msgspec.field(
        default_factory=asyncio.Queue
    )

    @property
    def name(self) -> str:
        """No other worker has had it."""
        return f"{self.row}-{self.process.pid}"

    async def ask(self, message: Load | Switch | Stop) -> Loaded | Switched | Stopping | None:
        """None when it died, or did not answer in time."""
        self.link.send(message)
        gone = asyncio.create_task(self.process.wait())
        reply = asyncio.create_task(self.replies.get())
        try:
            await asyncio.wait(
                {gone, reply},
                timeout=_LOAD_S if isinstance(message, Load) else _PATIENCE_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            return reply.result() if reply.done() else None
        finally:
            gone.cancel()
            reply.cancel()

    def end(self) -> None:
        """At once; what it wrote down is safe."""
        if self.process.returncode is None:
            self.process.kill()


class Callbacks(Struct, frozen=True):
    """What the parent is told and asked.

    `answer` takes a path and a query; `refused` the counts of requests that a worker turned away
    undecided, by code; `lease` a worker's report of a key's use; `gone` the name of a dead worker;
    `learned` says how long the deployments of a plan take.
    """

    answer: Callable[[str, str], Awaitable[tuple[int, str, bytes]]]
    refused: Callable[[dict[str, int]], None]
    lease: Callable[[str, Report], Grant]
    gone: Callable[[str], None]
    learned: Callable[[Plan], dict[str, Learned]]


class Crew:
    """Owns the board and the workers, one a listener. All hold one plan, or are being told.

    `connector` opens their connections.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        log: Log,
        callbacks: Callbacks,
        connector: Connector,
    ) -> None:
        self.size = len(listeners)
        self.restarts = self.cut = 0
        self.copies = Counter[str]()
        self._listeners = listeners
        self._log = log
        self._callbacks = callbacks
        self._connector = connector
        self._board_fd = Board.make(self.size)
        self.board = Board(self._board_fd, None)
        self._plan: Plan | None = None
        self._runtimes = Runtimes({})
        self._keys = Keys(NO_KEYS)
        self._beliefs = Believed(Beliefs())
        self._rolled_back = RolledBack(frozenset())
        self._caches = Caches({})
        self._members: dict[int, Member] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._asking: set[asyncio.Task[None]] = set()
        self._telling = asyncio.Lock()
        self._stopping = False

    @property
    def members(self) -> list[Member]:
        return [self._members[row] for row in sorted(self._members)]

    async def spawn(self) -> None:
        """Start the processes; they load what they need while the parent does so too."""
        for row in range(self.size):
            self._members[row] = await self._spawn(row)

    async def begin(self, plan: Plan) -> None:
        """The first plan. Raises OperatorError when a worker cannot use it."""
        for member in self.members:
            self._keepers.append(asyncio.create_task(self._keep(member)))
        await self.change(plan)

    async def change(self, plan: Plan, before: Callable[[], Awaitable[None]] | None = None) -> None:
        """Another plan for all of them, or for none: then OperatorError, and nothing changed.

        `before` is awaited when all have loaded it and none uses it yet.
        """
        async with self._telling:
            members = self.members
            replies = await asyncio.gather(*(m.ask(Load(plan)) for m in members))
            for member, reply in zip(members, replies, strict=True):
                if reply is None:
                    member.end()  # its successor is given what holds then
            loaded = [r for r in replies if isinstance(r, Loaded)]
            problems = [reply.problem for reply in loaded if reply.problem is not None]
            if problems or not loaded:
                raise OperatorError(problems[0] if problems else "No worker could be started.")
            if before is not None:
                await before()
            self._plan = plan
            self.board.bind(plan.slots)
            await asyncio.gather(*(self._switch(m, plan) for m in self.members))

    def tell(self, news: News | Keys) -> None:
        """Every worker, now and (but for probes) when it is replaced."""
        if isinstance(news, Keys):
            self._keys = news
        elif isinstance(news, Runtimes):
            self._runtimes = news
        elif isinstance(news, Believed):
            self._beliefs = news
        elif isinstance(news, RolledBack):
            self._rolled_back = news
        elif isinstance(news, Caches):
            self._caches = news
        for member in self.members:
            member.link.send(news)

    def drop_connections(self) -> None:
        """No worker keeps a connection for the next request; those that run go on."""
        for member in self.members:
            member.link.send(Drop())

    def conditions(self) -> dict[str, Condition]:
        """How deployments are, as the worker says that says the gravest."""
        said: dict[str, Condition] = {}
        for member in self.members:
            for name, one in member.conditions.items():
                known = said.get(name)
                if known is None or _grave(one) < _grave(known):
                    said[name] = one
        return said

    def in_flight(self, deployment: str) -> int:
        return self.board.count(deployment)

    async def stop(self, *, now: bool = False) -> int:
        """Ask all to end, and say how many requests are still running."""
        self._stopping = True
        replies = await asyncio.gather(*(m.ask(Stop(now)) for m in self.members))
        return sum(reply.running for reply in replies if isinstance(reply, Stopping))

    async def ended(self) -> None:
        """Returns when every worker is gone."""
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for member in self.members:
            await member.process.wait()

    def kill(self) -> None:
        """At once; for when the parent fails."""
        self._stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        for member in self.members:
            member.end()

    async def _spawn(self, row: int) -> Member:
        ours, theirs = socket.socketpair()
        inside, outside = doors()
        place = Place(
            row,
            self._listeners[row].fileno(),
            theirs.fileno(),
            outside.fileno(),
            self._board_fd,
            self._log,
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "situs.app.worker", msgspec.json.encode(place).decode()),
            pass_fds=(place.listener, place.link, place.door, place.board),
            stdin=asyncio.subprocess.DEVNULL,
            env=workers_environment(),
            start_new_session=True,
        )
        theirs.close()
        outside.close()
        door = DoorKeeper(inside, self._connector)
        return Member(row, process, await Link.over(ours, ToParent), door, time.monotonic())

    async def _keep(self, member: Member) -> None:
        """Listen to a worker until it is gone; unless all stop, put another in its place."""
        pause_s = 0.0
        while True:
            async for message in member.link.messages():
                self._take(member, message)
            member.link.close()
            code = await member.process.wait()
            member.door.close()
            self.cut += self.board.clear(member.row)
            self._callbacks.gone(member.name)
            if self._stopping or self._plan is None:
                return
            _log.warning(
                "worker %d (process %d) %s; another takes its place",
                *(member.row, member.process.pid, how_it_ended(code)),
            )
            self.restarts += 1
            lived_s = time.monotonic() - member.since
            pause_s = 0.0 if lived_s > _YOUNG_S else min(max(0.1, 2 * pause_s), _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)
            if self._stopping:
                return
            member = self._members[member.row] = await self._spawn(member.row)
            asking = asyncio.create_task(self._bring_up(member))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)

    async def _bring_up(self, member: Member) -> None:
        """A new one learns what holds; one that cannot is ended, and replaced in its turn."""
        async with self._telling:
            plan = self._plan
            if plan is None:
                return
            reply = await member.ask(Load(plan))
            if isinstance(reply, Loaded) and reply.problem is None:
                await self._switch(member, plan)
                return
        if isinstance(reply, Loaded):
            _log.warning("worker %d cannot be used: %s", member.row, reply.problem)
        member.end()

    async def _switch(self, member: Member, plan: Plan) -> None:
        member.link.send(self._runtimes)
        member.link.send(self._keys)
        member.link.send(self._beliefs)
        member.link.send(self._rolled_back)
        switch = Switch(plan.generation, self._callbacks.learned(plan))
        if await member.ask(switch) is not None:
            member.generation = plan.generation
            member.link.send(self._caches)

    def beat(self) -> None:
        """Once a second: a worker that has said nothing for long serves nobody, and is replaced."""
        for member in self.members:
            member.silent += 1
            if member.silent == _MOST_SILENT and not self._stopping:
                _log.warning("worker %d does not answer; it is ended", member.row)
                member.end()

    def _take(self, member: Member, message: ToParent) -> None:
        member.silent = 0
        match message:
            case Loaded() | Switched() | Stopping():
                member.replies.put_nowait(message)
            case Asked():
                asking = asyncio.create_task(self._tell_answer(member, message))
                self._asking.add(asking)
                asking.add_done_callback(self._asking.discard)
            case Lease(number, report):
                grant = self._callbacks.lease(member.name, report)
                member.link.send(Leased(number, grant))
            case Alive(problem, refused, conditions, copies):
                member.problem, member.conditions = problem, conditions
                self.copies.update(copies)
                if refused:
                    self._callbacks.refused(refused)

    async def _tell_answer(self, member: Member, asked: Asked) -> None:
        status, kind, body = await self._callbacks.answer(asked.path, asked.query)
        member.link.send(Told(asked.number, status, kind, body))


def _grave(condition: Condition) -> int:
    return _GRAVEST_FIRST.index(condition.health)
