"""The ASGI application: every URL, and what is true of all of them.

Source: ASGI 3.0, HTTP connection scope. HTTP server: any ASGI server; uvicorn by decision 0002.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Self

from msgspec import Struct

from situs.dispatch.attempt import STOPPING
from situs.errors import (
    Draining,
    InvalidRequest,
    MethodNotAllowed,
    Overloaded,
    RequestTooLarge,
    UnknownPath,
)
from situs.http.auth import ANYONE, Auth
from situs.http.errors import log_unexpected, public
from situs.http.guard import Guard, require_json
from situs.http.headers import REQUEST_HEADERS
from situs.http.respond import Headers, Send, rate_headers, send_error, send_json
from situs.trust.api_keys import Identity

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Call(Struct, frozen=True):
    """One HTTP request, its body read."""

    path: str
    headers: Mapping[bytes, bytes]
    body: bytes
    receive: Receive
    send: Send
    loop: asyncio.AbstractEventLoop
    running: set[asyncio.Task[Any]]
    query: str = ""
    caller: Identity = ANYONE


Handler = Callable[[Call], Awaitable[None]]


class App:
    """Routes by method and path; a path that ends in `/` takes what follows as its argument.

    Without `auth`, whoever reaches it may do everything. Sizes are bytes of bodies: of one, and of
    all that are read or being answered. `refused` counts, by code, the requests
    that ended before there was a decision about them.
    """

    def __init__(
        self,
        routes: Mapping[tuple[str, str], Handler],
        guard: Guard,
        max_body: int,
        auth: Auth | None = None,
        max_held: int | None = None,
    ) -> None:
        self._routes = dict(routes)
        self._paths = {path for _, path in routes}
        self._guard = guard
        self._max_body = max_body
        self._max_held = max_held
        self._held = 0
        self._auth = auth
        self._loop: asyncio.AbstractEventLoop | None = None
        self.running: set[asyncio.Task[Any]] = set()
        self.draining = False
        self.refused: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            origin = self._guard.check(headers)
            if origin is not None:
                send = _adding(send, _of_origin(origin))  # errors too
            await self._serve(scope, headers, origin, receive, send)
        except (RequestTooLarge, Overloaded) as error:
            self.refused[error.code] += 1
            await send_error(send, error, [(b"connection", b"close")])  # the rest is not read
        except Exception as error:
            shown = public(error)
            if shown is not error:
                log_unexpected(error)
            self.refused[shown.code] += 1
            await send_error(send, shown)

    async def _serve(
        self,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        origin: str | None,
        receive: Receive,
        send: Send,
    ) -> None:
        method, path = scope["method"], scope["path"]
        if method == "OPTIONS" and origin is not None:
            await send_json(send, 200, {})
            return
        handler = self._route(method, path, scope.get("raw_path") or path.encode())
        caller = ANYONE if self._auth is None else self._auth.identify(path, headers)
        if self.draining and method == "POST":
            raise Draining("This process is stopping and takes no new requests.")
        if self._auth is not None and (rate := await self._auth.admit(caller)) is not None:
            send = _adding(send, rate_headers(rate.limit, rate.remaining, rate.reset_s))
        body = b""
        if method == "POST":
            require_json(headers)
            body = await self._read(headers, receive)
        loop, query = self._running_loop(), scope["query_string"].decode("latin-1")
        call = Call(path, headers, body, receive, send, loop, self.running, query, caller)
        try:
            await handler(call)
        finally:
            self._held -= len(body)

    def stop_running(self) -> None:
        """Ends the requests that still run: each caller is told, each record says who did it."""
        for task in self.running:
            task.cancel(STOPPING)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """Asked for once: before Python 3.12 each asking is a system call."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def _route(self, method: str, path: str, raw: bytes) -> Handler:
        """Only an argument may be percent-encoded: a proxy in front may judge a path as written."""
        for known in (path, path[: path.rfind("/") + 1]):
            if known in self._paths and raw.startswith(known.encode()):
                handler = self._routes.get(("GET" if method == "HEAD" else method, known))
                if handler is None:
                    error = MethodNotAllowed(f"{known} does not take {method}.")
                    error.allowed = tuple(sorted(m for m, path in self._routes if path == known))
                    raise error
                return handler
        raise UnknownPath("There is nothing at this path.")

    async def _read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The whole body. Raises RequestTooLarge or Overloaded as soon as that is known."""
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:20]) > self._max_body:
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise InvalidRequest("The caller left before its request was whole.")
                part = message.get("body", b"")
                size += len(part)
                self._held += len(part)
                if size > self._max_body:
                    raise self._too_large()
                if self._max_held is not None and self._held > self._max_held:
                    raise Overloaded("This process holds as much of other requests as it may.")
                parts.append(part)
                if not message.get("more_body"):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
        except BaseException:
            self._held -= size
            raise

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The body is larger than {self._max_body // 1_000_000} MB.")


class HangUp:
    """Cancels the running task when the caller leaves, and notes it while it runs.

    Listening costs a task, so it starts after a moment: most of what ends sooner needs none.
    """

    _PATIENCE_S = 0.02

    def __init__(self, call: Call) -> None:
        self.noticed = False
        self._receive = call.receive
        self._loop = call.loop
        self._running = call.running
        self._listener: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task(self._loop)
        if self._task is not None:
            self._running.add(self._task)
        self._timer = self._loop.call_later(self._PATIENCE_S, self._start)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        """Swallows the cancellation that it caused itself."""
        self._timer.cancel()
        if self._task is not None:
            self._running.discard(self._task)
        if self._listener is not None:
            self._listener.cancel()
        if not (self.noticed and kind is asyncio.CancelledError):
            return False
        return self._task is not None and self._task.uncancel() == 0

    def _start(self) -> None:
        self._listener = self._loop.create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self.noticed = True
            self._task.cancel()


def stopped(cancellation: asyncio.CancelledError) -> bool:
    """Whether the gateway itself ended the task; then it may go on, to tell the caller."""
    if STOPPING not in cancellation.args:
        return False
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
    return True


_ALLOWED = b", ".join((b"authorization", b"x-api-key", b"content-type", *REQUEST_HEADERS))


def _of_origin(origin: str) -> Headers:
    """What lets the allowed page read the answer (Fetch standard, CORS protocol)."""
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-headers", _ALLOWED),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"origin"),
    ]


def _adding(send: Send, extra: Headers) -> Send:
    """`send`, with these headers on every answer."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *extra]
        await send(message)

    return sending
