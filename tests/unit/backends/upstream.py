"""A raw upstream for tests: a real socket, and a script of what it does with a connection."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import ipaddress
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from situs.backends.http1 import Pool
from situs.backends.openai_compatible import Origins, place_of
from situs.dispatch.egress import Connector, Permit
from situs.errors import BackendUnavailable

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
BODY = b"{}"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Peer:
    """The server's side of one accepted connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.asked = asked
        self.left = asyncio.Event()
        self.requests: list[bytes] = []

    async def request(self) -> bytes:
        """One whole request; raises IncompleteReadError when the client leaves instead."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await self.reader.readexactly(length)
        self.requests.append(body)
        self.asked.set()
        return head

    async def write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def gone(self) -> None:
        """Returns when the client has closed."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        self.left.set()

    def reset(self) -> None:
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class Upstream(msgspec.Struct):
    """`asked`: a whole request has come."""

    port: int
    peers: list[Peer]
    asked: asyncio.Event


@contextlib.asynccontextmanager
async def serving(
    script: Script, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Upstream]:
    """Runs `script` on each connection and closes it afterwards."""
    peers: list[Peer] = []
    asked = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(peer: Peer) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(peer)
        finally:
            peer.writer.transport.abort() if peer.left.is_set() else peer.writer.close()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(Peer(reader, writer, asked))
        task = asyncio.get_running_loop().create_task(accept(peers[-1]))
        tasks.add(task)

    server = await asyncio.start_server(accepted, host, 0, ssl=tls)
    try:
        yield Upstream(server.sockets[0].getsockname()[1], peers, asked)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for peer in peers:
            peer.writer.transport.abort()
        await asyncio.sleep(0.01)


def answering(*pieces: bytes, then: str = "wait") -> Script:
    """Reads a request, writes the pieces, and then waits for the client, closes or resets."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for piece in pieces:
            await peer.write(piece)
            await asyncio.sleep(0)
        if then == "wait":
            await peer.gone()
        elif then == "reset":
            await asyncio.sleep(0.02)
            peer.reset()

    return script


def pool_of(
    host: str, port: int, tls: ssl.SSLContext | None = None, kind: type[Pool] = Pool
) -> Pool:
    """Connections to there, the only place that is permitted."""
    return kind(host, port, tls, Connector([Permit("x", lambda: (host, port))]).dial)


def origins(url: str | None) -> Origins:
    """Connections to what is at this base URL, and to nothing else."""
    place = None if url is None else place_of(url)
    return Origins(Connector([Permit("x", lambda: place)]).dial)


async def exchange(pool: Pool, timeout_s: float = 2.0) -> tuple[int, bytes] | str:
    """Status and body of one exchange, or the reason why there is none."""
    try:
        connection = await pool.take(2.0)
    except BackendUnavailable as error:
        return str(error.reason)
    try:
        await connection.send(HEAD, BODY, timeout_s)
        got = b""
        while data := await connection.read(timeout_s):
            got += data
    except BackendUnavailable as error:
        return str(error.reason)
    else:
        return connection.status, got
    finally:
        pool.give(connection)


async def ask(script: Script, timeout_s: float = 2.0) -> tuple[int, bytes] | str:
    async with serving(script) as upstream:
        pool = pool_of("127.0.0.1", upstream.port)
        try:
            return await exchange(pool, timeout_s)
        finally:
            pool.close()


def run(loop: str, main: Coroutine[Any, Any, Any]) -> Any:
    """Runs it on the loop of this name; no task and no socket may be left."""
    before = sockets()

    async def watched() -> Any:
        own = sockets()  # some loops have sockets of their own
        try:
            return await asyncio.wait_for(main, 30)
        finally:
            await asyncio.sleep(0.01)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            for _ in range(500):  # what is closed is gone some turns of the loop later
                if sockets() <= own:
                    break
                await asyncio.sleep(0.01)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        result = runner.run(watched())
    assert sockets() <= before
    return result


def sockets() -> int:
    return sum(link.startswith("socket:") for link in _links())


def _links() -> Iterator[str]:
    for number in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            yield os.readlink(number)  # noqa: PTH115 - not a path that exists


class Identity(msgspec.Struct):
    """A server's TLS: its context, one that trusts it, and the SHA-256 of its certificate."""

    server: ssl.SSLContext
    trusting: ssl.SSLContext
    sha256: str


def identity(folder: Path, *names: str) -> Identity:
    """A self-signed certificate for these DNS names and for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "upstream.test")])
    now = datetime.datetime.now(datetime.UTC)
    known: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    if not names:
        known.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(known), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, private)
    der = made.public_bytes(serialization.Encoding.DER)
    trusting = ssl.create_default_context(cafile=pem)
    return Identity(server, trusting, hashlib.sha256(der).hexdigest())
