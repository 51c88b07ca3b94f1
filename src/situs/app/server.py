"""The HTTP server and its socket."""

from __future__ import annotations

import errno
import socket
import time
from contextlib import contextmanager
from typing import Any

import uvicorn

from situs.errors import AddressInUse
from situs.http.app import App
from situs.http.guarded import GuardedProtocol

_PATIENCE_S = 1.0
"""Workers of a parent that was killed let go of the port a moment later."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises AddressInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            listener.bind((host.strip("[]"), port))
            listener.listen(2048)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            listener.close()
            raise AddressInUse(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
        return listener


class Server(uvicorn.Server):
    """uvicorn without its own signal handling: who owns it says when it stops."""

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
