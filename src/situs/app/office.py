"""What the parent answers: to its administrator on a Unix socket, and to workers who are asked.

The socket is `DATA/admin.sock`, for the user that runs Situs alone; changes are asked for there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta, Struct

from situs.app.server import Server, quiet_server
from situs.app.watching import Watching
from situs.errors import InvalidRequest, OperatorError, SitusError, UnknownPath
from situs.http.app import App, Call, Handler
from situs.http.errors import envelope
from situs.http.guard import Guard
from situs.http.respond import send_bytes
from situs.stores.decisions import Filters, recent
from situs.stores.ledger import GROUPS, usage

_log = logging.getLogger(__name__)

SOCKET = "admin.sock"
JSON = "application/json"
_MOST_ROWS = 1000

_encode = msgspec.json.Encoder().encode
Reload = Callable[[], Awaitable[dict[str, Any]]]
Darken = Callable[[frozenset[str], float], None]


class Dark(Struct, frozen=True, forbid_unknown_fields=True):
    """Loci to connect to nothing at for the next `for_s` seconds; none: it is over."""

    loci: frozenset[str]
    for_s: Annotated[float, Meta(ge=0, le=60)] = 0.0


class Office:
    """The answers, by path; all but `reload` can be asked for at a worker's port too."""

    def __init__(
        self, watching: Watching, reload: Reload, darken: Darken, modes: Callable[[], Any]
    ) -> None:
        self._watching = watching
        self._modes = modes
        self._reload = reload
        self._darken = darken

    async def answer(self, path: str, query: str) -> tuple[int, str, bytes]:
        """Status, content type, body; what goes wrong is an answer too."""
        try:
            asked = {name: values[-1] for name, values in parse_qs(query).items()}
            return await self._answer(path, asked)
        except SitusError as error:
            return error.status, JSON, _encode(envelope(error))

    async def _answer(self, path: str, asked: dict[str, str]) -> tuple[int, str, bytes]:
        match path:
            case "/metrics":
                metrics = self._watching.metrics
                return 200, metrics.content_type, await asyncio.to_thread(metrics.render)
            case "/situs/v1/status":
                return 200, JSON, _encode(self._watching.report())
            case "/situs/v1/modes":
                return 200, JSON, _encode({"modes": self._modes()})
            case "/situs/v1/usage":
                return 200, JSON, _encode(await asyncio.to_thread(self._usage, asked))
            case "/situs/v1/decisions":
                return 200, JSON, _encode(await asyncio.to_thread(self._decisions, asked))
        raise UnknownPath("There is nothing at this path.")

    def _usage(self, asked: dict[str, str]) -> dict[str, Any]:
        by = asked.get("by", "deployment")
        if by not in GROUPS:
            raise InvalidRequest(f"by is one of {', '.join(GROUPS)}.", param="by")
        since, until = (_number(asked, name) for name in ("since", "until"))
        return {"by": by, "rows": usage(self._watching.index, by, since, until)}

    def _decisions(self, asked: dict[str, str]) -> dict[str, Any]:
        limit = min(int(_number(asked, "limit") or 100), _MOST_ROWS)
        names = ("deployment", "label", "status", "tenant")
        filters = Filters(**{n: asked.get(n) for n in names}, since=_number(asked, "since"))
        return {"decisions": recent(self._watching.index, filters, limit)}

    async def __call__(self, call: Call) -> None:
        status, kind, body = await self.answer(call.path, call.query)
        await send_bytes(call.send, status, kind, body)

    async def reload(self, call: Call) -> None:
        """What the operator must mend is a 422, with message and advice apart."""
        try:
            status, told = 200, await self._reload()
        except OperatorError as error:
            status, told = 422, envelope(error)
            told["error"] |= {"message": error.message, "do": error.advice}
        await send_bytes(call.send, status, JSON, _encode(told))

    async def darken(self, call: Call) -> None:
        """For a drill on the live gateway, which asks again and again; else it ends by itself."""
        try:
            dark = msgspec.json.decode(call.body, type=Dark)
        except msgspec.MsgspecError:
            raise InvalidRequest("Expected loci, and for_s of at most 60.") from None
        self._darken(dark.loci, dark.for_s)
        await send_bytes(call.send, 200, JSON, _encode(dark))

    def server(self) -> Server:
        """What serves the socket."""
        routes: dict[tuple[str, str], Handler] = {
            ("GET", "/metrics"): self,
            ("GET", "/situs/v1/"): self,
            ("POST", "/situs/v1/reload"): self.reload,
            ("POST", "/situs/v1/dark"): self.darken,
        }
        app = App(routes, Guard(frozenset(), frozenset()), max_body=1_000_000)
        return quiet_server(app, drain_s=0.0)


class AdminSocket:
    """Owns the socket in the data directory; one that was taken away is made anew."""

    def __init__(self, data: Path, office: Office) -> None:
        self._data = data
        self._office = office
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def keep(self) -> None:
        """Begin to answer, unless that is so. Without the socket the gateway works as well."""
        path = self._data / SOCKET
        if self._server is not None and path.exists():
            return
        await self._end()
        try:
            listener = admin_socket(self._data)
        except OSError as error:
            _log.warning("no admin socket in %s: %s", self._data, error.strerror)
            return
        self._server = self._office.server()
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def close(self) -> None:
        await self._end()
        with suppress(OSError):
            (self._data / SOCKET).unlink()

    async def _end(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.stop()
            await self._serving
            self._server = self._serving = None


def _number(asked: dict[str, str], name: str) -> float | None:
    text = asked.get(name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e12:
        raise InvalidRequest(f"{name} is a number that is not negative.", param=name)
    return number


def admin_socket(data: Path) -> socket.socket:
    """A listening socket that only this user reaches. Raises OSError.

    A path of a Unix socket has little room, so it is given by way of the directory's descriptor.
    """
    path = data / SOCKET
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(data, os.O_PATH | os.O_DIRECTORY)
    before = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{SOCKET}")
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
        os.close(folder)
    listener.listen(16)
    return listener
