"""Asking the running gateway: on its admin socket, or over TCP."""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from situs.errors import OperatorError

SOCKET = "admin.sock"
"""Where the gateway answers its administrator, in the data directory."""

TIMEOUT_S = 5.0
PATIENCE_S = 600.0
_SOCKET_PATH_BYTES = 104
"""The least that a system takes (macOS); Linux takes 108."""


def address(url: str) -> str:
    """The gateway's own, of a base URL that may end in `/v1`, as clients are given it."""
    return url.rstrip("/").removesuffix("/v1")


def parts_of(url: str) -> SplitResult:
    """Of a gateway's base URL. Raises OperatorError for what is none."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or " " in url or not url.isprintable():
        raise OperatorError(f"{url} is no http or https URL.", do="Such as http://HOST:7488.")
    return parts


def key_sent() -> str:
    """The key in $SITUS_API_KEY, or "". Raises OperatorError, without it, where it can be none."""
    key = os.environ.get("SITUS_API_KEY", "")
    if not (key.isascii() and key.isprintable()):
        raise OperatorError(
            "SITUS_API_KEY holds characters that no key has.",
            do="Set it to the key alone, as `situs keys create` printed it.",
        )
    return key


def answering(data: Path, url: str | None = None) -> str:
    """Where a gateway listens that answers models' callers with the key in $SITUS_API_KEY.

    Raises OperatorError with its own words where it does not.
    """
    where = listening(data, url)
    status, body = ask(connection_to(where, TIMEOUT_S), where, "GET", "/v1/models")
    if status != 200:
        raise refused(where, status, body)
    return where


def listening(data: Path, url: str | None = None) -> str:
    """Where the gateway listens: at `url`, or where that on this data directory says it does."""
    if url is not None:
        parts_of(url)
        return address(url)
    path = data / SOCKET
    status, body = ask(OverSocket(path), str(path), "GET", "/situs/v1/status")
    if status != 200:
        raise refused(str(path), status, body)
    return str(json.loads(body)["url"])


def connection_to(where: str, timeout_s: float = PATIENCE_S) -> http.client.HTTPConnection:
    """For requests to models, which take their time."""
    parts = parts_of(where)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=timeout_s)


def refused(where: str, status: int, body: bytes) -> OperatorError:
    """What the gateway said instead of an answer, with its advice; or that it said nothing."""
    try:
        said = str(json.loads(body)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return OperatorError(
            f"{where} answers {status}, and not as a gateway does.",
            do="Check the URL, and that the gateway is of this version of situs.",
        )
    key = "The key in $SITUS_API_KEY is sent, if there is one." if status in (401, 403) else ""
    return OperatorError(f"The gateway answered {status}: {said}", do=key)


class OverSocket(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """By way of the directory's descriptor where the path is longer than a socket's may be."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        if len(os.fsencode(self._path)) < _SOCKET_PATH_BYTES:
            self.sock.connect(str(self._path))
            return
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


def ask(
    connection: http.client.HTTPConnection,
    where: str,
    method: str,
    path: str,
    body: bytes | None = None,
) -> tuple[int, bytes]:
    """Status and body; a POST without one sends `{}`. Raises OperatorError if nobody answers."""
    try:
        head = {"content-type": "application/json"} if method == "POST" else {}
        if not isinstance(connection, OverSocket) and (key := key_sent()):
            head["authorization"] = f"Bearer {key}"
        connection.request(method, path, body or (b"{}" if method == "POST" else None), head)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        words = getattr(error, "strerror", None) or type(error).__name__
        raise OperatorError(
            f"No gateway answers at {where}: {words}.",
            do="Start one, or name its data directory with --data DIR.",
        ) from None
    finally:
        connection.close()
