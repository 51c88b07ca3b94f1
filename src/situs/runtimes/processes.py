"""Which processes are ours: looked up in /proc, signalled only when they match.

Where there is no /proc nothing is ever found, so nothing that is not ours is ever killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

TOKEN = "SITUS_RUNTIME_TOKEN"  # noqa: S105 - the variable's name

_PROC = Path("/proc")
_LISTENING = "0A"


class Child(Struct, frozen=True):
    """What the pid file says: `started` is in clock ticks since boot (proc_pid_stat(5))."""

    pid: int
    started: int
    token: str


def write_pid_file(path: Path, child: Child) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.touch(mode=0o600)
    temporary.write_bytes(msgspec.json.encode(child))
    temporary.replace(path)


def reap_previous(path: Path, patience_s: float = 5.0) -> list[int]:
    """Kill what a dead gateway left running, and say which pids.

    The pid file names a process and its group. A process is killed only if it carries the token
    in its environment and, when it is the one named, began when the file says.
    """
    try:
        child = msgspec.json.decode(path.read_bytes(), type=Child)
    except (OSError, msgspec.DecodeError):
        path.unlink(missing_ok=True)
        return []
    killed = [
        pid for pid in (child.pid, *group_of(child.pid)) if _kill_if_ours(pid, child, patience_s)
    ]
    path.unlink(missing_ok=True)
    return killed


def start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; with the pid it names one process."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def group_of(pgid: int) -> list[int]:
    """The other living members of a process group."""
    found = []
    for pid in _pids():
        fields = _stat(pid)
        if fields and int(fields[2]) == pgid and fields[0] != "Z" and pid != pgid:
            found.append(pid)
    return found


def listens(pid: int, port: int) -> bool | None:
    """Whether a process or its group holds the listening socket; None when that cannot be told.

    A port is free when chosen, and someone else may take it before the server does.
    """
    try:
        table = (_PROC / "net" / "tcp").read_text().splitlines()[1:]
    except OSError:
        return None
    rows = [line.split() for line in table]
    inodes = {
        row[9] for row in rows if row[3] == _LISTENING and int(row[1].split(":")[1], 16) == port
    }
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return any(wanted & _open_files(member) for member in (pid, *group_of(pid)))


def _kill_if_ours(pid: int, child: Child, patience_s: float) -> bool:
    """The descriptor is opened before the checks, so the pid cannot pass to another process."""
    try:
        descriptor = os.pidfd_open(pid)
    except (OSError, AttributeError):
        return False
    try:
        ours = _has_token(pid, child.token)
        if not ours or (pid == child.pid and start_time(pid) != child.started):
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        gone = select.poll()
        gone.register(descriptor, select.POLLIN)
        gone.poll(patience_s * 1000)
        return True
    finally:
        os.close(descriptor)


def _has_token(pid: int, token: str) -> bool:
    try:
        environ = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return bool(token) and f"{TOKEN}={token}".encode() in environ.split(b"\0")


def _stat(pid: int) -> list[str]:
    """The fields after the command's name, state first; empty when there is no such process."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _pids() -> Iterable[int]:
    try:
        return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _open_files(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for entry in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(entry.readlink()))
    return found
