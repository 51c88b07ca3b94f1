"""One run of a drill, in a process of its own: starts a gateway, asks it one request at a time.

Run as `python -m situs.studies.drill_run`, with a `Job` as JSON on standard input; says a `Said` a
line on standard output. It dies with the process that started it, and the gateway with it, so
nothing that it blocks outlives the drill, kill -9 included (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import http.client
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from situs.errors import OperatorError
from situs.runtimes import child

_GREETING = b"Situs listens on "
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_SET_FLAGS, _UP = 0x8914, 0x1
_STOP_S = 30.0


class Job(Struct, frozen=True):
    """`gateway` is its command, `requests` the bodies. They are asked over and over for
    `duration_s`, once at least. `namespace`: in a network namespace that has only its own loopback.
    With a `url` none is started, and the one that listens there is asked.
    """

    gateway: tuple[str, ...]
    log: str
    key: str
    requests: tuple[dict[str, Any], ...]
    duration_s: float = 0.0
    url: str = ""
    timeout_s: float = 600.0
    namespace: bool = False


class Said(Struct, frozen=True, omit_defaults=True):
    """How the request at `place` went; the answer is told by its digest alone.

    `owned` says where it was answered, `cost` what the answer's head says it cost.
    """

    place: int
    seconds: float
    status: int
    id: str = ""
    code: str = ""
    message: str = ""
    deployment: str = ""
    cost: float | None = None
    usage: tuple[int, int] | None = None
    answer: str = ""


def run(job: Job) -> Iterator[Said]:
    """Runs the job in a process of its own. Raises OperatorError when its gateway does not start.

    Closing the iterator ends it.
    """
    command = tied(sys.executable, "-P", "-m", "situs.studies.drill_run")
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("no pipes")
            process.stdin.write(msgspec.json.encode(job))
            process.stdin.close()
            for line in process.stdout:
                yield msgspec.json.decode(line, type=Said)
            if process.wait() != 0:
                last = Path(job.log).read_text(errors="replace").strip().splitlines()[-3:]
                raise OperatorError(
                    "the drill's own gateway failed: " + " ".join(last),
                    do="See that `situs serve` starts with this configuration.",
                )
        finally:
            process.terminate()


def tied(*command: str) -> list[str]:
    """The command, as a process that the kernel kills when this one dies."""
    return [sys.executable, str(Path(child.__file__)), str(os.getpid()), *command]


def can_have_namespace() -> str | None:
    """Why this process may have no network namespace of its own, if so."""
    code = "from situs.studies.drill_run import enter_namespace; enter_namespace()"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    return None if done.returncode == 0 else done.stderr.decode().strip().rpartition("\n")[2]


def enter_namespace() -> None:
    """From now on there is no network but a loopback of our own. Raises OSError."""
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_USER | _NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace of its own is permitted")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP))


# In the process of its own.


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    if job.namespace:
        enter_namespace()
    with nullcontext(job.url) if job.url else _gateway(job) as url:
        for said in _asked(job, url):
            sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
            sys.stdout.buffer.flush()


@contextmanager
def _gateway(job: Job) -> Iterator[str]:
    """Its base URL while it runs; exits with 1 if it does not start."""
    with (
        Path(job.log).open("ab") as log,
        subprocess.Popen(  # noqa: S603 - our own program
            tied(*job.gateway), stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL
        ) as process,
    ):
        try:
            lines: Iterable[bytes] = process.stdout or ()
            greeting = next((line for line in lines if line.startswith(_GREETING)), None)
            if greeting is None:
                sys.exit(1)
            yield greeting.split()[3].rstrip(b";").decode()
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _asked(job: Job, url: str) -> Iterator[Said]:
    until = time.monotonic() + job.duration_s
    for count, place in enumerate(cycle(range(len(job.requests)))):
        if count >= len(job.requests) and time.monotonic() >= until:
            return
        yield _ask(job, url, place)


def _ask(job: Job, url: str, place: int) -> Said:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(
        where.hostname or "", where.port or 80, timeout=job.timeout_s
    )
    head = {"content-type": "application/json"}
    if job.key:
        head["authorization"] = f"Bearer {job.key}"
    body = msgspec.json.encode(job.requests[place])
    began = time.monotonic()
    try:
        connection.request("POST", "/v1/chat/completions", body, head)
        answer = connection.getresponse()
        text = answer.read()
        seconds = time.monotonic() - began
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return Said(place, time.monotonic() - began, 0, code="no_answer", message=str(why))
    finally:
        connection.close()
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        document = {}
    id_ = answer.headers.get("x-situs-request-id", "")
    if answer.status >= 400:
        refusal = document.get("error") or {}
        what = str(refusal.get("code") or ""), str(refusal.get("message") or "")
        return Said(place, seconds, answer.status, id_, *what)
    cost = answer.headers.get("x-situs-cost", "").partition(" ")[0]
    usage = document.get("usage") or {}
    return Said(
        place,
        seconds,
        answer.status,
        id_,
        deployment=answer.headers.get("x-situs-deployment", ""),
        cost=float(cost) if cost else None,
        usage=(usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)),
        answer=_digest(document),
    )


def _digest(document: dict[str, Any]) -> str:
    """Of what was said: text and tool calls, without ids and times."""
    said = []
    for choice in document.get("choices") or ():
        message = choice.get("message") or {}
        calls = [call.get("function") for call in message.get("tool_calls") or ()]
        said.append([message.get("content"), calls, choice.get("finish_reason")])
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


if __name__ == "__main__":
    main()
