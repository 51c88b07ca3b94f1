"""What the parent makes of the receipts while they are written: witness, index, metrics, traces."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Self

from situs import __version__
from situs.app.setting import Setting
from situs.config.collector import collector_of
from situs.core.record import Served
from situs.stores.database import INDEX_FILE
from situs.stores.layout import receipts_dir
from situs.stores.signatory import Signer
from situs.stores.watch import Sink, Watch
from situs.stores.witness import Witness
from situs.telemetry.logs import log_access
from situs.telemetry.metrics import Metrics
from situs.telemetry.report import StatusReport, Window
from situs.telemetry.status import Status


class Watching:
    """Owns everything that follows the receipts; none of it is in a request's way.

    What is told once a second, `status`, is what the receipts do not say.
    """

    def __init__(self, setting: Setting, signer: Signer, status: Status) -> None:
        telemetry = setting.config.telemetry
        data = setting.data
        self._status = status
        self._window = Window(status.started_at)
        self._lock = Lock()
        self.metrics = Metrics(status, by_tenant=telemetry.tenant_label)
        self._stack = ExitStack()
        sinks: list[Sink] = [self.metrics.observe, self._count]
        if telemetry.access_log:
            sinks.append(log_access)
        self._traces = None
        collector = collector_of(setting.config, setting.base)
        if collector is not None:
            from situs.telemetry.traces import Traces

            headers = {name: secret.reveal() for name, secret in collector.headers.items()}
            self._traces = Traces(collector.endpoint, headers, __version__, sample=collector.sample)
            self._stack.callback(self._traces.close)
            sinks.append(self._traces.observe)
        self._watch = Watch(receipts_dir(data), data / INDEX_FILE, sinks)
        self._witness = Witness(receipts_dir(data), signer, time.time)
        self.index: Path = data / INDEX_FILE

    def __enter__(self) -> Self:
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
        told = (("index", index), ("witness", witness))
        return tuple(f"{name}: {problem}" for name, problem in told if problem is not None)

    @property
    def spans_dropped(self) -> int:
        return 0 if self._traces is None else self._traces.dropped

    def tell(self, status: Status) -> None:
        self._status = status
        self.metrics.set_status(status)

    def report(self) -> StatusReport:
        with self._lock:
            return self._window.report(time.time(), self._status)

    def _count(self, batch: Sequence[Served]) -> None:
        with self._lock:
            self._window.add(batch, time.time())
