"""Any server that speaks OpenAI's wire: llama.cpp, vLLM, Ollama, a cloud.

The only place of the gateway that opens connections to models. Redirects are not followed, proxies
from the environment are not used, cookies are not kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from msgspec import Struct

from situs.backends.sse import EventReader, WireUsage
from situs.core.fleet import Deployment
from situs.core.ports import Chunk
from situs.core.record import End, Peer
from situs.core.request import Request, Wire
from situs.errors import BackendUnavailable

_PATHS = {Wire.OPENAI_CHAT: "/chat/completions"}
_MAX_BODY = 64 * 1024 * 1024
_OWN_FAULT = frozenset({401, 403, 404, 405, 407, 408, 425, 426})
_TRANSIENT = (
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
    aiohttp.ClientResponseError,
    ValueError,
)

_encode = msgspec.json.Encoder().encode


class Endpoint(Struct, frozen=True):
    """Where a deployment answers. `base_url` ends in /v1; a supervised one may not have one yet."""

    base_url: Callable[[], str | None]
    model: str
    key: Callable[[], str | None] = lambda: None
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 60.0
    stall_timeout_s: float = 30.0


class _Body(Struct):
    usage: WireUsage | None = None
    error: Any = None


_decode_body = msgspec.json.Decoder(_Body).decode


class OpenAICompatible:
    """One pooled client for all endpoints; `close` it at the end."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = dict(endpoints)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers={"User-Agent", "Accept-Encoding", "Accept"},
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def prepare(self, deployment: Deployment, request: Request) -> HTTPReply:
        if self._session is None:
            raise RuntimeError("not started")
        return HTTPReply(self._session, self._endpoints[deployment.name], request)


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


def _check_head(response: aiohttp.ClientResponse, *, stream: bool) -> None:
    """Raises BackendUnavailable for what is no answer to the request itself."""
    status = response.status
    if status == 429:
        retry_after_s = _seconds(response.headers.get("Retry-After"))
        raise BackendUnavailable(
            "It is rate limited.", reason=End.RATE_LIMITED, retry_after_s=retry_after_s
        )
    if status >= 500 or status in _OWN_FAULT:
        raise BackendUnavailable(f"It answered {status}.", reason=End.SERVER_ERROR)
    if 300 <= status < 400 or status < 200:
        raise BackendUnavailable(f"It answered {status}.", reason=End.GARBAGE)
    expected = "text/event-stream" if stream and status < 400 else "application/json"
    if response.content_type != expected:
        raise BackendUnavailable("It answered with another content type.", reason=End.GARBAGE)


def _seconds(text: str | None) -> int | None:
    return min(int(text), 3600) if text is not None and text.isdecimal() else None


class HTTPReply:
    """One exchange on one connection; see `core.ports.Reply`."""

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, request: Request
    ) -> None:
        self.peer: Peer | None = None
        self.bytes_out = 0
        self._session = session
        self._endpoint = endpoint
        self._request = request
        self._response: aiohttp.ClientResponse | None = None

    @property
    def status(self) -> int:
        return 0 if self._response is None else self._response.status

    def reached(self, peer: Peer | None, size: int) -> None:
        """The connector has a connection: from now on bytes may leave."""
        self.peer, self.bytes_out = peer, size

    async def open(self) -> None:
        endpoint = self._endpoint
        base = endpoint.base_url()
        if base is None:
            raise BackendUnavailable("The model is not loaded.", reason=End.UNREACHABLE)
        try:
            async with asyncio.timeout(endpoint.first_byte_timeout_s):
                self._response = await self._post(base + _PATHS[self._request.wire])
        except TimeoutError:
            raise BackendUnavailable("No answer in time.", reason=End.TIMEOUT) from None
        except aiohttp.ClientConnectorError:
            raise BackendUnavailable("It cannot be reached.", reason=End.UNREACHABLE) from None
        except _TRANSIENT:
            raise BackendUnavailable("The connection broke.", reason=End.CUT) from None
        _check_head(self._response, stream=self._request.stream)

    async def _post(self, url: str) -> aiohttp.ClientResponse:
        endpoint, key = self._endpoint, self._endpoint.key()
        body = outgoing(self._request, endpoint.model)
        _sending.set((self, len(body)))
        return await self._session.post(
            url,
            data=body,
            headers={"Authorization": f"Bearer {key}"} if key else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=endpoint.connect_timeout_s),
        )

    async def chunks(self) -> AsyncGenerator[Chunk]:
        try:
            if self._request.stream and self.status < 400:
                async for chunk in self._events():
                    yield chunk
            else:
                yield await self._whole()
        except TimeoutError:
            raise BackendUnavailable("It fell silent.", reason=End.STALLED) from None
        except _TRANSIENT:
            raise BackendUnavailable("The connection broke.", reason=End.CUT) from None

    async def close(self) -> None:
        """Drops the connection unless the answer was read to its end."""
        if self._response is not None:
            self._response.close()

    @property
    def _content(self) -> aiohttp.StreamReader:
        if self._response is None:
            raise RuntimeError("not open")
        return self._response.content

    async def _events(self) -> AsyncGenerator[Chunk]:
        reader, content = EventReader(), self._content
        while not reader.done:
            async with asyncio.timeout(self._endpoint.stall_timeout_s):
                data = await content.readany()
            if not data:
                break
            for chunk in reader.feed(data):
                yield chunk
        reader.close()
        await self._finish()

    async def _finish(self) -> None:
        """After `[DONE]` only the end of the body is left; reading it frees the connection."""
        with suppress(TimeoutError, *_TRANSIENT):
            async with asyncio.timeout(1.0):
                while await self._content.readany():
                    pass

    async def _whole(self) -> Chunk:
        parts: list[bytes] = []
        size = 0
        async with asyncio.timeout(self._endpoint.stall_timeout_s) as timer:
            while data := await self._content.readany():
                parts.append(data)
                size += len(data)
                if size > _MAX_BODY:
                    raise BackendUnavailable("The answer is too large.", reason=End.GARBAGE)
                timer.reschedule(asyncio.get_running_loop().time() + self._endpoint.stall_timeout_s)
        body = b"".join(parts)
        try:
            said = _decode_body(str(body, "utf-8"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise BackendUnavailable("The answer is no JSON.", reason=End.GARBAGE) from None
        return Chunk(body, usage=said.usage.counted() if said.usage else None, last=True)


_sending: ContextVar[tuple[HTTPReply, int]] = ContextVar("_sending")
"""The exchange that the running task is about to send, for the connector to report to."""


class _Connector(aiohttp.TCPConnector):
    """Where every connection to a model is taken: it tells the exchange whom it reached."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the name is aiohttp's
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        reply, size = _sending.get()
        reply.reached(_peer(connection.protocol), size)
        return connection


def _peer(protocol: ResponseHandler | None) -> Peer | None:
    transport = None if protocol is None else protocol.transport
    if transport is None:
        return None
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return None
    tls = transport.get_extra_info("ssl_object")
    certificate = None
    if isinstance(tls, ssl.SSLObject):
        certificate = tls.getpeercert(binary_form=True)
    digest = hashlib.sha256(certificate).hexdigest() if certificate else None
    return Peer(str(name[0]), int(name[1]), digest)
