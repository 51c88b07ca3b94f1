"""The clients under comparison: each is `send(body) -> (status, content type, pieces)`."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast
from urllib.parse import urlsplit

Sent = tuple[int, bytes, AsyncIterator[bytes]]
Send = Callable[[bytes], Awaitable[Sent]]


def client(kind: str, url: str) -> Send:
    return {
        "aiohttp": aiohttp_client,
        "pyreqwest": pyreqwest_client,
        "httpx": httpx_client,
        "raw": raw_client,
        "own": own_client,
    }[kind](url)


def aiohttp_client(url: str) -> Send:
    import aiohttp
    import yarl

    plain = os.environ.get("STACK_AIOHTTP") == "plain"
    target: Any = url if plain else yarl.URL(url)
    session: aiohttp.ClientSession | None = None
    headers = {"content-type": "application/json"}
    options: dict[str, Any] = {} if plain else {"skip_auto_headers": ("User-Agent", "Accept")}

    def open_session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, use_dns_cache=True)
        if plain:
            return aiohttp.ClientSession(connector=connector)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=None),
            trust_env=False,
        )

    async def send(body: bytes) -> Sent:
        nonlocal session
        session = session or open_session()
        reply = await session.post(
            target, data=body, headers=headers, allow_redirects=False, **options
        )
        kind = reply.headers.get("content-type", "").encode()
        if kind != b"text/event-stream":
            return reply.status, kind, _one(await reply.read())
        return reply.status, kind, reply.content.iter_any()

    return send


def pyreqwest_client(url: str) -> Send:
    from pyreqwest.client import ClientBuilder  # type: ignore[import-not-found]

    built: Any = None

    async def send(body: bytes) -> Sent:
        nonlocal built
        if built is None:
            built = ClientBuilder().build()
            await built.__aenter__()
        request = built.post(url).header("content-type", "application/json").body_bytes(body)
        if b'"stream":true' not in body:
            reply = await request.build().send()
            kind = reply.headers.get("content-type", "").encode()
            return reply.status, kind, _one(bytes(await reply.bytes()))
        context = request.build_streamed()
        reply = await context.__aenter__()

        async def pieces() -> AsyncIterator[bytes]:
            try:
                while chunk := await reply.body_reader.read_chunk():
                    yield bytes(chunk)
            finally:
                await context.__aexit__(None, None, None)

        return reply.status, reply.headers.get("content-type", "").encode(), pieces()

    return send


def httpx_client(url: str) -> Send:
    import httpx  # type: ignore[import-not-found]

    session: httpx.AsyncClient | None = None

    async def send(body: bytes) -> Sent:
        nonlocal session
        if session is None:
            session = httpx.AsyncClient(timeout=None, trust_env=False)  # noqa: S113
        headers = {"content-type": "application/json"}
        request = session.build_request("POST", url, content=body, headers=headers)
        reply = await session.send(request, stream=True)
        kind = reply.headers.get("content-type", "").encode()
        return reply.status_code, kind, reply.aiter_raw()

    return send


class _Raw(asyncio.Protocol):
    """A keep-alive connection without timeouts, limits or TLS: the ceiling."""

    def __init__(self) -> None:
        import httptools

        self.on_message_complete = self._complete
        self._parser = httptools.HttpResponseParser(self)
        self._parts: deque[bytes] = deque()
        self._headers: dict[bytes, bytes] = {}
        self._done = False
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._wake()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._wake()

    def _complete(self) -> None:
        self._done = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    async def head(self, request: bytes) -> tuple[int, bytes]:
        self._done, self._headers = False, {}
        self.transport.write(request)
        await self._wait()
        return self._parser.get_status_code(), self._headers.get(b"content-type", b"")

    async def body(self, free: deque[_Raw]) -> AsyncIterator[bytes]:
        while self._parts or not self._done:
            if not self._parts:
                await self._wait()
                continue
            data = b"".join(self._parts)
            self._parts.clear()
            yield data
        free.append(self)


def raw_client(url: str) -> Send:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
    head += "content-type: application/json\r\ncontent-length: "
    start = head.encode()
    free: deque[_Raw] = deque()

    async def send(body: bytes) -> Sent:
        if free:
            connection = free.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(_Raw, host, port)
        request = b"%b%d\r\n\r\n%b" % (start, len(body), body)
        status, kind = await connection.head(request)
        return status, kind, connection.body(free)

    return send


def own_client(url: str) -> Send:
    """The product's own, `situs.backends.http1`."""
    from situs.backends.http1 import Connection, Pool
    from situs.dispatch.egress import Connector, Permit

    parts = urlsplit(url)
    place = parts.hostname or "", parts.port or 80
    pool = Pool(*place, None, Connector([Permit("bench", lambda: place)]).dial)
    start = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
    start += "content-type: application/json\r\ncontent-length: "

    async def pieces(connection: Connection) -> AsyncIterator[bytes]:
        try:
            while data := await connection.read(30.0):
                yield data
        finally:
            pool.give(connection)

    async def send(body: bytes) -> Sent:
        connection = await pool.take(5.0)
        await connection.send(f"{start}{len(body)}\r\n\r\n".encode(), body, 60.0)
        kind = connection.headers.get(b"content-type", b"")
        return connection.status, kind, pieces(connection)

    return send


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body
