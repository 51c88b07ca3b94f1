"""The parent: owns what must be single, and tells its workers what holds."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Self

from situs import __version__
from situs.app.believing import Believing
from situs.app.bundle import newest_bundle
from situs.app.crew import Callbacks, Crew
from situs.app.egress import check_blocked, permits_of
from situs.app.link import Believed, Caches, Keys, Probed, RolledBack, Runtimes
from situs.app.office import AdminSocket, Office
from situs.app.pilot import Pilots
from situs.app.plan import Plan, fleet_view
from situs.app.planning import load_plan
from situs.app.probing import Probing
from situs.app.reading import of_runtimes
from situs.app.runtimes import OnState, RuntimeSet
from situs.app.setting import Setting
from situs.app.timing import Timing
from situs.app.watching import Watching
from situs.config.diff import Change, diff
from situs.core.fleet import CacheFacts, Condition, DeploymentState, FleetView, Health
from situs.dispatch.egress import Connector, Permit
from situs.errors import ConfigError, SitusError
from situs.http.errors import log_unexpected
from situs.placement.latency import Learned
from situs.stores.lock import DataLock
from situs.telemetry.status import Status
from situs.trust.allowance import Authority, Grant, Report
from situs.trust.api_keys import KeyFile
from situs.trust.keys import open_signing_key

_log = logging.getLogger(__name__)
_BEAT_S = 1.0
_RETIRE_S = 3600.0
_FEEDBACK_S = 60.0
_KEEP_S = 60.0

Read = Callable[[], Setting]


class Parent:
    """A running Situs: `async with` starts it and stops it; nothing is left behind.

    There is one worker a listener. `read` gives the setting anew; a reload calls it. `keys` are the
    API keys. Nothing at `blocked` loci is connected to.
    """

    def __init__(
        self,
        read: Read,
        listeners: Sequence[socket.socket],
        *,
        keys: KeyFile | None = None,
        on_state: OnState | None = None,
        blocked: frozenset[str] = frozenset(),
    ) -> None:
        self.setting = read()
        self._read = read
        self._listeners = listeners
        self._place = listeners[0].getsockname()[:2]  # they are closed before it has stopped
        self._plan: Plan | None = None
        self._seen: tuple[Plan | None, FleetView] = (None, FleetView((), (), ""))
        self._keys = keys or KeyFile(self.setting.data)
        self._authority = Authority(self._keys.table.limits())
        self._refused: Counter[str] = Counter()
        self._started_at = time.time()
        self._runtimes = RuntimeSet(on_state, self._runtimes_changed)
        log = self.setting.config.telemetry.log
        told = Callbacks(self._answer, self._refused.update, self._lease, self._gone, self._learned)
        self._blocked = blocked
        self._dark: tuple[frozenset[str], float] = (frozenset(), 0.0)
        self._connector = Connector()
        self.crew = Crew(listeners, log, told, self._connector)
        self._timing = Timing(self.setting.data, self.crew.board.times)
        self._believing = Believing(self.setting.data)
        self._pilots = Pilots(self.setting.data)
        self._caches: dict[str, CacheFacts] = {}
        self._probing = Probing(self._connector.dial, self._found, self._said)
        self._bundle: str | None = None
        self._signer = ""
        self._looked_at = time.monotonic()
        self._reloading = asyncio.Lock()
        self._watching: Watching | None = None
        self._office: Office | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            data = self.setting.data
            stack.enter_context(DataLock(data))
            stack.callback(self.crew.kill)
            stack.push_async_callback(self._timing.keep)
            await self.crew.spawn()
            self._bundle = await self._newest_bundle(self.setting)
            plan = load_plan(self.setting, 0, {})
            self._connector.permit(self._permits(self.setting))
            key = open_signing_key(data / "keys")
            self._signer = key.id
            status, observe = self._status(plan), self._pilots.observe
            watching = Watching(self.setting, key, status, self._connector, observe)
            anchor = self.setting.config.receipts.anchor
            if self._blocked:
                anchor = None  # a drill's chains are nobody's record
            if anchor is not None:
                stack.push_async_callback(asyncio.to_thread, watching.anchor)  # its last words, too
            self._watching = stack.enter_context(watching)
            self._office = Office(watching, self.reload, self.darken, self._modes)
            stack.push_async_callback(self._runtimes.stop)
            stack.push_async_callback(self._probing.close)
            await self._runtimes.start(plan)
            self.crew.tell(Runtimes(self._runtimes.states()))
            self.crew.tell(Keys(self._keys.table))
            await self._look_at_pilots()
            await self.crew.begin(plan)
            self._plan = plan
            admin = AdminSocket(data, self._office)
            stack.push_async_callback(admin.close)
            again: list[tuple[float, Callable[[], Awaitable[None]]]] = [
                (_BEAT_S, partial(self._beat, watching, admin)),
                (_BEAT_S, self._look_at_bundle),
                (_FEEDBACK_S, self._look_at_feedback),
                (_BEAT_S, self._look_at_pilots),
                (_KEEP_S, self._timing.keep),
                (_RETIRE_S, partial(asyncio.to_thread, watching.retire)),
                (_BEAT_S, partial(asyncio.to_thread, watching.look_at_stores)),
            ]
            if anchor is not None:
                again.append((60.0 * anchor.every_min, partial(asyncio.to_thread, watching.anchor)))
            for every_s, step in again:
                stack.callback(asyncio.create_task(_again(every_s, step)).cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        host, port = self._place
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def generation(self) -> int:
        return 0 if self._plan is None else self._plan.generation

    def failed(self) -> bool:
        """Nothing can be called: every deployment is a supervised one that was given up."""
        deployments = self.setting.config.deployments
        return len(self._runtimes) == len(deployments) and self._runtimes.failed()

    async def settled(self) -> None:
        """Returns when every supervised model is ready or has failed to load."""
        await self._runtimes.settled()

    async def reload(self) -> dict[str, Any]:
        """Read configuration and policy again: all of it holds from now on, or nothing changes.

        Returns the generation, the changes, and which key signs if it is a new one. Raises
        ConfigError, PolicyError or another OperatorError, with file and line.
        """
        async with self._reloading:
            before, setting = self._plan, self._read()
            if before is None:
                raise ConfigError("There is nothing to reload yet.")
            bundle = await self._newest_bundle(setting)
            plan = await asyncio.to_thread(load_plan, setting, before.generation + 1, before.slots)
            policies = before.policy.digest, plan.policy.digest
            changes = diff(self.setting.config, setting.config, policies)
            _check_reloadable(changes)
            key = open_signing_key(setting.data / "keys")

            async def start_runtimes() -> None:
                await self._runtimes.start(plan)

            held = self._permits(self.setting)
            self._connector.permit([*held, *self._permits(setting)])
            try:
                await self.crew.change(plan, start_runtimes)
            except BaseException:
                self._connector.permit(held)
                raise
            self._connector.refresh()
            drain_s = setting.config.server.drain_s
            asyncio.get_running_loop().call_later(drain_s, self._forget_former)
            self._runtimes.retire(plan, drain_s)
            self._runtimes_changed()
            if self._watching is not None:
                self._watching.sign_with(key)
            self.setting, self._plan, self._bundle = setting, plan, bundle
            await self._look_at_feedback()
            await self._look_at_pilots()
            signer = None if key.id == self._signer else key.id
            self._signer = key.id
        told = {"generation": plan.generation, "policy": plan.policy.digest, "changes": changes}
        return {**told, "signing_key": signer}

    async def _newest_bundle(self, setting: Setting) -> str | None:
        return await newest_bundle(setting, Connector(self._permits(setting)).dial)

    async def _look_at_bundle(self) -> None:
        """A policy that is another one holds from now on. It is looked for every `poll_s`."""
        bundle, now = self.setting.config.policy.bundle, time.monotonic()
        if bundle is None or now - self._looked_at < bundle.poll_s:
            return
        self._looked_at = now
        newest = await self._newest_bundle(self.setting)
        if newest is not None and newest != self._bundle and self._plan is not None:
            await self.reload_or_tell()

    async def _look_at_feedback(self) -> None:
        """What is believed of models holds for all workers from now on."""
        found = await asyncio.to_thread(self._believing.look, self.setting.config)
        if found is not None:
            self.crew.tell(Believed(found))

    async def _look_at_pilots(self) -> None:
        """Those that are rolled back, and those that may run again."""
        found = await asyncio.to_thread(self._pilots.look, self.setting.config)
        if found is not None:
            self.crew.tell(RolledBack(found))

    def _modes(self) -> Any:
        return self._pilots.report(self.setting.config)

    def _permits(self, setting: Setting) -> tuple[Permit, ...]:
        return permits_of(setting, self._address, self._blocked | self._dark[0])

    def darken(self, loci: frozenset[str], for_s: float) -> None:
        """Connect to nothing at these loci for so long, and no longer, unless it is said again.

        Raises ConfigError for loci that cannot go dark, and while a reload is under way.
        """
        if self._reloading.locked():
            raise ConfigError("A reload is under way.", do="Try again when it is over.")
        check_blocked(self.setting.config, loci)
        former, self._dark = self._dark[0], (loci, time.monotonic() + for_s)
        self._connector.permit(self._permits(self.setting))
        if loci != former:
            self.crew.drop_connections()
            self._probing.drop()
            _log.warning("a drill keeps dark: %s", ", ".join(sorted(loci)) or "nothing any more")

    def _address(self, deployment: str) -> tuple[str, int] | None:
        state = self._runtimes.states().get(deployment)
        return None if state is None else state.address

    def _forget_former(self) -> None:
        """Only what holds now may be connected to; requests that began before have ended."""
        if not self._reloading.locked():
            self._connector.permit(self._permits(self.setting))

    async def reload_or_tell(self) -> None:
        """A reload that nobody waits for: how it went is logged."""
        try:
            await self.reload()
        except SitusError as error:
            _log.error("not reloaded, all stays as it was: %s %s", error.message, error.advice)
        else:
            _log.warning("reloaded: generation %d", self.generation)

    async def stop(self, *, now: bool = False) -> int:
        """Take no new requests, end what runs (at once if `now`); how many are waited for."""
        for listener in self._listeners:
            listener.close()
        return await self.crew.stop(now=now)

    # Asked by workers.

    async def _answer(self, path: str, query: str) -> tuple[int, str, bytes]:
        if self._office is None:
            return 503, "application/json", b"{}"
        return await self._office.answer(path, query)

    def _lease(self, worker: str, report: Report) -> Grant:
        return self._authority.settle(worker, report, time.monotonic())

    def _gone(self, worker: str) -> None:
        self._authority.gone(worker, time.monotonic())

    def _learned(self, plan: Plan) -> dict[str, Learned]:
        return self._timing.of(plan)

    # Once a second, and when something changes.

    def _found(self, deployment: str, well: bool) -> None:
        self.crew.tell(Probed(deployment, well))

    def _said(self, caches: dict[str, CacheFacts]) -> None:
        self._caches = caches
        self.crew.tell(Caches({**caches, **of_runtimes(self._runtimes.states())}))

    def _runtimes_changed(self) -> None:
        self.crew.tell(Runtimes(self._runtimes.states()))
        self._said(self._caches)

    async def _beat(self, watching: Watching, admin: AdminSocket) -> None:
        await admin.keep()
        self.crew.beat()
        self._timing.hear()
        if self._dark[0] and time.monotonic() >= self._dark[1] and not self._reloading.locked():
            self.darken(frozenset(), 0.0)
        self._look_at_keys()
        if self._plan is not None:
            status = self._status(self._plan)
            watching.tell(status)
            self._probing.look(self._plan, status.fleet)

    def _look_at_keys(self) -> None:
        table = self._keys.poll()
        if table is not None:
            self._authority.publish(table.limits())
            self.crew.tell(Keys(table))

    def _status(self, plan: Plan) -> Status:
        members = self.crew.members
        recording = next((m.problem for m in members if m.problem is not None), None)
        watching = self._watching
        return Status(
            version=__version__,
            started_at=self._started_at,
            fleet=self._fleet(plan, conditions := self.crew.conditions()),
            conditions=conditions,
            probed=self._probing.counts,
            probe_costs=self._probing.costs,
            url=self.url,
            workers=sum(m.process.returncode is None for m in members),
            generation=plan.generation,
            policy=plan.policy.digest,
            revision=plan.policy.source.revision,
            routes=tuple(plan.config.routes),
            refused=dict(self._refused),
            restarts=self.crew.restarts,
            cut=self.crew.cut,
            copies=dict(self.crew.copies),
            rolled_back=self._pilots.rolled_back,
            recording=recording,
            index_lag_s=0.0 if watching is None else watching.index_lag_s,
            anchor_age_s=None if watching is None else watching.anchor_age_s,
            spans_dropped=0 if watching is None else watching.spans_dropped,
            held=0 if watching is None else watching.held,
            problems=() if watching is None else watching.problems(),
        )

    def _fleet(self, plan: Plan, conditions: Mapping[str, Condition]) -> FleetView:
        """The fleet with the health that the workers see and what is in flight at all of them."""
        if plan is not self._seen[0]:
            self._seen = plan, fleet_view(plan)
            self.crew.board.bind(plan.slots)
        view = self._seen[1]
        states = tuple(
            DeploymentState(
                conditions[d.name].health if d.name in conditions else Health.UNKNOWN,
                self.crew.board.count(d.name),
            )
            for d in view.deployments
        )
        return FleetView(view.deployments, states, view.digest)


async def _again(every_s: float, step: Callable[[], Awaitable[None]]) -> None:
    """A step at once and then again and again; one that fails is told, and the next is done."""
    while True:
        try:
            await step()
        except Exception as error:
            log_unexpected(error)
        await asyncio.sleep(every_s)


def _check_reloadable(changes: tuple[Change, ...]) -> None:
    """Raises ConfigError for changes that only another process can make true."""
    fixed = [change.path for change in changes if change.takes == "restart"]
    if fixed:
        raise ConfigError(
            f"{', '.join(fixed)}: this cannot change while the gateway runs.",
            do="Put it back, or restart the gateway.",
        )
