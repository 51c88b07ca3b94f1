"""Tries what the clients (and in `server_claims` the servers) are said to do; one line a claim.

A client must tell whom it reached and with which certificate, connect only where the caller's own
resolver says, stop the upstream when cancelled, and stop reading when nobody takes the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import ipaddress
import json
import socket
import ssl
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.fakes.openai_server import FakeOpenAI

from bench.http_stack.server_claims import say, uvicorn_claims
from situs.backends.http1 import Connection, Pool
from situs.errors import BackendUnavailable

BODY = json.dumps({"model": "m", "stream": True, "messages": []}).encode()


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, str, Path]:
    """Server context, client context, SHA-256 of the certificate, path of its PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "model.test")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("model.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "cert.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    kind = serialization.PrivateFormat.PKCS8
    encoding = serialization.Encoding.PEM
    private.write_bytes(key.private_bytes(encoding, kind, serialization.NoEncryption()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, private)
    client = ssl.create_default_context(cafile=pem)
    digest = hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest()
    return server, client, digest, pem


def head(port: int) -> bytes:
    start = f"POST /v1/chat/completions HTTP/1.1\r\nhost: model.test:{port}\r\n"
    return (start + f"content-length: {len(BODY)}\r\n\r\n").encode()


async def aiohttp_claims(folder: Path) -> None:
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

    server, client, digest, _ = certificate(folder)
    asked: list[str] = []

    class Pinned(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            asked.append(host)
            return [
                ResolveResult(
                    hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
                )
            ]

        async def close(self) -> None: ...

    async with FakeOpenAI(tls=server) as fake:
        connector = aiohttp.TCPConnector(resolver=Pinned(), ssl=client)
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"https://model.test:{fake.port}/v1/chat/completions"
            reply = await session.post(url, data=BODY)
            connection = reply.connection
            say("aiohttp: own resolver is asked", asked)
            say("aiohttp: the connection is there after a streamed head", connection is not None)
            if connection is not None and connection.transport is not None:
                say("  peer", connection.transport.get_extra_info("peername"))
                encrypted = connection.transport.get_extra_info("ssl_object")
                got = hashlib.sha256(encrypted.getpeercert(binary_form=True)).hexdigest()
                say("  certificate SHA-256 is the server's", got == digest)
            await reply.read()
            whole = await session.post(url, data=b'{"model": "m", "messages": []}')
            await asyncio.sleep(0.05)
            say("aiohttp: still there once a short body has come", whole.connection is not None)
            whole.close()


async def aiohttp_flow() -> None:
    import aiohttp

    async def post(session: aiohttp.ClientSession, url: str) -> Any:
        return await session.post(url, data=BODY)

    async with aiohttp.ClientSession() as session:
        await flow("aiohttp", lambda url: post(session, url))


async def pyreqwest_flow() -> None:
    from pyreqwest.client import ClientBuilder  # type: ignore[import-not-found]

    say("pyreqwest: peer address or certificate of a reply", "no such API (checked with dir)")
    say("pyreqwest: resolver", "fixed name-to-address table before build, no callback")
    async with ClientBuilder().build() as session:
        opened: list[Any] = []

        async def post(url: str) -> Any:
            opened.append(session.post(url).body_bytes(BODY).build_streamed())
            return await opened[-1].__aenter__()

        await flow("pyreqwest", post, lambda: opened[-1].__aexit__(None, None, None))


async def dial(host: str, port: int) -> socket.socket:
    return await asyncio.to_thread(socket.create_connection, (host, port))


async def own_flow(folder: Path) -> None:
    server, client, digest, _ = certificate(folder)
    async with FakeOpenAI(tls=server) as fake:
        pool = Pool("127.0.0.1", fake.port, client, dial)
        connection = await pool.take(5)
        await connection.send(head(fake.port), BODY, 5)
        got = await own_body(connection)
        peer = connection.peer
        say("own: peer", peer)
        say("own: certificate SHA-256 is the server's", peer and peer.tls_sha256 == digest)
        say("own: whole stream", got.endswith(b"[DONE]\n\n"))
        pool.give(connection)
        say("own: the next exchange uses the connection again", (await pool.take(5)).reused)
        try:
            await Pool("localhost", fake.port, client, dial).take(5)
        except BackendUnavailable as broken:
            say("own: another name in the certificate", broken.reason)
    await own_ends()

    async def post(url: str) -> Any:
        port = int(url.split(":")[2].split("/", maxsplit=1)[0])
        connection = await Pool("127.0.0.1", port, None, dial).take(5)
        await connection.send(head(port), BODY, 5)
        return connection

    await flow("own", post)


async def own_body(connection: Connection) -> bytes:
    got = b""
    while data := await connection.read(0.2):
        got += data
    return got


async def own_ends() -> None:
    """Every failure of the fake has to come out as its own typed end."""
    modes = ("hang_before_head", "hang_after_head", "stall_mid_stream", "cut_before_first_byte")
    modes += ("cut_mid_body", "cut_mid_stream", "reset_mid_stream")  # type: ignore[assignment]
    found = {}
    for mode in modes:
        async with FakeOpenAI() as fake:
            fake.set(mode=mode)
            connection = await Pool("127.0.0.1", fake.port, None, dial).take(5)
            try:
                await connection.send(head(fake.port), BODY, 0.2)
                await own_body(connection)
                found[mode] = "complete"
            except BackendUnavailable as broken:
                untouched = " (untouched)" if connection.untouched else ""
                found[mode] = f"{broken.reason}{untouched}"
            connection.transport.abort()
    say("own: ends", found)


async def flow(name: str, post: Any, leave: Any = None) -> None:
    """An upstream that never stops: how much is sent while nobody reads; is a cancel noticed?"""
    sent = 0
    gone = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        writer.write(head + b"transfer-encoding: chunked\r\n\r\n")
        piece = b"data: x\n\n" * 1000
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
                sent += len(piece)
                await asyncio.sleep(0)
        gone.set()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reply = await post(f"http://127.0.0.1:{port}/v1/chat/completions")
    await asyncio.sleep(1.0)
    say(f"{name}: sent while nobody reads, MB (socket buffers included)", round(sent / 1e6, 1))
    before = time.perf_counter()
    if leave is not None:
        await leave()
    elif hasattr(reply, "transport"):
        reply.transport.abort()
    else:
        reply.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(gone.wait(), 3)
    took = round(1000 * (time.perf_counter() - before), 1)
    say(f"{name}: upstream sees the close after, ms", took if gone.is_set() else "never (3 s)")
    server.close()


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await aiohttp_claims(folder)
        await aiohttp_flow()
        await own_flow(folder)
        with contextlib.suppress(ImportError):
            await pyreqwest_flow()
        await asyncio.to_thread(uvicorn_claims, folder)


if __name__ == "__main__":
    asyncio.run(main())
