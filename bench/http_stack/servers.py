"""The servers under comparison.

Run as `python -m bench.http_stack.servers SERVER PORT`; STACK_CLIENT names the client.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, cast

import msgspec

from bench.http_stack.clients import client

URL = os.environ.get("STACK_UPSTREAM", "http://127.0.0.1:9000/v1/chat/completions")
KIND = os.environ.get("STACK_CLIENT", "aiohttp")
_send = client(KIND, URL)
_encode = msgspec.json.Encoder().encode


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Reply(msgspec.Struct):
    usage: _Usage | None = None


_document = msgspec.json.Decoder(dict[str, Any])
_reply = msgspec.json.Decoder(_Reply)


def changed(body: bytes) -> bytes:
    document = _document.decode(body)
    document["model"] = "fast"
    return _encode(document)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Plain ASGI; uvicorn and granian run it."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body = body + message["body"] if body else message["body"]
        if not message.get("more_body"):
            break
    status, kind, pieces = await _send(changed(body))
    if kind != b"text/event-stream":
        data = b"".join([piece async for piece in pieces])
        _reply.decode(data)
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(data))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})
        return
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def rsgi(scope: Any, protocol: Any) -> None:
    """granian's own interface."""
    status, kind, pieces = await _send(changed(await protocol()))
    headers = [("content-type", kind.decode())]
    if kind != b"text/event-stream":
        data = b"".join([piece async for piece in pieces])
        _reply.decode(data)
        protocol.response_bytes(status, headers, data)
        return
    transport = protocol.response_stream(status, headers)
    async for piece in pieces:
        await transport.send_bytes(piece)


def run_uvicorn(port: int) -> None:
    import uvicorn

    loop = os.environ.get("STACK_LOOP", "uvloop")
    http: Any = os.environ.get("STACK_HTTP", "httptools")
    if http == "guarded":
        from situs.http.guarded import GuardedProtocol

        http = GuardedProtocol
    uvicorn.run(
        app, port=port, loop=loop, http=http, lifespan="off",
        access_log=os.environ.get("STACK_ACCESS") == "1", log_level="warning",
        server_header=os.environ.get("STACK_HEADERS") == "1",
        date_header=os.environ.get("STACK_HEADERS") == "1",
        ws="none", proxy_headers=os.environ.get("STACK_PROXY") == "1",
    )  # fmt: skip


def run_granian(port: int, interface: str) -> None:
    from granian.constants import Interfaces, Loops  # type: ignore[import-not-found]
    from granian.server import Server  # type: ignore[import-not-found]

    name = "rsgi" if interface == "rsgi" else "app"
    Server(
        f"bench.http_stack.servers:{name}", port=port, interface=Interfaces(interface),
        loop=Loops.uvloop, log_access=False, log_level="warning",
    ).serve()  # fmt: skip


def run_aiohttp(port: int) -> None:
    import uvloop
    from aiohttp import web

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        status, kind, pieces = await _send(changed(await request.read()))
        if kind != b"text/event-stream":
            data = b"".join([piece async for piece in pieces])
            _reply.decode(data)
            return web.Response(status=status, body=data, content_type=kind.decode())
        reply = web.StreamResponse(status=status, headers={"content-type": kind.decode()})
        await reply.prepare(request)
        async for piece in pieces:
            await reply.write(piece)
        return reply

    async def serve() -> None:
        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    uvloop.run(serve())


class _RawServer(asyncio.Protocol):
    """A hand-written server without limits, timeouts or pipelining: the ceiling."""

    def __init__(self) -> None:
        import httptools

        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        self._task = asyncio.get_running_loop().create_task(self._answer(body))

    async def _answer(self, body: bytes) -> None:
        status, kind, pieces = await _send(changed(body))
        head = b"HTTP/1.1 %d OK\r\ncontent-type: %b\r\n" % (status, kind)
        if kind != b"text/event-stream":
            data = b"".join([piece async for piece in pieces])
            _reply.decode(data)
            self._transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(data), data))
            return
        self._transport.write(head + b"transfer-encoding: chunked\r\n\r\n")
        async for piece in pieces:
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self._transport.write(b"0\r\n\r\n")


def run_raw(port: int) -> None:
    import uvloop

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(_RawServer, "127.0.0.1", port, backlog=1024)
        await asyncio.Event().wait()

    uvloop.run(serve())


def main() -> None:
    server, port = sys.argv[1], int(sys.argv[2])
    match server:
        case "uvicorn":
            run_uvicorn(port)
        case "granian-rsgi":
            run_granian(port, "rsgi")
        case "granian-asgi":
            run_granian(port, "asginl")
        case "aiohttp":
            run_aiohttp(port)
        case "raw":
            run_raw(port)


if __name__ == "__main__":
    main()
