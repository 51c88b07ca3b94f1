"""uvicorn's HTTP protocol, with what a stranger may make it hold bounded in size and in time."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from situs.errors import (
    HeadTooLarge,
    InvalidRequest,
    Overloaded,
    RequestTooSlow,
    SitusError,
)
from situs.http.app import App
from situs.http.errors import envelope


def _last(status: bytes, error: SitusError) -> bytes:
    """An answer after which the connection is closed."""
    body, wait_s = msgspec.json.encode(envelope(error)), error.retry_after_s
    later = b"" if wait_s is None else b"retry-after: %d\r\n" % wait_s
    return (
        b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"%bconnection: close\r\n\r\n%b"
    ) % (status, len(body), later, body)


_REFUSED = _last(b"400 Bad Request", InvalidRequest("The bytes are no valid HTTP request."))
_TOO_LARGE = _last(
    b"431 Request Header Fields Too Large", HeadTooLarge("The head is larger than 64 KiB.")
)
_TOO_SLOW = _last(b"408 Request Timeout", RequestTooSlow("The head did not come in time."))
_FULL = _last(b"503 Service Unavailable", Overloaded("Too many connections are open."))

_MAX_DIGITS = 19
_ONCE = frozenset({b"host", b"origin", b"authorization", b"x-api-key", b"content-type", b"expect"})
_WITHOUT_BODY = frozenset({b"GET", b"HEAD", b"OPTIONS"})


class _Part(Enum):
    """What of a request is still to come: its head (or all of it), its body, nothing."""

    HEAD = auto()
    BODY = auto()
    NOTHING = auto()


_HEAD, _BODY, _NOTHING = _Part


class GuardedProtocol(HttpToolsProtocol):
    """Closes a connection whose request is too large or too slow, or can be read in two ways.

    The head has a size and a time. A body has to keep coming, and an answer to be taken: either at
    `least_rate` bytes a second, looked at every `body_s` and `answer_s` seconds. A body's size is
    the application's to bound. Refused besides what the parser refuses (RFC 9112): a target that
    is no path, a header twice that is read once, HTTP/1.0 with a body, and a request before the
    answer to the last one is over. A connection beyond the limit takes the place of one that is
    idle; where none is, it is told so and closed.

    uvicorn takes the class as `Config(http=GuardedProtocol, limit_concurrency=CONNECTIONS)`.
    """

    head_bytes: ClassVar[int] = 64 * 1024
    head_s: ClassVar[float] = 10.0
    full_s: ClassVar[float] = 1.0
    body_s: ClassVar[float] = 30.0
    answer_s: ClassVar[float] = 60.0
    least_rate: ClassVar[int] = 4096

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._full = False  # this connection is one too many
        self._part = _HEAD
        self._arrived = 0  # bytes of this part
        self._begun = False  # there is more of a head than empty lines
        self._untaken = 0  # bytes of the answer
        self._arriving: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._most, self.limit_concurrency = self.limit_concurrency, None  # ours, not uvicorn's

    @property
    def _busy(self) -> bool:
        """A request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def idle(self) -> bool:
        """Its last request is answered, and no byte of the next is here."""
        return self._part is _NOTHING and not self._busy and not self.transport.is_closing()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        over = 0 if self._most is None else len(self.connections) - self._most
        if over > 0 and not self._make_room():
            self._full = True
            wait_s = 0.0 if over > (self._most or 0) else self.full_s
            self._arriving = self.loop.call_later(wait_s, transport.abort)
        else:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrives()
        self._leaves()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._full:  # told only now: what is told to one who still sends can be lost
            self._count(Overloaded.code)
            self.transport.write(_FULL)
            self.transport.close()
            return
        if self._part is _NOTHING:
            self._part, self._arrived, self._begun = _HEAD, 0, False
        self._arrived += len(data)
        over = self._arrived - self.head_bytes
        if self._part is _HEAD and over > 0:
            self._end_head(data[:-over], data[-over:])
            return
        super().data_received(data)
        if self._part is not _NOTHING and self._arriving is None:
            self._expect()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._untaken = self.transport.get_write_buffer_size()
        self._leaving = self.loop.call_later(self.answer_s, self._look_at_answer)

    def resume_writing(self) -> None:
        self._leaves()
        super().resume_writing()

    # Called by the parser; what they raise is answered with 400.

    def on_message_begin(self) -> None:
        if self._busy:
            raise ValueError("a request before the last answer is over")
        self._part, self._begun = _HEAD, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if not self.url.startswith(b"/") or b"#" in self.url:
            raise ValueError("no path")
        headers = dict(self.headers)
        if len(headers) != len(self.headers):
            _check_repeated(self.headers)
        if len(headers.get(b"content-length", b"")) > _MAX_DIGITS:
            raise ValueError("a length padded with zeros")
        old = self.parser.get_http_version() != "1.1"
        if old and self.parser.get_method() not in _WITHOUT_BODY:
            raise ValueError("HTTP/1.0 with a body")
        self._arrives()
        self._part, self._arrived = _BODY, 0
        super().on_headers_complete()
        self.headers = []  # the request has its own; trailers are not added to them

    def on_message_complete(self) -> None:
        self._arrives()
        self._part = _NOTHING
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """In the gateway's own shape; never in the middle of another answer."""
        if self._busy and (self._part is not _BODY or self.cycle.response_started):
            self.transport.abort()
            return
        self._count(InvalidRequest.code)
        self.transport.write(_REFUSED)
        self.transport.close()

    def _count(self, code: str) -> None:
        if isinstance(self.app, App):
            self.app.refused[code] += 1

    # Bounds.

    def _end_head(self, data: bytes, rest: bytes) -> None:
        """The head has to end in `data`, with which it reaches its limit."""
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._part is _HEAD:
            self._leave(_TOO_LARGE, HeadTooLarge.code)
        else:
            self.data_received(rest)

    def _leave(self, answer: bytes, code: str) -> None:
        """Say why and close; in the middle of another answer only close."""
        if self._busy:
            self.transport.abort()
            return
        self._count(code)
        self.transport.write(answer)
        self.transport.close()

    def _make_room(self) -> bool:
        """Closes a connection that only waits for its next request, if there is one."""
        for other in self.connections:
            if isinstance(other, GuardedProtocol) and other.idle:
                other.transport.close()
                return True
        return False

    def _expect(self) -> None:
        seconds = self.head_s if self._part is _HEAD else self.body_s
        self._arriving = self.loop.call_later(seconds, self._look_at_request)

    def _arrives(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _leaves(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _look_at_request(self) -> None:
        if self._part is _HEAD:
            waits = self._busy  # empty lines after a request that is being answered
        else:
            waits = self._arrived >= self.least_rate * self.body_s
            self._arrived = 0
        if waits:
            self._expect()
        elif self._part is _HEAD and self._begun:
            self._leave(_TOO_SLOW, RequestTooSlow.code)
        else:
            self.transport.abort()

    def _look_at_answer(self) -> None:
        left = self.transport.get_write_buffer_size()
        if self._untaken - left < self.least_rate * self.answer_s:
            self.transport.abort()
            return
        self._untaken = left
        self._leaving = self.loop.call_later(self.answer_s, self._look_at_answer)


def _check_repeated(headers: list[tuple[bytes, bytes]]) -> None:
    """Raises ValueError for a header given twice of which another reader may take the other."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and (name in _ONCE or name.startswith(b"x-situs-")):
            raise ValueError("a header twice")
        seen.add(name)
