"""Ties a model server to the gateway that started it, then becomes that server.

Run by path, before anything slow is imported: `python child.py GATEWAY_PID COMMAND...`; with the
word `sealed` before the command it can serve, and call nobody (see `seal.py`). On Linux the kernel
then kills the server when the gateway dies, kill -9 included (prctl(2),
PR_SET_PDEATHSIG; it survives execve). If memory runs out, the server goes before the gateway.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
import sys
from pathlib import Path

SEALED = "sealed"

_PR_SET_PDEATHSIG = 1
_FIRST_TO_GO = "500"


def main(gateway: int, command: list[str]) -> None:
    """Replaces this process; returns only when the gateway is gone already."""
    for ignored in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ignored, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        try:
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
        except OSError as problem:
            sys.stderr.write(f"oom_score_adj stays as it is: {problem.strerror}\n")
    if os.getppid() != gateway:  # it died before the line above could take effect
        return
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming the server is the purpose
    except OSError as problem:
        sys.stderr.write(f"{command[0]} cannot be run: {problem.strerror}\n")
        sys.exit(127)


def seal_server() -> None:
    """From now on it may only listen and answer; where the kernel cannot hold that, it is said."""
    place = Path(__file__).with_name("seal.py")
    found = importlib.util.spec_from_file_location("seal", place)
    if found is None or found.loader is None:
        raise ImportError(f"{place} cannot be loaded")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    if problem := module.seal(module.SERVER):
        sys.stderr.write(f"its connections are not limited: {problem}\n")


if __name__ == "__main__":
    words = sys.argv[2:]
    if words[0] == SEALED:
        seal_server()
        del words[0]
    main(int(sys.argv[1]), words)
