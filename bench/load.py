"""A load generator that costs little: raw connections, prompts made beforehand.

Closed loop: every connection sends its next request when it has its answer. Open loop (`--rate`):
requests leave at fixed times whatever the answers do, and a latency counts from the time its
request was due, so a stall is not hidden (no coordinated omission). Streams are closed loop and
give the time to the first chunk and each chunk's way from the upstream's stamp to here.

    python -m bench.load --url http://127.0.0.1:7488/v1/chat/completions --connections 32

prints one JSON object; times are in milliseconds. An answer that is not 200 is counted by status
and its latency left out.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import ctypes
import gc
import json
import os
import re
import time
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop
from msgspec import Struct

from bench import workload

_STAMP = re.compile(rb"@(\d{9,20})@")


class Plan(Struct, frozen=True):
    """What to send and for how long. `rate` None is the closed loop."""

    host: str
    port: int
    requests: list[bytes]
    connections: int
    seconds: float
    warmup: float
    rate: float | None = None
    stream: bool = False


class Tally:
    """What came back. Only what was due after `since` counts for latencies."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.total = 0
        self.measured = 0
        self.failed: collections.Counter[str] = collections.Counter()
        self.latencies: list[float] = []
        self.first_chunks: list[float] = []
        self.deliveries: list[float] = []
        self.chunks = 0
        self.reads = 0

    def ended(self, due: float, now: float, status: int) -> None:
        self.total += 1
        if status != 200:
            self.failed[str(status)] += 1
        elif due >= self.since:
            self.measured += 1
            self.latencies.append(now - due)


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, tally: Tally, stream: bool, free: Callable[[Connection], None]) -> None:
        self._tally = tally
        self._free = free
        if stream:
            self.on_body = self._on_chunks
        self._parser = httptools.HttpResponseParser(self)
        self._due = 0.0
        self._fresh = False
        self.busy = False
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has its own class
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self.busy:
            self.busy = False
            self._tally.failed["connection lost"] += 1
            self._tally.total += 1
            self._free(self)

    def send(self, request: bytes, due: float) -> None:
        self._due, self._fresh, self.busy = due, True, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._tally.failed["not HTTP"] += 1
            self._transport.abort()

    def on_message_complete(self) -> None:
        self._tally.ended(self._due, time.perf_counter(), self._parser.get_status_code())
        self.busy = False
        self._free(self)

    def _on_chunks(self, body: bytes) -> None:
        stamps = _STAMP.findall(body)
        if not stamps or self._due < self._tally.since:
            return
        tally = self._tally
        if self._fresh:
            self._fresh = False
            tally.first_chunks.append(time.perf_counter() - self._due)
        now = time.monotonic_ns()
        tally.reads += 1
        tally.chunks += len(stamps)
        tally.deliveries.extend((now - int(stamp)) / 1e9 for stamp in stamps)

    def close(self) -> None:
        self._transport.abort()


class Generator:
    """Runs one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._next = 0
        self._start = time.perf_counter()
        self._end = self._start + plan.warmup + plan.seconds
        self.tally = Tally(self._start + plan.warmup)
        self._idle: collections.deque[Connection] = collections.deque()
        self._waiting: collections.deque[float] = collections.deque()
        self._done = asyncio.Event()
        self._all: list[Connection] = []

    async def run(self) -> Tally:
        plan = self._plan
        for _ in range(plan.connections):
            await self._connect()
        self._start = time.perf_counter()
        self.tally.since = self._start + plan.warmup
        self._end = self.tally.since + plan.seconds
        if plan.rate is None:
            for connection in list(self._idle):
                self._freed(connection)
            asyncio.get_running_loop().call_later(plan.warmup + plan.seconds, self._done.set)
            await self._done.wait()
        else:
            await self._open_loop(plan.rate)
        for connection in self._all:
            connection.busy = False
            connection.close()
        return self.tally

    async def _connect(self) -> None:
        plan, loop = self._plan, asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self.tally, plan.stream, self._freed), plan.host, plan.port
        )
        self._idle.append(connection)
        self._all.append(connection)

    def _request(self) -> bytes:
        self._next += 1
        return self._plan.requests[self._next % len(self._plan.requests)]

    def _freed(self, connection: Connection) -> None:
        if not connection.open:
            if time.perf_counter() < self._end:
                asyncio.get_running_loop().create_task(self._replace())
            return
        if self._plan.rate is None:
            now = time.perf_counter()
            if now < self._end:
                connection.send(self._request(), now)
        elif self._waiting:
            connection.send(self._request(), self._waiting.popleft())
        else:
            self._idle.append(connection)

    async def _replace(self) -> None:
        await asyncio.sleep(0.01)
        try:
            await self._connect()
        except OSError:
            self.tally.failed["refused"] += 1
            return
        self._freed(self._idle.pop())

    async def _open_loop(self, rate: float) -> None:
        """One tick a request; a kernel timer, since an event loop's own rounds to milliseconds."""
        loop = asyncio.get_running_loop()
        timer = _periodic_timer(1 / rate)
        begun = time.perf_counter()
        sent = 0

        def tick() -> None:
            nonlocal sent
            for _ in range(int.from_bytes(os.read(timer, 8), "little")):
                sent += 1
                due = begun + sent / rate
                if due > self._end:
                    self._done.set()
                elif self._idle:
                    self._idle.popleft().send(self._request(), due)
                else:
                    self._waiting.append(due)

        loop.add_reader(timer, tick)
        await self._done.wait()
        loop.remove_reader(timer)
        os.close(timer)
        await asyncio.sleep(0.5)


def _periodic_timer(period: float) -> int:
    """A Linux timerfd (CLOCK_MONOTONIC) that expires every `period` seconds."""
    libc = ctypes.CDLL(None, use_errno=True)
    timer = int(libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK))
    seconds, nanoseconds = int(period), round(period % 1 * 1e9)
    spec = (ctypes.c_long * 4)(seconds, nanoseconds, seconds, nanoseconds)
    if timer < 0 or libc.timerfd_settime(timer, 0, ctypes.byref(spec), None) != 0:
        raise OSError(ctypes.get_errno(), "timerfd")
    return timer


def percentiles(values: list[float], prefix: str) -> dict[str, float]:
    """p50, p90, p99 and max in milliseconds; nothing for no values."""
    if not values:
        return {}
    ordered = sorted(values)
    at = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {
        f"{prefix}{name}_ms": round(1000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))], 4)
        for name, q in at.items()
    }


def summary(plan: Plan, tally: Tally) -> dict[str, object]:
    used = os.times()
    return {
        "total": tally.total,
        "failed": dict(tally.failed),
        "rps": round(tally.measured / plan.seconds, 1),
        **percentiles(tally.latencies, ""),
        **percentiles(tally.first_chunks, "ttft_"),
        **percentiles(tally.deliveries, "chunk_"),
        "chunks": tally.chunks,
        "reads": tally.reads,
        "chunks_per_s": round(tally.chunks / plan.seconds, 1),
        "load_cpu_s": round(used.user + used.system, 3),
    }


def http_requests(url: str, bodies: list[bytes], headers: dict[str, str]) -> list[bytes]:
    """Whole HTTP/1.1 requests, head and body in one piece."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {path} HTTP/1.1", f"host: {parts.netloc}"]
    lines += ["content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(lines).encode()
    return [head + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body for body in bodies]


def main() -> None:
    parser = argparse.ArgumentParser(description="Sends load to one URL, prints what came back.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--header", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--count", type=int, default=workload.COUNT)
    given = parser.parse_args()
    documents = workload.documents(given.count, model=given.model, stream=given.stream)
    bodies = workload.bodies(documents)
    headers = dict(header.split("=", 1) for header in given.header)
    parts = urlsplit(given.url)
    plan = Plan(
        parts.hostname or "127.0.0.1",
        parts.port or 80,
        http_requests(given.url, bodies, headers),
        given.connections,
        given.seconds,
        given.warmup,
        given.rate,
        given.stream,
    )
    del documents
    gc.collect()
    gc.freeze()
    tally = uvloop.run(_run(plan))
    print(json.dumps({**summary(plan, tally), "workload": workload.digest(bodies)}))


async def _run(plan: Plan) -> Tally:
    return await Generator(plan).run()


if __name__ == "__main__":
    main()
