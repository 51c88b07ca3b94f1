"""What the operating system lets this process, and those it starts, do and leave behind."""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

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


def why_not_sealed() -> str | None:
    """Why workers cannot be sealed here, if so; a process of its own tries it."""
    code = "from situs.runtimes.seal import seal; print(seal() or '', end='')"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout or (None if done.returncode == 0 else "the process that tried it failed")


_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_ASKING = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
)
_STARTING = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pty.spawn"})


def guard() -> None:
    """From now on Python code in this process connects to nothing, asks no DNS, starts nothing.

    It holds what goes through Python's own modules and tells where; `runtimes.seal` the rest. It
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
