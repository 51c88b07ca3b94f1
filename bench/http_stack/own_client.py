"""A client of our own on httptools, with what a gateway needs: how much of the ceiling is left?

Unlike `clients._Raw` it has a first-byte and a stall timeout, back-pressure, limits, TLS, typed
ends, pool hygiene and an address the caller chose. `claims.py` tries all of that.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import cast

import httptools

MAX_HEAD = 64 * 1024
HIGH_WATER = 128 * 1024


class Broken(Exception):
    """`reason`: unreachable, timeout, cut, stalled, garbage. `fresh`: no byte had come back."""

    def __init__(self, reason: str, *, fresh: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fresh = fresh


class Exchange(asyncio.Protocol):
    """One connection; one exchange at a time. Owned by the pool while idle."""

    def __init__(self, gone: Callable[[Exchange], None]) -> None:
        self._gone = gone
        self._parser = httptools.HttpResponseParser(self)
        self._parts: deque[bytes] = deque()
        self._buffered = 0
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self.peer: tuple[str, int] = ("", 0)
        self.tls_sha256: str | None = None
        self.idle = True
        self.reused = False
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._head_size = 0
        self._head_done = False
        self._complete = False
        self._keep_alive = False
        self._error: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.peer = transport.get_extra_info("peername")[:2]
        encrypted: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if encrypted is not None:
            certificate = encrypted.getpeercert(binary_form=True) or b""
            self.tls_sha256 = hashlib.sha256(certificate).hexdigest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone(self)
        framed = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        if self._head_done and not framed:
            self._complete = True
        if not self._complete:
            self._fail("cut")
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self.idle:  # nobody asked
            self.transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("garbage")
            self.transport.abort()
        if not self._head_done:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD:
                self._fail("garbage")
                self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self.status, self._head_done = status, True
            self._wake()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._buffered += len(body)
        if self._buffered > HIGH_WATER and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if self._head_done:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()  # only valid in here
            self._wake()

    def _fail(self, reason: str) -> None:
        self._error = self._error or reason
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, seconds: float, reason: str) -> None:
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._fail, reason)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    async def send(self, request: bytes, first_byte_s: float) -> None:
        """Writes the request, returns when the head is here. Raises Broken."""
        self._reset()
        self.idle = False
        self.transport.write(request)
        while not self._head_done:
            if self._error is not None:
                raise Broken(self._error, fresh=self._head_size == 0)
            await self._wait(first_byte_s, "timeout")

    async def body(self, stall_s: float) -> AsyncGenerator[bytes]:
        """What has arrived so far, again and again. Raises Broken unless the end is declared."""
        while True:
            if self._parts:
                data = b"".join(self._parts) if len(self._parts) > 1 else self._parts[0]
                self._parts.clear()
                self._buffered = 0
                if self._paused:
                    self._paused = False
                    self.transport.resume_reading()
                yield data
            elif self._complete:
                return
            elif self._error is not None:
                raise Broken(self._error, fresh=False)
            else:
                await self._wait(stall_s, "stalled")

    @property
    def reusable(self) -> bool:
        return self._complete and self._keep_alive and self._error is None


class Pool:
    """Connections to one origin. `address` is where it really connects: resolved, and allowed."""

    def __init__(
        self,
        address: Callable[[], tuple[str, int]],
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        self._address = address
        self._tls = tls
        self._server_name = server_name
        self._idle: list[Exchange] = []

    async def take(self, connect_s: float = 5.0) -> Exchange:
        while self._idle:
            exchange = self._idle.pop()
            if not exchange.transport.is_closing():
                exchange.reused = True
                return exchange
        host, port = self._address()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(connect_s):
                _, exchange = await loop.create_connection(
                    lambda: Exchange(self._gone),
                    host,
                    port,
                    ssl=self._tls,
                    server_hostname=self._server_name if self._tls else None,
                )
        except TimeoutError:
            raise Broken("timeout", fresh=True) from None
        except OSError:
            raise Broken("unreachable", fresh=True) from None
        return exchange

    def give(self, exchange: Exchange) -> None:
        """Back into the pool when it ended well; closed at once otherwise."""
        if exchange.reusable and not exchange.transport.is_closing():
            exchange.idle = True
            self._idle.append(exchange)
        else:
            exchange.transport.abort()

    def _gone(self, exchange: Exchange) -> None:
        if exchange in self._idle:
            self._idle.remove(exchange)

    def close(self) -> None:
        for exchange in list(self._idle):
            exchange.transport.abort()
