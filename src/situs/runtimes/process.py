"""One running model server: its process group, its output, its pid file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from situs.runtimes import child
from situs.runtimes.output import BoundedLog
from situs.runtimes.processes import TOKEN, Child, start_time, write_pid_file
from situs.runtimes.spec import PORT, RuntimeSpec

# Of the gateway's environment a server gets this much: no provider keys, no settings.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
_POLL_S = 0.1
_PIPE_CHUNK = 1 << 16


class ServerProcess:
    """Owns a process and its group until `on_exit` was called with the return code.

    It is the leader of a session of its own. When it exits the rest of the group is killed, before
    its pid is given back: the group's number cannot mean anyone else by then.
    """

    def __init__(
        self, spec: RuntimeSpec, port: int, files: Files, on_exit: Callable[[int], None]
    ) -> None:
        """Start it. Raises OSError when it cannot be started."""
        self.port = port
        self._files = files
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        token = secrets.token_hex(16)
        self._pipe, write_end = os.pipe()
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - the command is configuration
                _command(spec, port),
                env=_environment(spec, token),
                cwd=files.folder,
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
            )
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(write_end)
        self.pid = self._popen.pid
        os.set_blocking(self._pipe, False)
        files.log.loading()
        self._loop.add_reader(self._pipe, self._read)
        self._watch_exit()
        started = start_time(self.pid)
        if started is not None:
            write_pid_file(files.pid_file, Child(self.pid, started, token))

    def terminate(self) -> None:
        """Ask the whole group to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the whole group."""
        self._signal(signal.SIGKILL)

    def abandon(self) -> None:
        """Kill and clean up at once, without waiting for the event loop."""
        self.kill()
        self._exited()

    def _watch_exit(self) -> None:
        """Hear of the exit without reaping: a descriptor on Linux, else a look now and then."""
        self._descriptor: int | None = None
        with contextlib.suppress(OSError, AttributeError):
            self._descriptor = os.pidfd_open(self.pid)
        if self._descriptor is not None:
            self._loop.add_reader(self._descriptor, self._exited)
        else:
            self._loop.call_later(_POLL_S, self._look)

    def _look(self) -> None:
        if self._popen.poll() is None:
            self._loop.call_later(_POLL_S, self._look)
        else:
            self._exited()

    def _exited(self) -> None:
        if self._pipe < 0:
            return
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._popen.wait()
        self._read()
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        self._pipe = -1
        with contextlib.suppress(OSError):
            self._files.pid_file.unlink(missing_ok=True)
        self._on_exit(code)

    def _read(self) -> None:
        """What was printed since; the loop is given back after each piece that is not the last."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._pipe, _PIPE_CHUNK)
            if data:
                self._files.log.write(data)
            else:
                self._loop.remove_reader(self._pipe)

    def _signal(self, number: signal.Signals) -> None:
        if self._pipe >= 0:  # not reaped yet, so the number is still ours
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


class Files:
    """Where one runtime keeps its log and its pid file, readable by their owner only."""

    def __init__(self, name: str, data_dir: Path) -> None:
        self.folder = data_dir
        self.pid_file = data_dir / "runtimes" / f"{name}.pid.json"
        self.log = BoundedLog(data_dir / "logs" / f"{name}.log")

    def prepare(self) -> None:
        """Raises OSError."""
        for folder in (self.pid_file.parent, self.log.path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def how_it_ended(code: int) -> str:
    """A return code in words."""
    if code >= 0:
        return f"exited with code {code}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"


def _command(spec: RuntimeSpec, port: int) -> list[str]:
    argv = [str(port) if word == PORT else word for word in spec.argv]
    launcher = [sys.executable, "-I", "-S", str(Path(child.__file__)), str(os.getpid())]
    return [*launcher, child.SEALED, *argv]


def _environment(spec: RuntimeSpec, token: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, **spec.env, TOKEN: token}
