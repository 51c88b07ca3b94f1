"""A small real OpenTelemetry collector: OTLP over HTTP in, spans as plain values out.

with fake_collector() as collector:
    collector.url, collector.spans, collector.switch(status=503)
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2


class Span(Struct):
    """One span as it arrived; ids in hex, times in nanoseconds."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    status: str
    resource: dict[str, Any]


class Collector:
    """`switch` sets what it answers; while `hold` is set it does not answer at all."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.hold = threading.Event()
        self._status = 200
        self._location: str | None = None
        self._arrived = threading.Condition()

    def switch(self, *, status: int = 200, location: str | None = None) -> None:
        self._status, self._location = status, location

    def wait(self, count: int, timeout_s: float = 20.0) -> list[Span]:
        """The spans once there are `count`; fewer when they do not come in time."""
        with self._arrived:
            self._arrived.wait_for(lambda: len(self.spans) >= count, timeout_s)
            return list(self.spans)

    def wait_for_requests(self, count: int, timeout_s: float = 20.0) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.bodies) >= count, timeout_s)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str | None]:
        with self._arrived:
            self.paths.append(path)
            self.headers.append(headers)
            self.bodies.append(body)
            if self._status == 200:
                self.spans.extend(_spans(body))
            self._arrived.notify_all()
        return self._status, self._location


@contextlib.contextmanager
def fake_collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, location = collector.take(self.path, headers, body)
            while collector.hold.is_set():
                collector.hold.wait(0.01)
                if closing.wait(0.02):
                    return
            self.send_response(status)
            if location is not None:
                self.send_header("location", location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    closing = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _spans(body: bytes) -> Iterator[Span]:
    message = ExportTraceServiceRequest.FromString(body)
    for group in message.resource_spans:
        resource = _values(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Span(
                    name=span.name,
                    kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                    attributes=_values(span.attributes),
                    status=trace_pb2.Status.StatusCode.Name(span.status.code),
                    resource=resource,
                )


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
