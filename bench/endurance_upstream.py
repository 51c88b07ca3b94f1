"""An upstream that writes down which request it received before it does anything else.

Each prompt holds `#n123;ok#`: the request's number, and what is to become of it: `ok`, `slow` (a
stream with pauses), `fail` (500), `busy` (429) or `cut` (the connection ends in the middle of the
answer). The number is appended to a file, one a line, and stands there before a byte is answered;
so what arrived can be compared with what was recorded. Prompts without a number are answered too.

    python -m bench.endurance_upstream --port 9000 --log FILE
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import httptools
import uvloop

MARK = re.compile(rb"#n(\d+);([a-z]+)#")
_GAP_S = 0.02
_CHUNKS = 12
_WORDS = "The request went to the place that policy allowed. "
_USAGE = {"prompt_tokens": 40_000, "completion_tokens": 120, "total_tokens": 40_120}
"""As for the longest prompt: too few would say that a part was dropped."""


def _response(status: int, document: object) -> bytes:
    body = json.dumps(document).encode()
    head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _whole(path: str, size: int) -> bytes:
    text = _WORDS * size
    if path.endswith("/embeddings"):
        vector = [round(i / 384, 6) for i in range(384)]
        data = [{"object": "embedding", "index": 0, "embedding": vector}]
        usage = {"prompt_tokens": 40_000, "total_tokens": 40_000}
        return _response(200, {"object": "list", "data": data, "model": "fast", "usage": usage})
    chat = path.endswith("/chat/completions")
    message = {"role": "assistant", "content": text}
    said: dict[str, object] = {"message": message} if chat else {"text": text}
    choice = {"index": 0, **said, "finish_reason": "stop"}
    kind = "chat.completion" if chat else "text_completion"
    document = {"id": "x", "object": kind, "created": 1, "model": "fast", "choices": [choice]}
    return _response(200, {**document, "usage": _USAGE})


def _event(document: object) -> bytes:
    data = b"data: %b\n\n" % (
        document if isinstance(document, bytes) else json.dumps(document).encode()
    )
    return b"%x\r\n%b\r\n" % (len(data), data)


def _stream(path: str) -> list[bytes]:
    """The pieces of a streamed answer."""
    chat = path.endswith("/chat/completions")
    kind = "chat.completion.chunk" if chat else "text_completion"
    said: dict[str, object] = {"delta": {"content": _WORDS}} if chat else {"text": _WORDS}
    base = {"id": "x", "object": kind, "created": 1, "model": "fast"}
    chunk = _event({**base, "choices": [{"index": 0, **said, "finish_reason": None}]})
    nothing: dict[str, object] = {"delta": {}} if chat else {"text": ""}
    last = {"index": 0, **nothing, "finish_reason": "stop"}
    ending = _event({**base, "choices": [last]})
    ending += _event({**base, "choices": [], "usage": _USAGE}) + _event(b"[DONE]") + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    return [head + b"\r\n" + chunk, *[chunk] * (_CHUNKS - 1), ending]


_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
_WHOLE = {path: [_whole(path, size) for size in (1, 8, 40, 200)] for path in _PATHS}
_STREAM = {path: _stream(path) for path in _PATHS}
_FAIL = _response(500, {"error": {"message": "failed as asked", "type": "server_error"}})
_BUSY = _response(429, {"error": {"message": "busy as asked", "type": "rate_limit"}}).replace(
    b"\r\n", b"\r\nretry-after: 0\r\n", 1
)
"""Of one request, not of all: it may be asked again at once."""
_UNKNOWN = _response(404, {"error": {"message": "no such path", "type": "not_found"}})


class _Upstream(asyncio.Protocol):
    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._path = ""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has its own class

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url.decode()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        self._body.clear()
        if self._path not in _WHOLE:
            self._transport.write(_UNKNOWN)
            return
        number, fate = 0, b"ok"
        if (found := MARK.search(body)) is not None:
            self._received(found[1])
            number, fate = int(found[1]), found[2]
        self._answer(number, fate, b'"stream":true' in body)

    def _answer(self, number: int, fate: bytes, stream: bool) -> None:
        answers = _WHOLE[self._path]
        answer = answers[number % len(answers)]
        if fate == b"fail":
            self._transport.write(_FAIL)
        elif fate == b"busy":
            self._transport.write(_BUSY)
        elif fate == b"cut":
            self._transport.write(_STREAM[self._path][0] if stream else answer[: len(answer) // 2])
            self._transport.close()
        elif not stream:
            self._transport.write(answer)
        elif fate == b"slow":
            self._next(iter(_STREAM[self._path]))
        else:
            self._transport.write(b"".join(_STREAM[self._path]))

    def _next(self, pieces: Iterator[bytes]) -> None:
        piece = next(pieces, None)
        if piece is not None:
            self._transport.write(piece)
            self._timer = asyncio.get_running_loop().call_later(_GAP_S, self._next, pieces)


async def _serve(port: int, log: Path) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def received(number: bytes) -> None:
        os.write(file, number + b"\n")

    server = await loop.create_server(lambda: _Upstream(received), "127.0.0.1", port, backlog=1024)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    given = parser.parse_args()
    uvloop.run(_serve(given.port, given.log))


if __name__ == "__main__":
    main()
