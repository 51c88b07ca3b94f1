"""A worker's way out: the parent opens each connection and hands over the connected socket.

So a worker needs no right to open any, and `confine.seal` takes it away. What is said through a
connection, TLS included, only the worker knows.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from contextlib import suppress
from itertools import count

import msgspec
from msgspec import Struct

from situs.dispatch.egress import Connector, EgressRefused

_MOST = 1024
"""Connections being opened for one worker; more are refused as EAGAIN."""
_LONGEST_S = 60.0
"""A worker has given up long before."""
_MESSAGE = 4096
_KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM


class _Wanted(Struct, frozen=True):
    """Without a host: what was wanted under this number is wanted no more."""

    number: int
    host: str = ""
    port: int = 0


class _Opened(Struct, frozen=True):
    """`error` is an errno; 0 comes with a socket."""

    number: int
    error: int = 0


_encode = msgspec.msgpack.Encoder().encode
_wanted = msgspec.msgpack.Decoder(_Wanted).decode
_opened = msgspec.msgpack.Decoder(_Opened).decode


def doors() -> tuple[socket.socket, socket.socket]:
    """The parent's side and a worker's side."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, _KIND)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


class Door:
    """The worker's side, on the loop that runs; `close` at the end."""

    def __init__(self, side: socket.socket) -> None:
        self._side = side
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[socket.socket]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(side.fileno(), self._take)

    async def dial(self, host: str, port: int) -> socket.socket:
        """As `dispatch.egress.Connector.dial`."""
        if not host:
            raise EgressRefused("a connection to nowhere")
        number = next(self._numbers)
        waiter: asyncio.Future[socket.socket] = self._loop.create_future()
        self._waiting[number] = waiter
        try:
            await _send(self._side, _encode(_Wanted(number, host, port)))
            return await waiter
        except asyncio.CancelledError:
            self._unwant(number, waiter)
            raise
        finally:
            del self._waiting[number]

    def _unwant(self, number: int, waiter: asyncio.Future[socket.socket]) -> None:
        """What came in the last moment is closed; what is still to come need not be opened."""
        if not waiter.done() or waiter.cancelled():
            with suppress(OSError):
                socket.send_fds(self._side, [_encode(_Wanted(number))], [])
        elif waiter.exception() is None:
            waiter.result().close()

    def close(self) -> None:
        self._loop.remove_reader(self._side.fileno())
        self._side.close()
        for waiter in self._waiting.values():
            waiter.cancel()

    def _take(self) -> None:
        try:
            data, descriptors, *_ = socket.recv_fds(self._side, _MESSAGE, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        raws = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        if not data:  # the parent is gone
            self._loop.remove_reader(self._side.fileno())
            return
        opened = _opened(data)
        waiter = self._waiting.get(opened.number)
        if waiter is None or waiter.done():
            for raw in raws:
                raw.close()
        elif raws:
            raws[0].setblocking(False)
            waiter.set_result(raws[0])
        elif opened.error == errno.EPERM:
            waiter.set_exception(EgressRefused("the list of permitted connections has it not"))
        else:
            waiter.set_exception(OSError(opened.error, os.strerror(opened.error)))


class DoorKeeper:
    """The parent's side of one worker's door: opens what `connector` permits, until `close`."""

    def __init__(self, side: socket.socket, connector: Connector) -> None:
        self._side = side
        self._connector = connector
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(side.fileno(), self._take)

    def close(self) -> None:
        if self._side.fileno() < 0:
            return
        self._loop.remove_reader(self._side.fileno())
        for task in self._opening.values():
            task.cancel()
        self._side.close()

    def _take(self) -> None:
        try:
            data = self._side.recv(_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        wanted = _wanted(data)
        if wanted.host:
            task = self._opening[wanted.number] = self._loop.create_task(self._open(wanted))
            task.add_done_callback(lambda _: self._opening.pop(wanted.number, None))
        elif wanted.number in self._opening:
            self._opening[wanted.number].cancel()

    async def _open(self, wanted: _Wanted) -> None:
        raw: socket.socket | None = None
        error = 0
        try:
            if len(self._opening) > _MOST:
                raise BlockingIOError(errno.EAGAIN, "too many at once")
            async with asyncio.timeout(_LONGEST_S):
                raw = await self._connector.dial(wanted.host, wanted.port)
        except EgressRefused:
            error = errno.EPERM
        except (OSError, UnicodeError) as problem:
            known = getattr(problem, "errno", None) or 0
            error = known if known > 0 else errno.EHOSTUNREACH  # names have numbers of their own
        with suppress(OSError):  # a worker that is gone needs no answer
            try:
                await _send(self._side, _encode(_Opened(wanted.number, error)), raw)
            finally:
                if raw is not None:
                    raw.close()


async def _send(side: socket.socket, data: bytes, raw: socket.socket | None = None) -> None:
    """Waits while the other side is slow to read."""
    descriptors = [] if raw is None else [raw.fileno()]
    while True:
        try:
            socket.send_fds(side, [data], descriptors)
        except BlockingIOError:
            await asyncio.sleep(0.002)
        else:
            return
