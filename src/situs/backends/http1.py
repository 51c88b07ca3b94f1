"""A small HTTP/1.1 client: one exchange a connection, every end told apart, every peer known.

Why our own: a receipt needs the address and certificate really reached, the egress guard opens the
connections, and a decision record (0003) has the timings. The parser is
llhttp, through httptools. Source: RFC 9112.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import ClassVar, cast

import httptools

from situs.core.record import End, Peer
from situs.errors import BackendUnavailable

_MAX_HEAD = 64 * 1024
_HIGH_WATER = 128 * 1024
_MAX_IDLE = 256

Dial = Callable[[str, int], Awaitable[socket.socket]]
"""Opens a connection to a host and a port; raises OSError. See `dispatch.egress`."""

_SAID = {
    End.TIMEOUT: "No answer in time.",
    End.STALLED: "It fell silent.",
    End.CUT: "The connection broke.",
    End.GARBAGE: "It does not speak HTTP.",
    End.UNREACHABLE: "It cannot be reached.",
}


def broken(end: End) -> BackendUnavailable:
    return BackendUnavailable(_SAID[end], reason=end)


class Connection(asyncio.Protocol):
    """One connection to one peer. While idle it belongs to its pool."""

    def __init__(self, gone: Callable[[Connection], None]) -> None:
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._parts: deque[bytes] = deque()
        self._buffered = 0
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self.peer: Peer | None = None
        self.idle = True
        self.idle_since = 0.0
        self.reused = False
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._bare = 0  # bytes since the last of a body: a head, framing, trailers
        self._head_done = False
        self._complete = False
        self._keep_alive = False
        self._end: End | None = None

    @property
    def untouched(self) -> bool:
        """Not one byte of an answer has come."""
        return self._bare == 0 and not self._head_done

    @property
    def reusable(self) -> bool:
        """The answer was whole and read, and no byte of the request is still to be sent."""
        whole = self._complete and self._keep_alive and self._end is None and not self._parts
        transport = self.transport
        return whole and not transport.is_closing() and transport.get_write_buffer_size() == 0

    async def send(self, head: bytes, body: bytes, timeout_s: float) -> None:
        """Writes the request and returns when the head of the answer is here.

        Raises BackendUnavailable: `timeout`, `cut` or `garbage`.
        """
        self._reset()
        self.idle = False
        if self.transport.is_closing():  # since it was made
            raise broken(End.CUT)
        self.transport.writelines((head, body))
        while not self._head_done:
            if self._end is not None:
                raise broken(self._end)
            await self._wait(timeout_s, End.TIMEOUT)

    async def read(self, timeout_s: float, late: End = End.STALLED) -> bytes:
        """What has arrived since the last call; empty at the end of the body.

        Raises BackendUnavailable: `late` when nothing came in time, `cut` or `garbage`.
        """
        while True:
            if self._parts:
                return self._take()
            if self._complete:
                return b""
            if self._end is not None:
                raise broken(self._end)
            await self._wait(timeout_s, late)

    def _take(self) -> bytes:
        data = b"".join(self._parts) if len(self._parts) > 1 else self._parts[0]
        self._parts.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()
        return data

    async def _wait(self, seconds: float, end: End) -> None:
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._break, end)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, end: End) -> None:
        self._end = self._end or end
        self._wake()

    def _refuse(self) -> None:
        self._break(End.GARBAGE)
        self.transport.abort()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.peer = _peer(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone(self)
        del self._parser  # it holds this object: no cycle is left behind
        framed = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        if self._head_done and not framed and exc is None:
            self._complete = True  # such a body ends with its connection
        if not self._complete:
            self._break(End.CUT)
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self.idle:  # nobody asked
            self.transport.abort()
            return
        self._bare += len(data)
        over = self._bare - _MAX_HEAD
        if over > 0 and not self._head_done:  # the head has to end before the limit
            self._feed(data[:-over])
            data = data[-over:] if self._head_done and self._end is None else b""
        self._feed(data)
        if self._bare > _MAX_HEAD:
            self._refuse()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse()

    # Called by the parser; what they raise is garbage.

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_done:  # trailers say nothing
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 1xx: the answer is still to come
            if status < 100:
                raise ValueError("no status")
            self.headers = {}
            return
        self.status, self._head_done = status, True
        self._wake()

    def on_body(self, body: bytes) -> None:
        self._bare = 0
        self._parts.append(body)
        self._buffered += len(body)
        if self._buffered > _HIGH_WATER and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if self._head_done:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()  # only told in here
            self._wake()


class Pool:
    """Connections to one origin, opened by `dial`."""

    idle_s: ClassVar[float] = 50.0
    """Longer than this, a network may have forgotten a connection without telling."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, dial: Dial) -> None:
        self._host, self._port, self._tls, self._dial = host, port, tls, dial
        self._idle: list[Connection] = []
        self._closed = False

    async def take(self, connect_timeout_s: float, *, fresh: bool = False) -> Connection:
        """An idle connection or (always if `fresh`) a new one.

        Raises BackendUnavailable: `unreachable` or `timeout`.
        """
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.transport.is_closing():
                continue
            if time.monotonic() - connection.idle_since < self.idle_s:
                connection.reused = True
                return connection
            connection.transport.abort()
        try:
            async with asyncio.timeout(connect_timeout_s):
                connection = await self._connect()
        except TimeoutError:
            raise broken(End.TIMEOUT) from None
        except (OSError, UnicodeError):  # TLS failures too; a host that is no name
            raise broken(End.UNREACHABLE) from None
        if connection.peer is None:  # already gone; nothing is sent to whom nobody knows
            connection.transport.abort()
            raise broken(End.CUT)
        return connection

    async def _connect(self) -> Connection:
        raw = await self._dial(self._host, self._port)
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self._gone),
                sock=raw,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )
        except BaseException:
            raw.close()
            raise
        return connection

    def give(self, connection: Connection) -> None:
        """Keeps a connection whose exchange ended well; drops any other at once."""
        if connection.reusable and not self._closed and len(self._idle) < _MAX_IDLE:
            connection.idle = True
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.transport.abort()

    def close(self) -> None:
        """Drops what is idle, and from now on whatever is given back."""
        self._closed = True
        for connection in list(self._idle):
            connection.transport.abort()

    def _gone(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)


def _peer(transport: asyncio.BaseTransport) -> Peer | None:
    address = transport.get_extra_info("peername")
    if not address:
        return None
    encrypted: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    digest = None
    if encrypted is not None:
        certificate = encrypted.getpeercert(binary_form=True) or b""
        digest = hashlib.sha256(certificate).hexdigest()
    return Peer(str(address[0]), int(address[1]), digest)
