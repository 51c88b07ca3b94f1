"""Writing responses: one way for JSON, one for errors."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from situs.errors import Draining, MethodNotAllowed, RateLimited, SitusError
from situs.http.errors import envelope

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_encode = msgspec.json.Encoder().encode
_JSON = (b"content-type", b"application/json")


async def send_body(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send(
        {"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]}
    )
    await send({"type": "http.response.body", "body": body})


async def send_bytes(send: Send, status: int, kind: str, body: bytes) -> None:
    """A body of any content type."""
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, value: Any) -> None:
    await send_body(send, status, _encode(value), [])


def rate_headers(limit: int, remaining: int, reset_s: float) -> Headers:
    """OpenAI's names for requests per minute; the time until all are there again, as `59s`."""
    said = {
        b"limit": str(limit),
        b"remaining": str(remaining),
        b"reset": f"{math.ceil(reset_s)}s",
    }
    return [(b"x-ratelimit-%b-requests" % name, text.encode()) for name, text in said.items()]


async def send_error(send: Send, error: SitusError, headers: Headers | None = None) -> None:
    """The error in its wire's shape, with what RFC 9110 wants beside its status."""
    extra = list(headers or [])
    if error.retry_after_s is not None:
        extra.append((b"retry-after", str(error.retry_after_s).encode()))
    if error.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, Draining):  # RFC 9112, section 9.6: the next request finds another process
        extra.append((b"connection", b"close"))
    if isinstance(error, MethodNotAllowed):
        extra.append((b"allow", ", ".join(error.allowed).encode()))
    if isinstance(error, RateLimited):
        extra += rate_headers(error.limit, 0, error.reset_s)
    await send_body(send, error.status, _encode(envelope(error)), extra)
