"""Plants connections that nothing permits, and sees who stops them."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from msgspec import Struct

TEST_NET = "192.0.2.1", 443
"""An address of RFC 5737 that is nobody's: where nothing stops it, a packet leaves for nowhere."""

_WAIT_S = 2.0
_PYTHON = "socket.create_connection((host, port), 2)"
_NATIVE = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
made = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
there = socket.AF_INET.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big")
there += socket.inet_aton(host) + bytes(8)
if made < 0 or libc.connect(made, there, 16):
    raise OSError(ctypes.get_errno(), "refused")
"""
_PROGRAM = """
import socket, sys
from situs.app.confine import guard
from situs.runtimes.seal import seal
host, port = sys.argv[1], int(sys.argv[2])
{take}
{call}
"""
_CALLS = {
    "a call in Python": (_PYTHON, "guard()", "the process"),
    "a call in a native library": (_NATIVE, "seal()", "the kernel's filter"),
}


class Planted(Struct, frozen=True):
    """One planted connection: who should stop it, whether it was stopped, and how that is known."""

    what: str
    by: str
    stopped: bool
    because: str


def plant(to: tuple[str, int] = TEST_NET) -> Iterator[Planted]:
    """What a worker does, to a listener here; then what this very process does, to the outside."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        for what, (call, take, by) in _CALLS.items():
            place = map(str, listener.getsockname())
            program = _PROGRAM.format(take=take, call=call)
            command = [sys.executable, "-P", "-c", program, *place]
            done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
            arrived = _arrived(listener)
            stopped = done.returncode != 0 and not arrived
            because = "it was refused" if stopped else "it went through"
            yield Planted(what, by, stopped, because)
    yield _outside(to)


def _arrived(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _outside(to: tuple[str, int]) -> Planted:
    """The operating system refuses at once; where it does not, there is silence or an answer."""
    what, by = f"a call to {to[0]}:{to[1]}", "the operating system's list"
    began = time.monotonic()
    try:
        socket.create_connection(to, _WAIT_S).close()
    except TimeoutError:
        return Planted(what, by, False, f"it left, and nobody answered within {_WAIT_S:g} s")
    except OSError as error:
        if error.errno == errno.ENETUNREACH:
            return Planted(what, by, True, "there is no network to it")
        if error.errno in (errno.EPERM, errno.EACCES, errno.EHOSTUNREACH):
            took_ms = 1000 * (time.monotonic() - began)
            return Planted(what, by, True, f"it was refused within {took_ms:.0f} ms")
        return Planted(what, by, False, f"it left, and was answered: {error.strerror}")
    return Planted(what, by, False, "it went through")
