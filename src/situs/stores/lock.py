"""One gateway per data directory, and one live drill on it: lock files held for life."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from situs.errors import CannotRecord, DataDirectoryInUse


class DataLock:
    """Owns `DATA/WHAT.lock`; the kernel lets go of it when the process ends, however it ends.

    `do` is what to do where another one runs. Entering raises DataDirectoryInUse when another
    process holds it, and CannotRecord when the directory cannot be written.
    """

    def __init__(self, data_dir: Path, what: str = "gateway", do: str | None = None) -> None:
        self._data_dir = data_dir
        self._what = what
        self._do = do
        self._fd: int | None = None

    def acquire(self) -> None:
        path = self._data_dir / f"{self._what}.lock"
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CannotRecord(f"{path} cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise DataDirectoryInUse(
                f"Process {holder} already runs a {self._what} on {self._data_dir}.", do=self._do
            ) from error
        self._fd = fd
        self._note_pid(fd)

    def _note_pid(self, fd: int) -> None:
        """The pid only helps whoever reads the error; a full disk must not stop the start."""
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            return

    def release(self) -> None:
        """Safe to call twice. The file stays: removing it would race with the next holder."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
