"""One worker: the request path in a process of its own, told by the parent what holds.

Run as `python -m situs.app.worker`, with the descriptors that it inherits (see `Place`).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from msgspec.structs import replace

from situs.analysis.sensitivity import warming
from situs.app.confine import guard
from situs.app.copies import Copies
from situs.app.deep import DeepTier
from situs.app.door import Door
from situs.app.haste import Haste
from situs.app.insight import Insight, insight_of, snapshot_of
from situs.app.link import (
    Alive,
    Believed,
    Caches,
    Drop,
    Keys,
    Leased,
    Link,
    Load,
    Loaded,
    News,
    Place,
    Probed,
    RolledBack,
    Runtimes,
    RuntimeState,
    Stop,
    Stopping,
    Switch,
    Switched,
    Told,
    ToWorker,
)
from situs.app.plan import Plan
from situs.app.policy_server import asking
from situs.app.server import Server, quiet_server
from situs.app.wiring import Desk, application, backends_of
from situs.backends.onnx_embeddings import Encoders
from situs.backends.openai_compatible import Origins
from situs.config import build
from situs.core.fleet import Condition
from situs.core.ports import Backends
from situs.core.snapshot import Beliefs, Snapshot
from situs.dispatch.budget import Budgets
from situs.dispatch.line import Line
from situs.errors import SitusError
from situs.fleet.board import Board
from situs.fleet.prefixes import Prefixes
from situs.fleet.registry import Registry
from situs.fleet.situation import Situation
from situs.gateway import Gateway
from situs.http.admin import Admin
from situs.http.app import App
from situs.http.approvals import ApprovalDesk
from situs.http.auth import Auth, key_required
from situs.placement.latency import Learned
from situs.runtimes.seal import seal
from situs.stores.approvals import ApprovalQueue
from situs.stores.layout import receipts_dir
from situs.stores.segments import SegmentWriter
from situs.stores.sessions import SessionLabels
from situs.telemetry.logs import catch_all, set_up
from situs.trust.api_keys import NO_KEYS
from situs.trust.keys import open_signing_key
from situs.trust.secret import open_secret

_log = logging.getLogger(__name__)
_BEAT_S = 1.0
_BREATH_S = 0.001


class Worker:
    """Owns a receipt chain, the connections to upstreams, and one generation after the other."""

    def __init__(self, link: Link, door: Door, listener: socket.socket, board: Board) -> None:
        self._link = link
        self._listener = listener
        self._board = board
        self._origins = Origins(door.dial)
        self._encoders = Encoders()
        self._runtimes: dict[str, RuntimeState] = {}
        self._loaded: tuple[Plan, Snapshot, Backends] | None = None
        self._situation: Situation | None = None
        self._registry: Registry | None = None
        self._aside = ThreadPoolExecutor(2, "situs-analysis")
        self._deep = DeepTier()
        self._haste = Haste()
        self._line = Line()
        self._receipts: SegmentWriter | None = None
        self._secret = b""
        self._sessions: SessionLabels | None = None
        self._approvals: ApprovalQueue | None = None
        self._app: App | None = None
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._drain_s = 0.0
        self._used = (time.monotonic(), time.thread_time())
        self._insight: Insight | None = None
        self._loading_plan: asyncio.Task[None] | None = None
        self._desk = Desk(link)
        self._table = NO_KEYS
        self._beliefs = Beliefs()
        self._rolled_back: frozenset[str] = frozenset()
        self._copies: Copies | None = None
        self._auth: Auth | None = None
        self._stack = ExitStack()

    async def run(self) -> None:
        """Serve until told to stop, or until the parent is gone; then end what runs."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop, Stop())
        beating = loop.create_task(self._beat())
        with self._stack:
            async for message in self._link.messages():
                self._take(message)
            self._stop(Stop())
            if self._serving is not None:
                await self._serving
            if self._copies is not None:
                await self._copies.shadow.close()
            beating.cancel()

    def _take(self, message: ToWorker) -> None:
        match message:
            case Load(plan):
                self._loading_plan = asyncio.get_running_loop().create_task(self._load(plan))
            case Switch(generation, learned):
                self._switch(learned)
                self._link.send(Switched(generation))
            case Runtimes() | Probed() | Believed() | RolledBack() | Caches():
                self._heard_of(message)
            case Stop():
                self._stop(message)
            case Drop():
                self._origins.drop()
            case Told() | Leased():
                self._desk.told(message)
            case Keys(table):
                self._table = table
                if self._auth is not None:
                    self._auth.table = table

    async def _load(self, plan: Plan) -> None:
        """Beside what holds, which goes on meanwhile; nothing changes yet."""
        self._link.send(Loaded(plan.generation, await self._loaded_or_why(plan)))

    async def _loaded_or_why(self, plan: Plan) -> str | None:
        """Why it cannot be used, if so."""
        try:
            self._insight = await self._away(partial(insight_of, plan, self._insight))
            engine, token = plan.config.policy.engine, plan.policy_token
            snapshot = asking(snapshot_of(plan, self._insight), engine, token, self._origins)
            backends = backends_of(plan, self._origins, self._encoders, self._runtime)
            if self._receipts is None:
                self._begin(plan)
            else:
                self._receipts.sign_with(open_signing_key(Path(plan.data) / "keys"))
        except SitusError as error:
            return f"{error.message} {error.advice}"
        except Exception as error:
            _log.exception("a plan could not be loaded")
            return f"It could not be loaded: {type(error).__name__}."
        self._loaded = (plan, snapshot, backends)
        return None

    def _begin(self, plan: Plan) -> None:
        data = Path(plan.data)
        writer = SegmentWriter(
            receipts_dir(data),
            open_signing_key(data / "keys"),
            time.time,
            build.pace_of(plan.config),
        )
        writer.start()
        self._receipts = writer
        self._secret = open_secret(data / "keys")
        self._sessions = SessionLabels(data, self._secret)
        self._approvals = ApprovalQueue(data)
        self._stack.callback(self._sessions.close)
        self._stack.callback(self._approvals.close)
        self._stack.callback(self._aside.shutdown, wait=False, cancel_futures=True)
        self._stack.callback(self._deep.close)
        self._stack.callback(self._origins.close)
        self._stack.callback(self._encoders.close)
        self._stack.callback(writer.close)

    def _switch(self, learned: Mapping[str, Learned]) -> None:
        """All at once: whoever asked before goes on with what it was given."""
        if self._loaded is None:
            return
        plan, snapshot, backends = self._loaded
        snapshot = replace(snapshot, beliefs=self._beliefs, rolled_back=self._rolled_back)
        self._loaded = None
        self._board.bind(plan.slots)
        self._drain_s = plan.config.server.drain_s
        self._line.most = plan.config.server.max_waiting
        self._line.patience_s = plan.config.server.patience_s
        self._deep.budget_s = plan.config.analysis.deep_budget_ms / 1000
        if self._situation is None:
            fleet = snapshot.fleet
            board, seed = self._board, os.getpid()
            self._registry = registry = Registry(
                fleet.deployments, fleet.digest, time.monotonic, board, seed, board.times
            )
            prefixes = Prefixes(fleet.deployments, time.monotonic, board.hearsay)
            self._situation = Situation(registry, snapshot, backends, prefixes)
            self._serve(plan, self._situation)
        else:
            self._situation.load(snapshot, backends)
        if self._registry is not None:
            self._registry.teach(learned)
        self._tell_health()

    def _serve(self, plan: Plan, situation: Situation) -> None:
        receipts, sessions, approvals = self._receipts, self._sessions, self._approvals
        if receipts is None or sessions is None or approvals is None:
            raise RuntimeError("nothing was loaded")
        copies = Copies(Path(plan.data), self._haste)
        gateway = Gateway(
            situation,
            receipts,
            time.time,
            time.monotonic,
            self._away,
            self._deep,
            self._haste,
            sessions,
            approvals,
            Budgets(time.monotonic),
            self._line,
            self._secret,
            copies.mirror,
        )
        copies.gateway, self._copies = gateway, copies
        server = plan.config.server
        required = key_required(server.host, server.require_key)
        self._auth = auth = Auth(self._table, required, self._desk.lease)
        admin = Admin(
            gateway,
            lambda: receipts.state().problem,
            lambda: sorted(name for name, state in self._runtimes.items() if state.loading),
            sessions.problem,
            self._conditions,
        )
        desks = (self._desk, ApprovalDesk(Path(plan.data), time.time))
        self._app = application(plan, gateway, admin, desks, auth)
        self._server = quiet_server(
            self._app, self._drain_s, limit_concurrency=server.max_connections
        )
        settle_memory()
        serving = self._server.serve(sockets=[self._listener])
        self._serving = asyncio.get_running_loop().create_task(serving)

    def _stop(self, how: Stop) -> None:
        """New connections are no longer taken; a second time, or `now`, ends what still runs."""
        if self._app is None or self._server is None:
            self._link.close()
            return
        again = self._server.should_exit
        self._app.draining = True
        self._server.stop()
        wait_s = 0.0 if how.now or again else self._drain_s
        asyncio.get_running_loop().call_later(wait_s, self._app.stop_running)
        self._link.send(Stopping(len(self._app.running)))
        if self._serving is not None:
            self._serving.add_done_callback(lambda _: self._link.close())

    async def _away(self, run: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._aside, run)

    def _runtime(self, deployment: str) -> Callable[[], RuntimeState | None]:
        return lambda: self._runtimes.get(deployment)

    def _heard_of(self, news: News) -> None:
        if isinstance(news, Runtimes):
            self._runtimes = news.states
            self._tell_health()
        elif isinstance(news, Believed):
            self._beliefs = news.beliefs
            if self._situation is not None:
                self._situation.believe(news.beliefs)
        elif isinstance(news, RolledBack):
            self._rolled_back = news.scopes
            if self._situation is not None:
                self._situation.roll_back(news.scopes)
        elif isinstance(news, Probed):
            if self._registry is not None:
                self._registry.probed(news.deployment, news.well)
        elif self._situation is not None:
            self._situation.said(news.facts)

    def _tell_health(self) -> None:
        """Supervised servers are as the parent says; their names may not be in the fleet yet."""
        if self._registry is not None:
            for name, state in self._runtimes.items():
                self._registry.set_health(name, state.health)

    async def _beat(self) -> None:
        for beat in count(1):
            await asyncio.sleep(_BEAT_S)
            if self._serving is not None:
                collect(beat)
            if self._registry is not None:
                self._registry.hear()
            busy = self._busy()
            self._deep.leave_room(busy)
            self._haste.tell(busy)
            if self._receipts is None or self._app is None:
                self._link.send(Alive(None, {}, {}))  # it is still loading
                continue
            refused, self._app.refused = self._app.refused, Counter()
            problem = self._receipts.state().problem
            copied = {} if self._copies is None else self._copies.counted()
            self._link.send(Alive(problem, dict(refused), self._conditions(), copied))

    def _busy(self) -> float:
        """What this thread used of a core since it was asked last."""
        before, self._used = self._used, (time.monotonic(), time.thread_time())
        passed = self._used[0] - before[0]
        return (self._used[1] - before[1]) / passed if passed > 0 else 0.0

    def _conditions(self) -> dict[str, Condition]:
        return {} if self._registry is None else self._registry.conditions()


def settle_memory() -> None:
    """What start-up made stays; from now on garbage is collected by `collect` alone.

    Left to itself, the collector runs on whatever thread allocates, and a policy engine that a
    cycle holds (a failed request's traceback) may be dropped on its own thread only.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


def collect(beat: int) -> None:
    """Once a second, on the thread of the loop: what fails leaves cycles behind."""
    gc.collect(2 if beat % 60 == 0 else 1 if beat % 10 == 0 else 0)


async def _run(place: Place) -> None:
    link = await Link.over(socket.socket(fileno=place.link), ToWorker)
    door = Door(socket.socket(fileno=place.door))
    listener = socket.socket(fileno=place.listener)
    worker = Worker(link, door, listener, Board(place.board, place.row))
    steps = warming()
    next(steps)  # what every text needs
    warm = asyncio.get_running_loop().create_task(_warm(steps))
    await worker.run()
    warm.cancel()


async def _warm(steps: Iterator[None]) -> None:
    """What some texts need, compiled between requests; who comes before it waits for his own."""
    for _ in steps:
        await asyncio.sleep(_BREATH_S)


def main() -> None:
    """The argument is the place, as JSON."""
    place = msgspec.json.decode(sys.argv[1], type=Place)
    set_up(place.log.format, place.log.level)
    catch_all()
    logging.getLogger("uvicorn.error").setLevel("ERROR")
    guard()
    if problem := seal():
        _log.warning("the operating system does not hold this worker's connections: %s", problem)
    with suppress(BrokenPipeError):
        uvloop.run(_run(place))
    os._exit(0)  # nothing is left to do, and no thread may hold the process up


if __name__ == "__main__":
    main()
