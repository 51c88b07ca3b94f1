"""A small real OpenAI-compatible server that can fail in every way a test needs.

In a test's own loop:

    async with FakeOpenAI(name="rack") as fake:
        fake.base_url, fake.requests, fake.set(mode="status_500", once=True)

As a process of its own (`fake_process` starts and stops one):

    python -m tests.fakes.openai_server --port 0 --port-file FILE --log FILE --name rack

The log has one JSON object a line: `connection`, `bytes`, `request`, `answered`, `closed`; so a
test can prove that no connection and no byte arrived. `POST /_switch` sets how it answers (fields
of `openai_answers.Switch`); connections that only do so are marked `control` and not counted, nor
are those that ask what it keeps of prompts (`look`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, cast

import httptools
import msgspec
from tests.fakes.openai_answers import (
    MODES,
    Answer,
    Switch,
    answer_to,
    error_answer,
    json_answer,
    sent_pieces,
)
from tests.fakes.openai_says import PATHS


class Received(msgspec.Struct):
    """One request as it arrived; header names are lower case. `hung_up`: left before the end."""

    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    hung_up: bool = False

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class FakeOpenAI:
    """Owns one listening socket, its switch and what it has seen.

    `url` is the root, `base_url` ends in /v1. `requests` are all but control requests, `looks` the
    paths that were asked of what it keeps of prompts.
    """

    LOOKS = ("/props", "/slots", "/metrics")

    def __init__(
        self,
        name: str = "fake",
        *,
        key: str | None = None,
        port: int = 0,
        log: Path | None = None,
        tls: ssl.SSLContext | None = None,
        models: tuple[str, ...] = ("fake-model",),
    ) -> None:
        self.name = name
        self.key = key
        self.models = models
        self.switch = Switch()
        self.requests: list[Received] = []
        self.looks: list[str] = []
        self.connections = 0
        self.bytes_in = 0
        self._port = port
        self._tls = tls
        self._log = log.open("a", buffering=1) if log else None
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self._port, ssl=self._tls
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [connection.stop() for connection in list(self._open)]
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._log:
            self._log.close()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def set(self, **fields: Any) -> None:
        """Replaces the switch; raises msgspec.ValidationError for what it does not know."""
        switch = msgspec.convert(fields, Switch)
        if switch.mode not in MODES:
            raise msgspec.ValidationError(f"unknown mode {switch.mode}")
        self.switch = switch

    def note(self, event: str, **fields: Any) -> None:
        if self._log and not self._log.closed:
            self._log.write(json.dumps({"at": time.time(), "event": event, **fields}) + "\n")

    def answer(self, received: Received) -> tuple[Answer, Switch]:
        """Routes one request; a `once` switch is used up here."""
        ok = Switch()
        path = received.path.partition("?")[0]
        if path == "/_switch" and received.method == "POST":
            try:
                self.set(**received.json)
            except (msgspec.DecodeError, TypeError) as error:
                return json_answer({"error": str(error)}, 400), ok
            return json_answer({"mode": self.switch.mode}), ok
        if path == "/health":
            return json_answer({"status": "ok"}), ok
        if self.key is not None and received.headers.get("authorization") != f"Bearer {self.key}":
            return error_answer(401), ok
        if path == "/v1/models":
            data = [{"id": m, "object": "model", "owned_by": self.name} for m in self.models]
            return json_answer({"object": "list", "data": data}), ok
        if received.method == "GET" and path in self.switch.says:
            headers = {"content-type": "application/json"}
            return Answer(200, headers, [self.switch.says[path].encode()]), ok
        if path not in PATHS or received.method != "POST":
            return error_answer(404), ok
        switch = self.switch
        if switch.once:
            self.switch = ok
        try:
            return answer_to(path, received.json, switch, self.name), switch
        except (msgspec.DecodeError, AttributeError, KeyError, IndexError, TypeError):
            return error_answer(400), ok


class _Connection(asyncio.Protocol):
    """One accepted connection: parses requests, answers them in order."""

    def __init__(self, fake: FakeOpenAI) -> None:
        self._fake = fake
        self._parser = httptools.HttpRequestParser(self)
        self._queue: asyncio.Queue[Received] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._writable.set()
        self._control = False
        self._answering: Received | None = None
        self._headers: dict[str, str] = {}
        self._url = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has its own class
        self._fake.connections += 1
        self.id = self._fake.connections
        self._fake._open.add(self)
        self._fake.note("connection", connection=self.id)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._fake.bytes_in += len(data)
        self._fake.note("bytes", connection=self.id, count=len(data))
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answering is not None:
            self._answering.hung_up = True
        self._fake.note("closed", connection=self.id, hung_up=self._answering is not None)
        self._fake._open.discard(self)
        self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def on_message_begin(self) -> None:
        self._headers, self._url, self._body = {}, b"", b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        received = Received(self.id, method, self._url.decode(), self._headers, self._body)
        if received.path.startswith("/_"):
            self._mark_control()
        elif method == "GET" and received.path.endswith(FakeOpenAI.LOOKS):
            self._mark_control()
            self._fake.looks.append(received.path)
            self._fake.note("look", connection=self.id, path=received.path)
        else:
            self._fake.requests.append(received)
            body = received.body.decode("utf-8", "replace")
            fields = {"method": method, "path": received.path, "headers": received.headers}
            self._fake.note("request", connection=self.id, **fields, body=body)
        self._queue.put_nowait(received)

    def _mark_control(self) -> None:
        if not self._control:
            self._control = True
            self._fake.note("control", connection=self.id)

    async def stop(self) -> None:
        self._task.cancel()
        self._transport.abort()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _serve(self) -> None:
        while True:
            received = await self._queue.get()
            answer, switch = self._fake.answer(received)
            self._answering = received
            await self._send(answer, silent=switch.mode == "hang_before_head")
            self._answering = None
            self._fake.note("answered", connection=self.id, status=answer.status)

    async def _send(self, answer: Answer, *, silent: bool) -> None:
        cut_at_once = answer.stop == "cut" and answer.stop_after == 0
        if not silent and not cut_at_once:
            self._transport.write(_head(answer))
        if not silent:
            await self._send_body(answer)
        if answer.stop == "hang":
            await asyncio.Event().wait()  # until the client leaves
        elif answer.stop is not None:
            self._answering = None
            self._fake.note("cut", connection=self.id)
            self._transport.abort() if answer.stop == "reset" else self._transport.close()
        elif answer.chunked:
            self._transport.write(b"0\r\n\r\n")

    async def _send_body(self, answer: Answer) -> None:
        streamed = answer.headers.get("content-type") == "text/event-stream" or answer.endless
        for piece in sent_pieces(answer):
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
            await self._writable.wait()
            if answer.chunked:
                piece = b"%x\r\n%b\r\n" % (len(piece), piece)
            self._transport.write(piece)
            if streamed:
                await asyncio.sleep(0)


def _head(answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} Fake"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.chunked:
        lines.append("transfer-encoding: chunked")
    else:
        size = sum(map(len, answer.pieces)) if answer.promised is None else answer.promised
        lines.append(f"content-length: {size}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def traffic(log: Path) -> tuple[int, int]:
    """Connections and bytes that arrived at a fake, those of `/_switch` left out."""
    events = read_log(log)
    control = {e["connection"] for e in events if e["event"] == "control"}
    seen = [e for e in events if e["connection"] not in control]
    connections = sum(e["event"] == "connection" for e in seen)
    return connections, sum(e["count"] for e in seen if e["event"] == "bytes")


def _unknown(log: Path) -> bool:
    """Whether a connection is open that has asked for nothing yet."""
    of: dict[str, set[int]] = {}
    for event in read_log(log):
        of.setdefault(event["event"], set()).add(event.get("connection", 0))
    told = of.keys() & {"control", "request", "closed"}
    return not of.get("connection", set()) <= set[int]().union(*(of[one] for one in told))


def read_log(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


class FakeProcess:
    """A fake in its own process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log
        self.url = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.url}/v1"

    def set(self, **fields: Any) -> None:
        body = json.dumps(fields).encode()
        request = urllib.request.Request(f"{self.url}/_switch", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=5):
            pass

    def traffic(self) -> tuple[int, int]:
        """As `traffic`, once it is known of each connection what it came for, or after a second."""
        until = time.monotonic() + 1.0
        while _unknown(self.log) and time.monotonic() < until:
            time.sleep(0.02)
        return traffic(self.log)

    def requests(self) -> list[dict[str, Any]]:
        return [e for e in read_log(self.log) if e["event"] == "request"]

    def looks(self) -> list[str]:
        return [e["path"] for e in read_log(self.log) if e["event"] == "look"]


@contextlib.contextmanager
def fake_process(
    directory: Path,
    name: str = "fake",
    *,
    port: int = 0,
    key: str | None = None,
    certified: Path | None = None,
) -> Iterator[FakeProcess]:
    """Starts the fake as a process, waits until it listens, ends it afterwards.

    `certified` is a folder with cert.pem and key.pem: then it speaks TLS.
    """
    log, port_file = directory / f"{name}.log", directory / f"{name}.port"
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.fakes.openai_server", "--name", name]
    command += ["--port", str(port), "--port-file", str(port_file), "--log", str(log)]
    command += ["--key", key] if key else []
    if certified is not None:
        command += ["--cert", str(certified / "cert.pem"), "--cert-key", str(certified / "key.pem")]
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(command, cwd=root)
    try:
        deadline = time.monotonic() + 20
        while not port_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the fake {name} did not start")
            time.sleep(0.01)
        yield FakeProcess(process, int(port_file.read_text()), log)
    finally:
        process.terminate()
        process.wait(10)


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tls = None
    if options.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.cert, options.cert_key)
    fake = FakeOpenAI(options.name, key=options.key, port=options.port, log=options.log, tls=tls)
    fake.set(mode=options.mode, after=options.after, once=options.once)
    async with fake:
        if options.port_file:
            partial = options.port_file.with_suffix(".partial")
            partial.write_text(str(fake.port))
            os.replace(partial, options.port_file)  # noqa: PTH105 - atomic
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--name", default="fake")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--key")
    parser.add_argument("--mode", default="ok", choices=sorted(MODES))
    parser.add_argument("--after", type=int, default=2)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--cert", type=Path)
    parser.add_argument("--cert-key", type=Path)
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
