"""Callers of every kind, each request numbered, what became of it written down.

Chats, completions and embeddings of 100 bytes to 100 KB; a third streamed; some callers hang up
(while they send, before the answer, in the middle of it); some requests are not valid; some
upstreams fail. Which request is what follows from its number and the seed. The number is in the
prompt (see `bench.endurance_upstream`) and in the `traceparent`, which receipts record.

    python -m bench.endurance_load --url http://127.0.0.1:7488 --log FILE --requests 1000

writes one line a request: number, kind, how it ended (`whole`, `left`, `lost`), status,
`x-situs-request-id`, `x-situs-receipt`; `-` where there is none. SIGTERM ends it early, whole.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import time
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

import httptools
import uvloop
from msgspec import Struct

from bench import workload

LEAST, MOST = 100, 100_000
_PAUSE_S = 0.02
_PATIENCE_S = 60.0


class Call(Struct, frozen=True):
    """One request. `leaves` is when the caller hangs up: `sending`, `waiting`, `reading`, never."""

    number: int
    kind: str
    data: bytes
    leaves: str = ""


class Maker:
    """Makes the request of a number: the same for the same seed."""

    def __init__(self, host: str, seed: int = workload.SEED, size: int = 0) -> None:
        chance = random.Random(seed)
        documents = workload.documents(150)
        texts = [str(d["messages"][1]["content"]) for d in documents]
        chance.shuffle(texts)
        self._text = " ".join(texts).encode()
        self._host, self._seed, self._size = host, seed, size

    def call(self, number: int) -> Call:
        chance = random.Random(self._seed * 1_000_003 + number)
        kind = chance.choices(("chat", "completions", "embeddings"), (70, 15, 15))[0]
        size = self._size or round(LEAST * (MOST / LEAST) ** chance.random())
        begin = chance.randrange(len(self._text) - MOST)
        if self._size:
            return self._made(number, "chat", "ok", begin, stream=False, leaves="")
        stream = kind != "embeddings" and chance.random() < 0.4
        if chance.random() < 0.02:
            return self._bad(number, chance.randrange(4))
        leaves = ""
        if chance.random() < 0.05:
            leaves = chance.choice(("sending", "waiting", "reading"))
        fate = "ok"
        if leaves == "reading":
            stream, fate, kind = True, "slow", "chat"
        elif chance.random() < 0.02:
            fate = chance.choice(("fail", "cut", "busy"))
        elif stream and chance.random() < 0.1:
            fate = "slow"
        return self._made(number, kind, fate, begin, size, stream=stream, leaves=leaves)

    def _made(
        self,
        number: int,
        kind: str,
        fate: str,
        begin: int,
        size: int = 0,
        *,
        stream: bool,
        leaves: str,
    ) -> Call:
        text = (
            b"#n%d;%b# " % (number, fate.encode())
            + self._text[begin : begin + (size or self._size)]
        )
        model = b'{"model":"auto",' + (b'"stream":true,' if stream else b"")
        if kind == "chat":
            body = model + b'"messages":[{"role":"user","content":"%b"}]}' % text
            path = "/v1/chat/completions"
        elif kind == "completions":
            body, path = model + b'"prompt":"%b"}' % text, "/v1/completions"
        else:
            body, path = model + b'"input":"%b"}' % text, "/v1/embeddings"
        kind = f"{kind}-stream" if stream else kind
        return Call(number, f"{kind}-{fate}", self._head(path, number, body) + body, leaves)

    def _bad(self, number: int, which: int) -> Call:
        mark = b"#n%d;ok#" % number
        path = "/v1/chat/completions"
        body = (
            b'{"model":"auto","messages":[{"role":"user","content":"%b"' % mark,
            b'{"model":"auto","messages":"%b"}' % mark,
            b'{"model":"no-such-model","messages":[{"role":"user","content":"%b"}]}' % mark,
            b'{"note":"%b"}' % mark,
        )[which]
        path = "/v1/nowhere" if which == 3 else path
        return Call(number, "bad", self._head(path, number, body) + body)

    def _head(self, path: str, number: int, body: bytes) -> bytes:
        return (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
            f"traceparent: {traceparent(self._seed, number)}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        ).encode()


def traceparent(seed: int, number: int) -> str:
    """W3C Trace Context; the trace's last half is the number."""
    return f"00-{seed:016x}{number:016x}-{number + 1:016x}-01"


class Connection(asyncio.Protocol):
    """One connection; `began` and `ended` are set as the answer comes, `ended` also if it stops."""

    def __init__(self) -> None:
        self.open = False
        self.reset()

    def reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.headers: dict[bytes, bytes] = {}
        self.began, self.ended = asyncio.Event(), asyncio.Event()
        self.whole, self.status = False, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop has its own class
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self.began.set()
        self.ended.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.startswith(b"x-situs-"):
            self.headers[name] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.began.set()

    def on_message_complete(self) -> None:
        self.whole = True
        self.began.set()
        self.ended.set()


class Callers:
    """Owns the connections and the log. Requests leave as fast as answers come, or at a rate."""

    def __init__(self, maker: Maker, address: tuple[str, int], log: BinaryIO) -> None:
        self._maker, self._address, self._log = maker, address, log
        self._next = self._last = 0
        self._rate: float | None = None
        self._start = self._end = 0.0
        self.stopped = False

    async def run(
        self, callers: int, first: int, requests: int, seconds: float | None, rate: float | None
    ) -> None:
        self._next, self._last, self._rate = first, first + requests, rate
        self._first, self._start = first, time.perf_counter()
        self._end = self._start + (seconds or 1e9)
        await asyncio.gather(*(self._caller() for _ in range(callers)))

    async def _caller(self) -> None:
        connection: Connection | None = None
        while (number := self._next) < self._last and not self.stopped:
            self._next += 1
            if self._rate:
                due = self._start + (number - self._first) / self._rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if time.perf_counter() > self._end:
                break
            if connection is None or not connection.open:
                connection = await self._connected()
                if connection is None:
                    break
            call = self._maker.call(number)
            how = await self._ask(connection, call)
            self._note(call, connection, how)
            if how != "whole":
                connection.transport.abort()
                connection = None
        if connection is not None:
            connection.transport.abort()

    async def _connected(self) -> Connection | None:
        """A new connection, however long that takes; None when told to stop."""
        loop = asyncio.get_running_loop()
        while not self.stopped and time.perf_counter() < self._end:
            try:
                return (await loop.create_connection(Connection, *self._address))[1]
            except OSError:
                await asyncio.sleep(_PAUSE_S)
        return None

    async def _ask(self, connection: Connection, call: Call) -> str:
        connection.reset()
        if call.leaves == "sending":
            connection.transport.write(call.data[: len(call.data) * 2 // 3])
            await asyncio.sleep(0.002)
            return "left"
        connection.transport.write(call.data)
        if call.leaves == "waiting":
            await asyncio.sleep(0.001 * (call.number % 7))
            return "left"
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if call.leaves == "reading":
                    await connection.began.wait()
                    return "left" if connection.open else "lost"
                await connection.ended.wait()
        except TimeoutError:
            return "late"
        return "whole" if connection.whole else "lost"

    def _note(self, call: Call, connection: Connection, how: str) -> None:
        got = connection.headers
        number, status = b"%d" % call.number, b"%d" % connection.status
        ids = got.get(b"x-situs-request-id", b"-"), got.get(b"x-situs-receipt", b"-")
        line = (number, call.kind.encode(), how.encode(), status, *ids)
        self._log.write(b" ".join(line) + b"\n")


async def _run(given: argparse.Namespace) -> None:
    parts = urlsplit(given.url)
    address = parts.hostname or "127.0.0.1", parts.port or 80
    maker = Maker(parts.netloc, given.seed, given.size)
    with given.log.open("ab") as log:
        callers = Callers(maker, address, log)

        def stop() -> None:
            callers.stopped = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        await callers.run(given.callers, given.first, given.requests, given.seconds, given.rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=1 << 40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--callers", type=int, default=24)
    parser.add_argument("--seed", type=int, default=workload.SEED)
    parser.add_argument("--size", type=int, default=0, help="whole chats of this size only")
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
