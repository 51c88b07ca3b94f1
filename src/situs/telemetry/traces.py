"""Sends spans to an OpenTelemetry collector; nothing ever waits for it.

Needs the extra `otel`. Only this file knows the SDK.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, Thread
from time import monotonic
from typing import Any

from situs.core.record import Served
from situs.errors import ConfigError
from situs.telemetry.spans import Span, spans_of

try:
    import requests
    import urllib3
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
except ImportError as error:
    raise ConfigError(
        "telemetry.otlp: traces need the OpenTelemetry SDK, which is not installed",
        do="Install the extra otel (in a checkout: `pip install -e '.[otel]'`), "
        "or remove the setting.",
    ) from error

WAITING = 8192
"""Spans that may wait to be sent; what comes on top is dropped and counted."""

_BATCH = 512
_EVERY_S = 1.0
_TIMEOUT_S = 10.0


Dial = Callable[[str, int], socket.socket]


def _pools(dial: Dial) -> dict[str, Any]:
    """By scheme, pools of connections that `dial` opens."""

    def connection(base: Any) -> Any:
        class Dialled(base):  # type: ignore[misc]  # as urllib3's own contrib/socks.py does
            def _new_conn(self) -> socket.socket:
                try:
                    raw = dial(self.host, self.port)
                except OSError as error:
                    what = f"Failed to establish a new connection: {error}"
                    raise urllib3.exceptions.NewConnectionError(self, what) from error
                raw.settimeout(_TIMEOUT_S)
                return raw

        return Dialled

    known: dict[str, Any] = {
        "http": urllib3.HTTPConnectionPool,
        "https": urllib3.HTTPSConnectionPool,
    }
    return {
        scheme: type("Dialled", (pool,), {"ConnectionCls": connection(pool.ConnectionCls)})
        for scheme, pool in known.items()
    }


class _Adapter(requests.adapters.HTTPAdapter):
    """Connections of one kind of pool."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = dict.fromkeys(("http", "https"), self._kind)


class Traces:
    """Owns the exporter's thread and the spans that wait for it.

    `endpoint` is the collector's base URL; spans go to `/v1/traces` below it over HTTP. Proxies of
    the environment and redirects are not followed: spans go there and nowhere else. `dial` opens
    the connections to a host and a port, or raises OSError.
    """

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        version: str,
        *,
        dial: Dial,
        sample: float = 1.0,
        waiting: int = WAITING,
    ) -> None:
        session = requests.Session()
        session.trust_env = False
        session.max_redirects = 0
        for scheme, kind in _pools(dial).items():
            session.mount(f"{scheme}://", _Adapter(kind))
        self._exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces",
            headers=dict(headers),
            timeout=_TIMEOUT_S,
            session=session,
        )
        self._resource = Resource.create({"service.name": "situs", "service.version": version})
        self._scope = InstrumentationScope("situs", version)
        self._sample = sample
        self._most = waiting
        self._waiting: deque[Span] = deque()
        self._changed = Condition()
        self._stopping = False
        self._dropped = 0
        self._thread = Thread(target=self._run, name="situs-traces", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Spans that never reached the collector, since the start."""
        return self._dropped

    def observe(self, batch: Sequence[Served]) -> None:
        """Queue their spans; returns at once. What ended after `close` is dropped."""
        spans = [span for served in batch for span in spans_of(served, self._sample)]
        with self._changed:
            room = 0 if self._stopping else max(0, self._most - len(self._waiting))
            self._waiting.extend(spans[:room])
            self._dropped += len(spans[room:])
            if len(self._waiting) >= _BATCH:
                self._changed.notify()

    def close(self, deadline_s: float = 2.0) -> None:
        """Send what waits, for `deadline_s` at most; the rest is dropped and counted."""
        until = monotonic() + deadline_s
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(max(0.0, until - monotonic()))
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
        with self._changed:
            self._dropped += len(self._waiting)
            self._waiting.clear()

    def _run(self) -> None:
        while batch := self._next():
            if not self._send(batch):
                with self._changed:
                    self._dropped += len(batch)

    def _next(self) -> list[Span]:
        """The next spans to send; waits until there are some, empty at the end."""
        with self._changed:
            while not self._stopping and len(self._waiting) < _BATCH:
                timed_out = not self._changed.wait(_EVERY_S)
                if timed_out and self._waiting:
                    break
            count = min(len(self._waiting), _BATCH)
            return [self._waiting.popleft() for _ in range(count)]

    def _send(self, batch: Sequence[Span]) -> bool:
        try:
            sent = self._exporter.export([self._readable(span) for span in batch])
        except Exception:
            return False
        return sent is SpanExportResult.SUCCESS

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.span_id, remote=False),
            parent=None
            if span.parent_id is None
            else _context(span.trace_id, span.parent_id, remote=span.server),
            resource=self._resource,
            attributes=span.attributes,
            kind=SpanKind.SERVER if span.server else SpanKind.CLIENT,
            status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=self._scope,
        )


def _context(trace_id: int, span_id: int, *, remote: bool) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=remote, trace_flags=TraceFlags(1))
