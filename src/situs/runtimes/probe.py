"""Asks a model server on loopback whether it is ready, and what it has loaded."""

from __future__ import annotations

import asyncio
import socket

from situs.runtimes.spec import Facts, RuntimeSpec, facts_of

HOST = "127.0.0.1"

_MAX_ANSWER = 1 << 20


async def is_healthy(spec: RuntimeSpec, port: int) -> bool:
    """200 on the health path in time; a server that is loading answers 503."""
    found = await _get(spec, port, spec.health_path)
    return found is not None


async def read_facts(spec: RuntimeSpec, port: int) -> Facts | None:
    """What a ready server has loaded; None when it does not say."""
    body = await _get(spec, port, spec.props_path)
    return None if body is None else facts_of(body, spec.engine)


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


async def _get(spec: RuntimeSpec, port: int, path: str) -> bytes | None:
    """The body of a 200 answer, up to a megabyte; None for anything else."""
    try:
        async with asyncio.timeout(spec.patience.probe_timeout_s):
            answer = await _exchange(spec, port, path)
    except (TimeoutError, OSError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    is_whole = len(answer) <= _MAX_ANSWER
    return body if is_whole and len(words) == 3 and words[1] == b"200" else None


async def _exchange(spec: RuntimeSpec, port: int, path: str) -> bytes:
    """All that a GET in HTTP/1.0 brings; such an answer is not chunked and ends by closing."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        key = f"authorization: Bearer {spec.api_key}\r\n" if spec.api_key else ""
        writer.write(f"GET {path} HTTP/1.0\r\nhost: {HOST}\r\n{key}\r\n".encode())
        answer = bytearray()
        while (piece := await reader.read(65536)) and len(answer) <= _MAX_ANSWER:
            answer += piece
        return bytes(answer)
    finally:
        writer.close()
