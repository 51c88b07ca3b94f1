"""Asks a model server on loopback whether it is ready, and what it has loaded."""

from __future__ import annotations

import socket

import aiohttp

from situs.runtimes.spec import Facts, RuntimeSpec, facts_of

HOST = "127.0.0.1"

_MAX_BODY = 1 << 20


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
    headers = {"authorization": f"Bearer {spec.api_key}"} if spec.api_key else {}
    timeout = aiohttp.ClientTimeout(total=spec.patience.probe_timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(
                f"http://{HOST}:{port}{path}", headers=headers, allow_redirects=False
            ) as reply,
        ):
            if reply.status != 200:
                return None
            body = bytearray()
            async for piece in reply.content.iter_any():
                body += piece
                if len(body) > _MAX_BODY:
                    return None
            return bytes(body)
    except (TimeoutError, aiohttp.ClientError, OSError):
        return None
