"""Asks a gateway once, and says whether what came is whole, broken, or only looks whole."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

_PATHS = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
}
_TIMEOUT_S = 60.0
_DONE = "[DONE]"


class Said(Struct, frozen=True):
    """What came back. `code` is that of the error, or of the event that ended the stream.

    `whole`: nothing is missing; `done`: a stream that says that it is complete; `pieces`: how many
    events of it had a part of the answer; `message`: what an error says.
    """

    status: int
    id: str = ""
    code: str | None = None
    whole: bool = False
    done: bool = False
    pieces: int = 0
    message: str = ""


def ask(url: str, wire: str, document: dict[str, Any]) -> Said:
    """One request on a connection of its own; status 0 where nothing readable came."""
    try:
        status, id_, body = _exchange(url, "POST", _PATHS[wire], msgspec.json.encode(document))
    except (OSError, http.client.HTTPException):
        return Said(0, code="no_answer")
    if document.get("stream") and status == 200:
        return read_stream(status, id_, body)
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return Said(status, id_, code="no_json")
    error = said.get("error") or {}
    whole = bool(said.get("choices") or said.get("data"))
    return Said(status, id_, error.get("code"), whole, message=error.get("message", ""))


def read_stream(status: int, id_: str, body: bytes) -> Said:
    """How a stream ended that came in whole events."""
    try:
        lines = body.decode().splitlines()
        events: list[Any] = [
            _DONE if line == f"data: {_DONE}" else msgspec.json.decode(line[6:])
            for line in lines
            if line.startswith("data: ")
        ]
    except (UnicodeDecodeError, msgspec.DecodeError):
        return Said(status, id_, code="no_event")
    last = events[-1] if events else None
    done = _DONE in events
    error = last.get("error") if isinstance(last, dict) else None
    code = None if error is None else error.get("code")
    chosen = [one["choices"][0] for one in events if one != _DONE and one.get("choices")]
    finished = any(choice.get("finish_reason") for choice in chosen)
    pieces = sum(not choice.get("finish_reason") for choice in chosen)
    whole = done and finished and error is None
    return Said(status, id_, code, whole, done, pieces)


def fleet_health(url: str, deployment: str) -> str | None:
    """The health of a deployment, as the gateway says."""
    _, _, body = _exchange(url, "GET", "/situs/v1/fleet")
    for one in msgspec.json.decode(body)["deployments"]:
        if one["deployment"]["name"] == deployment:
            return str(one["state"]["health"])
    return None


def _exchange(
    url: str, method: str, path: str, body: bytes | None = None
) -> tuple[int, str, bytes]:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(
        where.hostname or "", where.port or 80, timeout=_TIMEOUT_S
    )
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("x-situs-request-id", ""), answer.read()
    finally:
        connection.close()
