"""What OPA speaks: its Data API, one question and one answer; and where its bundles are fetched.

Source: https://www.openpolicyagent.org/docs/rest-api#get-a-document-with-input
"""

from __future__ import annotations

from typing import Final

from situs.backends.http1 import Connection, Pool
from situs.core.record import End
from situs.errors import BackendUnavailable

_MOST: Final = 16 * 1024 * 1024
_LONGEST_S: Final = 60.0
"""Whoever asks has a deadline of their own, and cancels."""


async def fetch(pool: Pool, host: str, path: str, token: str | None) -> tuple[int, bytes]:
    """Status and body of what a GET answers. Raises BackendUnavailable; a redirect is an answer."""
    line = f"GET {path} HTTP/1.1\r\nhost: {host}\r\n"
    head = f"{line}accept-encoding: identity\r\n{_authorization(token)}\r\n"
    return await _exchange(pool, await pool.take(_LONGEST_S), head.encode("ascii"), b"")


class OpaData:
    """The document at one path of an OPA server. `host` and `path` are as the request says them.

    An error in a builtin function is one of the answer, as in the embedded engine.
    """

    def __init__(self, pool: Pool, host: str, path: str, token: str | None = None) -> None:
        self._pool = pool
        self._head = (
            f"POST {path}?provenance=true&strict-builtin-errors=true HTTP/1.1\r\nhost: {host}\r\n"
            "content-type: application/json\r\naccept-encoding: identity\r\n"
            f"{_authorization(token)}"
        ).encode("ascii")

    async def __call__(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises BackendUnavailable; a redirect is an answer."""
        head = b"%scontent-length: %d\r\n\r\n" % (self._head, len(body))
        connection = await self._pool.take(_LONGEST_S)
        try:
            return await _exchange(self._pool, connection, head, body)
        except BackendUnavailable:
            if not (connection.reused and connection.untouched):
                raise
        fresh = await self._pool.take(_LONGEST_S, fresh=True)
        return await _exchange(self._pool, fresh, head, body)


def _authorization(token: str | None) -> str:
    return f"authorization: Bearer {token}\r\n" if token else ""


async def _exchange(
    pool: Pool, connection: Connection, head: bytes, body: bytes
) -> tuple[int, bytes]:
    try:
        await connection.send(head, body, _LONGEST_S)
        parts, size = [], 0
        while data := await connection.read(_LONGEST_S):
            size += len(data)
            if size > _MOST:
                raise BackendUnavailable("Its answer is too large.", reason=End.GARBAGE)
            parts.append(data)
        return connection.status, b"".join(parts)
    finally:
        pool.give(connection)
