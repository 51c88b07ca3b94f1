"""The HTTP server and its socket."""

from __future__ import annotations

import errno
import socket
import sys
import time
from contextlib import contextmanager
from typing import Any

import uvicorn

from situs.errors import AddressInUse
from situs.http.app import App
from situs.http.guarded import GuardedProtocol

_BACKLOG = 2048
_PATIENCE_S = 1.0
"""Workers of a parent that was killed let go of the port a moment later."""


def listen(host: str, port: int, count: int = 1) -> list[socket.socket]:
    """One listening socket a worker, all at one address. Raises AddressInUse.

    The kernel spreads connections evenly over them (SO_REUSEPORT, Linux); what waits at one whose
    worker has died waits for the next. Elsewhere all workers accept from the same socket.
    """
    if count == 1 or sys.platform != "linux":
        return [_bound(host, port, backlog=_BACKLOG)] * count
    # A plain one finds out whether somebody else is there; those that share would not.
    alone = _bound(host, port)
    port = alone.getsockname()[1]
    alone.close()
    return [_bound(host, port, shared=True, backlog=_BACKLOG) for _ in range(count)]


def _bound(host: str, port: int, *, shared: bool = False, backlog: int = 0) -> socket.socket:
    """Listens if there is a backlog."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            listener.bind((host.strip("[]"), port))
            if backlog:
                listener.listen(backlog)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            listener.close()
            raise AddressInUse(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
        return listener


class Server(uvicorn.Server):
    """uvicorn without its own signal handling: who owns it says when it stops."""

    def stop(self) -> None:
        """No new connection from now on; those that are open end when their request does."""
        self.should_exit = True
        for listening in getattr(self, "servers", ()):  # there are none before it has begun
            listening.close()

    @contextmanager
    def capture_signals(self) -> Any:
        yield


def quiet_server(app: App, drain_s: float, **options: Any) -> Server:
    """uvicorn over `app`; its own limit of a stop is only a second net below ours."""
    return Server(
        uvicorn.Config(
            app,
            http=GuardedProtocol,
            loop="uvloop",
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(drain_s) + 5,
            **options,
        )
    )
