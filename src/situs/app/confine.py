"""What the operating system lets this process, and those it starts, do and leave behind."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import resource
import struct
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from situs.dispatch.egress import EgressRefused

_log = logging.getLogger(__name__)

_DESCRIPTORS = 65_536
_INHERITED = frozenset(
    {"HOME", "LANG", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV", "XDG_CACHE_HOME", "XDG_DATA_HOME"}
)
_FAMILIES = (
    *("COVERAGE_", "GLIBC_", "LC_", "LD_", "MALLOC_", "OMP_", "OPENBLAS_", "PYTHON", "SSL_CERT_"),
    "UV_",
)


def confine() -> None:
    """No core dumps, which hold prompts and keys; new files for nobody else; enough descriptors.

    Of a limit of 0, core(5) says, a program that takes dumps through a pipe knows nothing; 1 byte
    is too little for a file, and stops the kernel before a pipe. A connection and its upstream take
    two descriptors, and the usual soft limit is 1024.
    """
    os.umask(os.umask(0o077) | 0o027)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0 if most == 0 else 1, most))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


def workers_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a worker needs of ours: no keys of providers, those come with the plan."""
    return {
        name: value
        for name, value in environ.items()
        if name in _INHERITED or name.startswith(_FAMILIES)
    }


# What follows is for workers: they open no connections, the parent does (`app.door`).


class _Machine(Struct, frozen=True):
    """Numbers of one kind of processor: audit(3)'s name for it, and those of system calls."""

    audit: int
    seccomp: int
    refused: tuple[int, ...]


# socket, connect, io_uring_setup (which can do both), and what could borrow another process's:
# ptrace, process_vm_writev, pidfd_getfd.
_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, (41, 42, 425, 101, 311, 438)),
    "aarch64": _Machine(0xC00000B7, 277, (198, 203, 425, 117, 271, 438)),
}
_NO_NEW_PRIVILEGES, _FILTER, _ALL_THREADS = 38, 1, 1
_X32 = 0x40000000
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # with EPERM


def seal() -> str | None:
    """From now on this process and those it starts open no socket; why not, if that cannot be.

    The kernel holds it (seccomp(2), no rights are needed), for native libraries and children too;
    it cannot be undone. What is open stays so, and sockets that are handed over can be used.
    """
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None or struct.calcsize("P") != 8:
        return f"no filter is known for {sys.platform} on {platform.machine()}"
    libc = ctypes.CDLL(None, use_errno=True)
    code = _program(machine)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    arguments = (*map(ctypes.c_ulong, (_FILTER, _ALL_THREADS)), program)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(machine.seccomp, *arguments):
        return f"the kernel refuses the filter: {os.strerror(ctypes.get_errno())}"
    return None


def why_not_sealed() -> str | None:
    """Why workers cannot be sealed here, if so; a process of its own tries it."""
    code = "from situs.app.confine import seal; print(seal() or '', end='')"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout or (None if done.returncode == 0 else "the process that tried it failed")


def _program(machine: _Machine) -> bytes:
    """A filter in classic BPF: other processors' calls and those refused fail, all others pass."""
    load, equal, at_least, end = 0x20, 0x15, 0x35, 0x06
    count = len(machine.refused)
    lines = [
        (load, 0, 0, 4),  # seccomp_data.arch
        (equal, 0, count + 3, machine.audit),
        (load, 0, 0, 0),  # seccomp_data.nr
        (at_least, count + 1, 0, _X32),
        *((equal, count - place, 0, number) for place, number in enumerate(machine.refused)),
        (end, 0, 0, _ALLOW),
        (end, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_ASKING = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
)
_STARTING = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pty.spawn"})


def guard() -> None:
    """From now on Python code in this process connects to nothing, asks no DNS, starts nothing.

    It holds what goes through Python's own modules and tells where; `seal` holds the rest. It
    cannot be undone. The refusal is an OSError, which libraries take for a network that is down.
    """
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _CONNECTING:
        if event != "socket.connect" and arguments[1] is None:
            return  # to whom it is connected already
    elif event not in _ASKING and event not in _STARTING:
        return
    frame = sys._getframe(1)  # noqa: SLF001 - the only way to know whose call it is
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    _log.error("refused: %s by %s; a worker opens no connections of its own", event, where)
    raise EgressRefused(f"{event}: a worker opens no connections of its own")
