"""An upstream that fails in one way, named by the path of its URL: `/CASE/CELL/v1/...`.

`Upstream` runs in a thread of its own. What it sends is a script: bytes are sent, numbers are
seconds of silence, and at the end the connection is closed.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MODEL = "conformance-model"
WORDS = ("The", " garden", " is", " well", " kept", ".")
_GAP_S = 0.02
_FOREVER_S = 60.0
_PAST = "Thu, 01 Jan 1970 00:00:00 GMT"
_FUTURE = 4102444800

Script = Iterator[bytes | float]

_encode = msgspec.json.encode


class Upstream:
    """Owns two listening sockets, one with TLS, and counts what `received` for each cell."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.ports: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []
        self._closed = socket.socket()  # bound, and never listening

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        self._closed.bind(("127.0.0.1", 0))
        self.ports["refused"] = self._closed.getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._closed.close()

    def url(self, case: str, cell: str) -> str:
        """The base URL of a deployment that fails so."""
        places = {
            "dns": "http://no-such-host.invalid",
            "tls": f"https://127.0.0.1:{self.ports['tls']}",
            "refused": f"http://127.0.0.1:{self.ports['refused']}",
        }
        root = places.get(case, f"http://127.0.0.1:{self.ports['plain']}")
        return f"{root}/{case}/{cell}/v1"

    async def _listen(self) -> None:
        for name, tls in (("plain", None), ("tls", _own_tls())):
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
            self.ports[name] = server.sockets[0].getsockname()[1]
            self._servers.append(server)

    async def _close(self) -> None:
        """Stops listening, and whatever still answers."""
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError), closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = int(head.lower().partition("content-length:")[2].split("\r\n")[0])
            document = msgspec.json.decode(await reader.readexactly(length))
            place, _, service = head.split(" ", 2)[1].partition("/v1/")
            _, case, cell = place.split("/")
            self.received[cell] += 1
            for part in script(case, service, document):
                if isinstance(part, float):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1), part)
                        break  # the gateway has left
                else:
                    writer.write(part)
                    await writer.drain()


def script(case: str, service: str, document: dict[str, Any]) -> Script:
    """What an upstream of this case does with a request; `service` is the end of its path."""
    if document.get("stream"):
        return _streamed(case, service)
    return _whole(case, service, document)


def _whole(case: str, service: str, document: dict[str, Any]) -> Script:
    if case in _NO_ANSWER:
        yield from _no_answer(case)
        return
    body = _encode(_body(case, service, document))
    half, length = body[: len(body) // 2], len(body)
    match case:
        case "cut_after":
            yield _head(length) + half
        case "stall":
            yield _head(length) + half
            yield _FOREVER_S
        case "slow_loris":
            yield _head()
            yield from _dripped(body)
        case "garbage_line":
            yield _whole_head(half)
        case "half_utf8":
            yield _whole_head(body.replace(b'"object"', b'"\xc3"', 1))
        case "huge_chunk":
            yield _head(2**30) + body
        case "endless":
            yield _head() + _chunk(half)
            yield from _endless(b" ")
        case _:
            yield _head(length, _PAST) + body


def _streamed(case: str, service: str) -> Script:
    if case in _NO_ANSWER:
        yield from _no_answer(case)
        return
    documents = _events(case, service)
    events = [_chunk(_event(one)) for one in documents]
    yield _head(date=_PAST, kind=b"text/event-stream")
    yield from _beginning(case, events)
    for event in events[:3] if case in _BREAKS else events:
        yield event
        yield _GAP_S
    yield from _middle(case, documents)
    if case == "cut_after":
        return
    if case not in ("no_usage", "lacking"):
        yield _chunk(_event({**documents[0], "choices": [], "usage": _usage(case)}))
    if case != "lacking":
        yield _chunk(b"data: [DONE]\n\n")
    yield _END


def _beginning(case: str, events: list[bytes]) -> Script:
    match case:
        case "slow_loris":
            yield from _dripped(b"".join(events))
        case "huge_chunk":
            yield _chunk(b"data: ")
            yield from itertools.repeat(_chunk(b"x" * 2**20), 9)


def _middle(case: str, documents: list[dict[str, Any]]) -> Script:
    match case:
        case "stall":
            yield _FOREVER_S
        case "endless":
            yield from _endless(_event(documents[1]))
        case "garbage_line":
            yield _chunk(b'data: {"choices": [{"del\n\n')
        case "half_utf8":
            yield _chunk(b'data: {"id": "\xc3"}\n\n')
        case "error_inside":
            yield _chunk(_event(_ERROR))


_BREAKS = frozenset(
    {"cut_after", "lacking", "stall", "endless", "garbage_line", "half_utf8", "error_inside"}
)
_NO_ANSWER = frozenset({"cut_before", "silent", "storm_429", "status_500", "wrong_type"})
_ERROR = {"error": {"message": "It failed.", "type": "server_error", "code": "internal_error"}}
_END = b"0\r\n\r\n"


def _no_answer(case: str) -> Script:
    match case:
        case "silent":
            yield _FOREVER_S
        case "storm_429":
            yield _whole_head(_encode(_ERROR), b"429 Too Many Requests\r\nretry-after: 30")
        case "status_500":
            yield _whole_head(_encode(_ERROR), b"500 Internal Server Error")
        case "wrong_type":
            yield _whole_head(b"<html>Please log in.</html>", kind=b"text/html")


def _dripped(data: bytes) -> Script:
    for byte in data:
        yield _chunk(bytes((byte,)))
        yield 0.1


def _endless(data: bytes) -> Script:
    while True:
        yield _chunk(data)
        yield 0.05


# What it says


def _body(case: str, service: str, document: dict[str, Any]) -> dict[str, Any]:
    if case == "error_inside":
        return _ERROR
    said = {**_says(case, service), "usage": _usage(case)}
    if service == "embeddings":
        given = len(document["input"]) - (case == "lacking")
        said["data"] = [
            {"object": "embedding", "index": at, "embedding": [0.1, 0.2]} for at in range(given)
        ]
    elif case == "lacking":
        said["choices"] = []
    else:
        text = "".join(WORDS)
        full = {"message": {"role": "assistant", "content": text}} if _chat(service) else {}
        said["choices"] = [{"index": 0, "text": text, "finish_reason": "stop"} | full]
    return {key: value for key, value in said.items() if (case, key) != ("no_usage", "usage")}


def _events(case: str, service: str) -> list[dict[str, Any]]:
    pieces = [{"delta": {"content": w}} if _chat(service) else {"text": w} for w in WORDS]
    last: dict[str, Any] = {"delta": {}} if _chat(service) else {"text": ""}
    choices = [{"index": 0, **piece, "finish_reason": None} for piece in pieces]
    choices.append({"index": 0, **last, "finish_reason": "stop"})
    return [{**_says(case, service), "choices": [choice]} for choice in choices]


def _says(case: str, service: str) -> dict[str, Any]:
    model = "another-model" if case == "wrong_model" else MODEL
    return {"id": "x", "object": service, "created": _FUTURE, "model": model}


def _chat(service: str) -> bool:
    return service.startswith("chat")


def _usage(case: str) -> dict[str, int]:
    prompt = 64 if case == "prompt_cut" else 600
    return {"prompt_tokens": prompt, "completion_tokens": 8, "total_tokens": prompt + 8}


# How it is written


def _head(length: int | None = None, date: str = "", kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nconnection: close\r\n" % kind
    framed = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
    dated = f"date: {date}\r\n".encode() if date else b""
    return head + dated + framed + b"\r\n\r\n"


def _whole_head(body: bytes, status: bytes = b"200 OK", kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    return head % (status, kind, len(body)) + body


def _event(document: Any) -> bytes:
    return b"data: " + _encode(document) + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _own_tls() -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that it signed itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "both.pem"
        file.touch(0o600)
        file.write_bytes(secret + certificate.public_bytes(pem))
        context.load_cert_chain(file)
    return context
