"""An upstream as fast as Python allows, so that a benchmark measures what stands before it.

`POST` anything: a fixed JSON answer of about 930 bytes, or, when the body asks for a stream, SSE
chunks that each carry their send time as `@nanoseconds@` (CLOCK_MONOTONIC, the same in every
process of a machine). `POST /_pace {"chunks": 64, "interval_s": 0.005}` sets the stream; an
interval of 0 writes all of it at once. Everything else answers 200.

    python -m tests.fakes.fast_upstream --port 9000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from typing import cast

import httptools
import uvloop
from msgspec import Struct

_SENTENCE = "The request went to the place that policy allowed and that was best for it. "
_ANSWER = {
    "id": "chatcmpl-fast",
    "object": "chat.completion",
    "created": 1,
    "model": "fast",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": _SENTENCE * 8},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 400, "completion_tokens": 120, "total_tokens": 520},
}


def _json_response() -> bytes:
    body = json.dumps(_ANSWER).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


_JSON = _json_response()
_EMPTY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
_SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_CHUNK = (
    b'data: {"id":"chatcmpl-fast","object":"chat.completion.chunk","created":1,"model":"fast",'
    b'"choices":[{"index":0,"delta":{"content":"@%d@ word"},"finish_reason":null}]}\n\n'
)
_LAST = (
    b'data: {"id":"chatcmpl-fast","object":"chat.completion.chunk","created":1,"model":"fast",'
    b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"chatcmpl-fast","object":"chat.completion.chunk","created":1,"model":"fast",'
    b'"choices":[],"usage":{"prompt_tokens":400,"completion_tokens":64,"total_tokens":464}}\n\n'
    b"data: [DONE]\n\n"
)


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Pace(Struct):
    """How streams are sent: `interval_s` between chunks, 0 for all at once."""

    chunks: int = 64
    interval_s: float = 0.005


class _Upstream(asyncio.Protocol):
    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._path = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has its own class

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        if self._path.startswith(b"/_pace"):
            pace = json.loads(body)
            self._pace.chunks, self._pace.interval_s = pace["chunks"], pace["interval_s"]
            self._transport.write(_EMPTY)
        elif b'"stream":true' in body or b'"stream": true' in body:
            self._stream()
        elif body:
            self._transport.write(_JSON)
        else:
            self._transport.write(_EMPTY)

    def _stream(self) -> None:
        chunks, interval = self._pace.chunks, self._pace.interval_s
        if interval <= 0:
            now = time.monotonic_ns
            burst = [_framed(_CHUNK % now()) for _ in range(chunks)]
            self._transport.write(b"".join([_SSE_HEAD, *burst, _framed(_LAST), b"0\r\n\r\n"]))
            return
        self._transport.write(_SSE_HEAD + _framed(_CHUNK % time.monotonic_ns()))
        self._later(chunks - 1, interval)

    def _later(self, left: int, interval: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(interval, self._next, left, interval)

    def _next(self, left: int, interval: float) -> None:
        if left == 0:
            self._transport.write(_framed(_LAST) + b"0\r\n\r\n")
            return
        self._transport.write(_framed(_CHUNK % time.monotonic_ns()))
        self._later(left - 1, interval)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pace = Pace()
    server = await loop.create_server(lambda: _Upstream(pace), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A fast fixed upstream.")
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
