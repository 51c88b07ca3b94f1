"""Any server that speaks OpenAI's wire: llama.cpp, vLLM, Ollama, a cloud.

Redirects are not followed, proxies from the environment are not used, cookies are not kept.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import ceil
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from situs.backends.answers import check_prompt, read_whole
from situs.backends.http1 import Connection, Dial, Pool, broken
from situs.backends.sse import EventReader
from situs.core.fleet import Deployment
from situs.core.ports import Chunk
from situs.core.record import End, Peer
from situs.core.request import Request, Wire
from situs.errors import BackendUnavailable

_PATHS = {
    Wire.OPENAI_CHAT: "/chat/completions",
    Wire.OPENAI_COMPLETIONS: "/completions",
    Wire.OPENAI_EMBEDDINGS: "/embeddings",
}
_MAX_BODY = 64 * 1024 * 1024
_OWN_FAULT = frozenset({401, 403, 404, 405, 407, 408, 425, 426})
_AFTER_DONE_S = 1.0
_LONGEST_RETRY_S = 3600

_encode = msgspec.json.Encoder().encode


class Endpoint(Struct, frozen=True):
    """Where a deployment answers. `base_url` ends in /v1; a supervised one may not have one yet.

    A stream's first byte is waited for as long as `first_byte_timeout_s`; an answer that is not
    streamed is generated whole before it comes, so all of it has `answer_timeout_s`. A stream in
    which nothing came for `stall_timeout_s` has stalled, and after `stream_timeout_s` it is ended.
    `supervised`: Situs started it, and knows which model it is whatever it says.
    """

    base_url: Callable[[], str | None]
    model: str
    key: Callable[[], str | None] = lambda: None
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 60.0
    answer_timeout_s: float = 600.0
    stall_timeout_s: float = 30.0
    stream_timeout_s: float = 3600.0
    supervised: bool = False

    @property
    def answers_as(self) -> str | None:
        """The model that its answers should say they are from."""
        return None if self.supervised else self.model


class Origin(Struct, frozen=True):
    """A base URL, taken apart once: the `host` header, the path, and its connections."""

    host: str
    path: str
    pool: Pool


class Origins:
    """The connections to all endpoints, by base URL; they outlive a fleet. `close` at the end.

    `dial` opens them.
    """

    most: ClassVar[int] = 16_384  # more than any fleet has, whose every server moved a few times

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._origins: dict[str, Origin] = {}
        self._tls: ssl.SSLContext | None = None

    def close(self) -> None:
        for origin in self._origins.values():
            origin.pool.close()

    def drop(self) -> None:
        """No connection is kept from now on but new ones; exchanges that run go on."""
        self.close()
        self._origins.clear()

    def origin(self, base: str) -> Origin:
        """One of each; supervised servers change their port, so old ones are let go."""
        known = self._origins.get(base)
        if known is None:
            if len(self._origins) >= self.most:
                self.drop()
            url = urlsplit(base)
            pool = Pool(*place_of(base), self._context(url.scheme), self._dial)
            known = self._origins[base] = Origin(url.netloc, url.path, pool)
        return known

    def _context(self, scheme: str) -> ssl.SSLContext | None:
        """Certificates and names are verified, against the system's authorities."""
        if scheme != "https":
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def place_of(base: str) -> tuple[str, int]:
    """The host and the port that a base URL means."""
    url = urlsplit(base)
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


class OpenAICompatible:
    """The backends of the deployments that are reached by URL; `close` ends all connections."""

    def __init__(self, endpoints: Mapping[str, Endpoint], origins: Origins) -> None:
        self._endpoints = dict(endpoints)
        self._origins = origins

    def prepare(self, deployment: Deployment, request: Request) -> HTTPReply:
        return HTTPReply(self._origins, self._endpoints[deployment.name], request)

    def close(self) -> None:
        self._origins.close()


def outgoing(request: Request, model: str) -> bytes:
    """The document as it leaves: the one that was analysed, with the backend's model name.

    Encoding it again (instead of passing bytes on) is on purpose: a document with a key twice reads
    differently to different parsers, and what was analysed must be what is sent.
    """
    document = {**request.document, "model": model}
    if request.stream:
        options = document.get("stream_options") or {}
        document["stream_options"] = {**options, "include_usage": True}
    return _encode(document)


class HTTPReply:
    """One exchange with one server; see `core.ports.Reply`."""

    def __init__(self, origins: Origins, endpoint: Endpoint, request: Request) -> None:
        self.peer: Peer | None = None
        self.bytes_out = 0
        self.status = 0
        self._origins = origins
        self._endpoint = endpoint
        self._request = request
        self._pool: Pool | None = None
        self._connection: Connection | None = None
        self._deadline = 0.0
        self._reader: EventReader | None = None

    @property
    def pieces(self) -> int:
        return 0 if self._reader is None else self._reader.tokens

    async def open(self) -> None:
        base = self._endpoint.base_url()
        if base is None:
            raise BackendUnavailable("The model is not loaded.", reason=End.UNREACHABLE)
        origin = self._origins.origin(base)
        self._pool = origin.pool
        body = outgoing(self._request, self._endpoint.model)
        head = self._head(origin.host, origin.path + _PATHS[self._request.wire], len(body))
        try:
            connection = await self._send(head, body)
        except BackendUnavailable:
            if not self._was_stale():
                raise
            connection = await self._send(head, body, fresh=True)
        self.status = connection.status
        _check_head(connection.status, connection.headers, stream=self._request.stream)

    def _head(self, host: str, path: str, length: int) -> bytes:
        key = self._endpoint.key()
        if key and not (key.isascii() and key.isprintable()):
            raise BackendUnavailable("Its key is no header value.", reason=End.UNREACHABLE)
        authorization = f"authorization: Bearer {key}\r\n" if key else ""
        return (
            f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            f"accept-encoding: identity\r\n{authorization}content-length: {length}\r\n\r\n"
        ).encode("ascii")

    async def _send(self, head: bytes, body: bytes, *, fresh: bool = False) -> Connection:
        if self._pool is None:
            raise RuntimeError("no pool")
        await self.close()
        endpoint = self._endpoint
        self._connection = await self._pool.take(endpoint.connect_timeout_s, fresh=fresh)
        self.peer = self._connection.peer
        self.bytes_out += len(body)
        stream = self._request.stream
        wait_s = endpoint.first_byte_timeout_s if stream else endpoint.answer_timeout_s
        self._deadline = time.monotonic() + wait_s
        await self._connection.send(head, body, wait_s)
        return self._connection

    def _was_stale(self) -> bool:
        """A kept connection that the server had closed meanwhile says nothing about the server."""
        connection = self._connection
        closed = connection is not None and connection.transport.is_closing()
        return closed and connection is not None and connection.reused and connection.untouched

    async def chunks(self) -> AsyncGenerator[Chunk]:
        connection = self._connection
        if connection is None:
            raise RuntimeError("not open")
        if self._request.stream and self.status < 400:
            async for chunk in self._events(connection):
                yield chunk
        else:
            yield await self._whole(connection)

    async def close(self) -> None:
        """Drops the connection unless the answer was read to its end."""
        if self._connection is not None and self._pool is not None:
            self._pool.give(self._connection)
            self._connection = None

    async def _events(self, connection: Connection) -> AsyncGenerator[Chunk]:
        reader, pulse = EventReader(self._endpoint.answers_as), _Pulse(self._endpoint)
        self._reader = reader
        while not reader.done and (data := await connection.read(*pulse.wait())):
            pulse.came(len(data))
            for chunk in reader.feed(data):
                if chunk.usage is not None:
                    check_prompt(self._request, chunk.usage)
                yield chunk
            pulse.beat(reader)
        reader.close()
        # Only the end of the body is left; reading it frees the connection for the next request.
        with contextlib.suppress(BackendUnavailable):
            await connection.read(_AFTER_DONE_S)

    async def _whole(self, connection: Connection) -> Chunk:
        parts: list[bytes] = []
        size = 0
        while data := await connection.read(self._endpoint.stall_timeout_s):
            parts.append(data)
            size += len(data)
            if size > _MAX_BODY:
                raise BackendUnavailable("The answer is too large.", reason=End.GARBAGE)
            if time.monotonic() > self._deadline:
                raise BackendUnavailable("The answer takes too long.", reason=End.TIMEOUT)
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        return read_whole(body, self.status, self._request, self._endpoint.answers_as)


class _Pulse:
    """How long a stream may go on: its events must keep coming, and it must end some time.

    Comments are events: servers send them while they read a prompt. But they stand for an answer no
    longer than its first byte may take.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._stall_s = endpoint.stall_timeout_s
        self._wordless_s = max(endpoint.first_byte_timeout_s, self._stall_s)
        self._heard = self._told = 0
        self._alive = self._said = time.monotonic()
        self._until = self._alive + endpoint.stream_timeout_s
        self._size = 0

    def wait(self) -> tuple[float, End]:
        """How long to wait for more, and what it is when nothing comes.

        Raises BackendUnavailable when it has gone on for too long, or sends bytes but no event, or
        comments alone.
        """
        now = time.monotonic()
        if now >= self._until:
            raise broken(End.TIMEOUT)
        quiet_s = min(self._alive + self._stall_s, self._said + self._wordless_s) - now
        whole_s = self._until - now
        if quiet_s <= 0:
            raise broken(End.STALLED)
        return (quiet_s, End.STALLED) if quiet_s < whole_s else (whole_s, End.TIMEOUT)

    def came(self, size: int) -> None:
        self._size += size
        if self._size > _MAX_BODY:
            raise BackendUnavailable("The stream is longer than 64 MiB.", reason=End.GARBAGE)

    def beat(self, reader: EventReader) -> None:
        """What came meanwhile has gone on."""
        if reader.told > self._told:
            self._told = reader.told
            self._alive = self._said = time.monotonic()
        elif reader.heard > self._heard:
            self._alive = time.monotonic()
        self._heard = reader.heard


def _check_head(status: int, headers: Mapping[bytes, bytes], *, stream: bool) -> None:
    """Raises BackendUnavailable for what is no answer to the request itself."""
    if status == 429:
        said, sent_at = headers.get(b"retry-after", b""), headers.get(b"date", b"")
        retry_after_s = _retry_after_s(said, sent_at, time.time())
        raise BackendUnavailable(
            "It is rate limited.", reason=End.RATE_LIMITED, retry_after_s=retry_after_s
        )
    if status >= 500 or status in _OWN_FAULT:
        raise BackendUnavailable(f"It answered {status}.", reason=End.SERVER_ERROR)
    if 200 < status < 400:
        raise BackendUnavailable(f"It answered {status}.", reason=End.GARBAGE)
    expected = b"text/event-stream" if stream and status < 400 else b"application/json"
    kind = headers.get(b"content-type", b"").split(b";", 1)[0].strip().lower()
    if kind != expected:
        raise BackendUnavailable("It answered with another content type.", reason=End.GARBAGE)
    if (_number(headers.get(b"content-length", b"")) or 0) > _MAX_BODY:
        raise BackendUnavailable("The answer is too large.", reason=End.GARBAGE)


def _retry_after_s(said: bytes, sent_at: bytes, now: float) -> int | None:
    """Seconds, or a date (RFC 9110, 10.2.3) by the server's own clock, else by ours; an hour at
    most. `now` is wall time.
    """
    seconds = _number(said) if len(said) < 10 else None
    if seconds is None and (until := _date(said)) is not None:
        at = _date(sent_at)
        seconds = max(0, ceil(until - (now if at is None else at)))
    return None if seconds is None else min(seconds, _LONGEST_RETRY_S)


def _date(text: bytes) -> float | None:
    """Wall time; a date without a zone is GMT."""
    if not 20 < len(text) < 40:
        return None
    try:
        found = parsedate_to_datetime(text.decode("ascii"))
        return found.replace(tzinfo=found.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _number(text: bytes) -> int | None:
    return int(text) if text.isdigit() and len(text) < 20 else None
