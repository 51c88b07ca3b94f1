"""What the parent makes of the receipts while they are written: witness, index, metrics, traces."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import Self

from msgspec.structs import replace

from situs import __version__
from situs.app.setting import Setting
from situs.config.build import pace_of
from situs.config.collector import collector_of
from situs.core.record import Served
from situs.dispatch.egress import Connector
from situs.errors import AnchorError, StoreError
from situs.stores.anchor_places import Dial, place
from situs.stores.anchors import Anchoring
from situs.stores.approvals import count_waiting, nobody_waits
from situs.stores.database import INDEX_FILE
from situs.stores.layout import receipts_dir
from situs.stores.retention import NOT_READ, read_by_index, retire
from situs.stores.sessions import check_sessions
from situs.stores.signatory import Signer
from situs.stores.watch import Sink, Watch
from situs.stores.witness import Witness
from situs.telemetry.logs import log_access
from situs.telemetry.metrics import Metrics
from situs.telemetry.report import StatusReport, Window
from situs.telemetry.status import Status
from situs.trust.keys import pinned_keys

_log = logging.getLogger(__name__)
_WITNESS_S = 2.0
_DAY_S = 86_400.0


class Watching:
    """Owns everything that follows the receipts; none of it is in a request's way.

    What is told once a second, `status`, is what the receipts do not say. `connector` opens the
    connections to the collector, and to a time-stamping service. `also` are told what was served.
    """

    def __init__(
        self, setting: Setting, signer: Signer, status: Status, connector: Connector, *also: Sink
    ) -> None:
        telemetry = setting.config.telemetry
        data = setting.data
        self._status = status
        self._window = Window(status.started_at)
        self._lock = Lock()
        self.metrics = Metrics(status, by_tenant=telemetry.tenant_label)
        self._stack = ExitStack()

        def dial(host: str, port: int) -> socket.socket:
            """From a thread without a loop of its own."""
            return asyncio.run(connector.dial(host, port))

        sinks: list[Sink] = [self.metrics.observe, self._count, *also]
        if telemetry.access_log:
            sinks.append(log_access)
        self._traces = None
        collector = collector_of(setting.config, setting.base)
        if collector is not None:
            from situs.telemetry.traces import Traces

            headers = {name: secret.reveal() for name, secret in collector.headers.items()}
            self._traces = Traces(
                collector.endpoint,
                headers,
                __version__,
                dial=dial,
                sample=collector.sample,
            )
            self._stack.callback(self._traces.close)
            sinks.append(self._traces.observe)
        self._watch = Watch(receipts_dir(data), data / INDEX_FILE, sinks)
        pace = replace(pace_of(setting.config), group_s=_WITNESS_S)
        self._witness = Witness(receipts_dir(data), signer, time.time, pace)
        self._anchoring = _anchoring(setting, dial)
        self._anchored_at = status.started_at
        self._anchor_problem: str | None = None
        self._held = 0
        self._held_problem: str | None = None
        self._sessions_problem: str | None = None
        self._anchors = Lock()
        self._setting = setting
        self._signer = signer
        self.index: Path = data / INDEX_FILE

    def __enter__(self) -> Self:
        with suppress(StoreError):  # what cannot be written is told by `look_at_stores`
            nobody_waits(self._setting.data, time.time())
        self._watch.start()
        self._stack.callback(self._watch.close)
        self._witness.start()
        self._stack.callback(self._witness.close)  # first, so that its last words are read
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def problems(self) -> tuple[str, ...]:
        """What is not kept up now."""
        index, witness = self._watch.problem(), self._witness.problem()
        told = (
            *(("index", index), ("witness", witness), ("anchor", self._anchor_problem)),
            *(("approvals", self._held_problem), ("sessions", self._sessions_problem)),
        )
        return tuple(f"{name}: {problem}" for name, problem in told if problem is not None)

    @property
    def index_lag_s(self) -> float:
        return self._watch.lag_s()

    @property
    def anchor_age_s(self) -> float | None:
        """Since all newest checkpoints were known to be anchored; None where none are to be."""
        return None if self._anchoring is None else time.time() - self._anchored_at

    @property
    def held(self) -> int:
        """How many requests waited for a person when they were last counted."""
        return self._held

    @property
    def spans_dropped(self) -> int:
        return 0 if self._traces is None else self._traces.dropped

    def tell(self, status: Status) -> None:
        self._status = status
        self.metrics.set_status(status)

    def report(self) -> StatusReport:
        with self._lock:
            return self._window.report(time.time(), self._status)

    def sign_with(self, signer: Signer) -> None:
        """Another signing key, from now on."""
        self._signer = signer
        self._witness.sign_with(signer)

    def anchor(self) -> None:
        """Put the newest checkpoints where they are configured to be. Blocks; never raises.

        Once this is closed, they are the last ones.
        """
        if self._anchoring is None:
            return
        now = time.time()
        try:
            with self._anchors:
                self._anchoring.run(now)
        except AnchorError as error:
            if self._anchor_problem is None:
                _log.warning("checkpoints are not anchored: %s", error.message)
            self._anchor_problem = error.message
            return
        if self._anchor_problem is not None:
            _log.warning("checkpoints are anchored again")
        self._anchored_at, self._anchor_problem = now, None

    def look_at_stores(self) -> None:
        """How many requests wait for a person, and what cannot be read. Blocks; never raises."""
        data = self._setting.data
        try:
            self._held = count_waiting(data, time.time())
            self._held_problem = None
        except StoreError as error:
            self._held_problem = error.message
        try:
            check_sessions(data)
            self._sessions_problem = None
        except StoreError as error:
            self._sessions_problem = error.message

    def retire(self) -> None:
        """Remove the receipts that are older than configured, and read by the index."""
        data, keep_days = self._setting.data, self._setting.config.receipts.keep_days
        if keep_days is None:
            return
        older_than = time.time() - keep_days * _DAY_S
        keys = pinned_keys(data / "keys")
        try:
            done = retire(receipts_dir(data), self._signer, keys, older_than, read_by_index(data))
        except OSError as error:
            _log.warning("old receipts could not be retired: %s", error.strerror)
            return
        for one in done:
            if one.kept not in (None, NOT_READ):
                _log.warning("segment %s/%s stays: %s", one.chain, one.file, one.kept)

    def _count(self, batch: Sequence[Served]) -> None:
        with self._lock:
            self._window.add(batch, time.time())


def _anchoring(setting: Setting, dial: Dial) -> Anchoring | None:
    """What puts anchors where the configuration says; None where it says nothing.

    `dial` opens connections to a host and a port. Raises AnchorError.
    """
    anchor = setting.config.receipts.anchor
    if anchor is None:
        return None
    target = place(anchor.to, setting.data, setting.base, dial)
    return Anchoring(receipts_dir(setting.data), target)
