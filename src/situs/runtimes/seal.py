"""Takes away a process's ways to the network, natively: seccomp(2), which needs no rights.

Only the standard library is imported: a model server's launcher loads this file by its path.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from typing import NamedTuple


class _Machine(NamedTuple):
    """Numbers of one kind of processor: audit(3)'s name for it, seccomp(2), those of `_CALLS`."""

    audit: int
    seccomp: int
    calls: tuple[int, ...]


class _Rule(NamedTuple):
    """A call that is refused; with a mask only if its argument, masked, is not `expected`."""

    call: str
    argument: int = 0
    mask: int = 0
    expected: int = 0


_CALLS = (
    *("socket", "connect", "sendto", "sendmsg", "sendmmsg"),
    *("io_uring_setup", "ptrace", "process_vm_writev", "pidfd_getfd"),
)
_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, (41, 42, 44, 46, 307, 425, 101, 311, 438)),
    "aarch64": _Machine(0xC00000B7, 277, (198, 203, 206, 211, 269, 425, 117, 271, 438)),
}
_NO_NEW_PRIVILEGES, _FILTER, _ALL_THREADS = 38, 1, 1
_X32 = 0x40000000
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # with EPERM

_KIND, _STREAM, _FASTOPEN = 0xF, 1, 0x20000000
_ALWAYS = tuple(
    map(_Rule, ("connect", "io_uring_setup", "ptrace", "process_vm_writev", "pidfd_getfd"))
)
"""To connect; io_uring, which can do so too; and to borrow another process's sockets."""
NO_SOCKET = (*_ALWAYS, _Rule("socket"))
SERVER = (
    *_ALWAYS,
    _Rule("socket", 1, _KIND, _STREAM),
    _Rule("sendto", 3, _FASTOPEN, 0),
    _Rule("sendmsg", 2, _FASTOPEN, 0),
    _Rule("sendmmsg", 3, _FASTOPEN, 0),
)
"""It may listen on TCP and answer. A TCP fast open connects without connect(2)."""


def seal(rules: Iterable[_Rule] = NO_SOCKET) -> str | None:
    """From now on this process and those it starts can do none of it; or why that cannot be held.

    The kernel holds it, for native code too, and it cannot be undone. What is open stays so, and
    sockets that are handed over can be used.
    """
    machine = _MACHINES.get(os.uname().machine)
    if sys.platform != "linux" or machine is None or struct.calcsize("P") != 8:
        return f"no filter is known for {sys.platform} on {os.uname().machine}"
    libc = ctypes.CDLL(None, use_errno=True)
    code = _program(machine, rules)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    arguments = (*map(ctypes.c_ulong, (_FILTER, _ALL_THREADS)), program)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(machine.seccomp, *arguments):
        return f"the kernel refuses the filter: {os.strerror(ctypes.get_errno())}"
    return None


def _program(machine: _Machine, rules: Iterable[_Rule]) -> bytes:
    """In classic BPF: other processors' calls and those refused fail, all others pass.

    A jump says how many lines are left out if it is so, and if not. Arguments are 64 bits wide, and
    the lower half comes first.
    """
    load, mask, equal, at_least, end = 0x20, 0x54, 0x15, 0x35, 0x06
    number = (load, 0, 0, 0)
    lines = [
        (load, 0, 0, 4),  # seccomp_data.arch
        (equal, 1, 0, machine.audit),
        (end, 0, 0, _REFUSE),
        number,
        (at_least, 0, 1, _X32),
        (end, 0, 0, _REFUSE),
    ]
    for rule in rules:
        call = machine.calls[_CALLS.index(rule.call)]
        if rule.mask:
            lines += [
                (equal, 0, 4, call),
                (load, 0, 0, 16 + 8 * rule.argument),
                (mask, 0, 0, rule.mask),
                (equal, 1, 0, rule.expected),
            ]
        else:
            lines += [(equal, 0, 1, call)]
        lines += [(end, 0, 0, _REFUSE), number]
    lines += [(end, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
