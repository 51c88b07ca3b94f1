"""One chain while it is written: segments on disk, and the links between their lines."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from situs.stores.layout import HEAD_FILE, salts_path, segment_path
from situs.stores.lines import GENESIS, head
from situs.stores.merkle import Frontier

SALT_BYTES = 16
_SALTS_AT_ONCE = 256
_sync = getattr(os, "fdatasync", os.fsync)


def sync_path(path: Path) -> None:
    """Make a file's content durable, or the names in a directory. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def put_in_place(path: Path, content: bytes) -> None:
    """A file with this content, or what was there before. Raises OSError.

    Its content is durable before its name is: a power cut leaves no half of it.
    """
    scratch = path.with_name(f".{path.name}")
    scratch.write_bytes(content)
    sync_path(scratch)
    scratch.replace(path)


class Segment:
    """Owns one segment file and its salts. Lines go in whole or not at all.

    The file is locked (`flock`) while it is open here, so that others see that it is being written.
    """

    def __init__(self, chain_dir: Path, first: int) -> None:
        self.first = first
        self.began = time.monotonic()
        self.size = 0
        self.fleets: set[str] = set()
        self.unhashed: list[bytes] = []
        self.tree = Frontier()
        self._path = segment_path(chain_dir, first)
        self._torn = False
        self._salts: list[bytes] = []
        self._salts_used = 0
        self._salts_unsynced = self._unnamed = True
        self._syncing = threading.Lock()
        self._durable = 0
        self._closed = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(self._path, flags | os.O_APPEND, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._salts_fd = os.open(salts_path(chain_dir, first), flags, 0o600)
        except OSError:
            os.close(self._fd)
            self._path.unlink()
            raise
        self._identity = _identity(os.fstat(self._fd))

    def moved(self, chain_dir: Path) -> None:
        """Its directory has another name now."""
        self._path = segment_path(chain_dir, self.first)

    def in_place(self) -> bool:
        """Whether the file still stands under its name."""
        try:
            return _identity(self._path.stat()) == self._identity
        except OSError:
            return False

    def is_kept(self) -> bool:
        """Whether the file still has a name: what is written to a removed one is lost."""
        return os.fstat(self._fd).st_nlink > 0

    def append(self, line: bytes) -> None:
        """Raises OSError; then the file is as it was, or the next call makes it so first."""
        if self._torn:
            self._mend()
        try:
            written = os.write(self._fd, line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._torn = True
            self._mend()
            raise
        self.size += written

    def _mend(self) -> None:
        os.ftruncate(self._fd, self.size)
        self._torn = False

    def next_salt(self) -> tuple[int, bytes]:
        """A fresh salt and its position; it is in its file before it is handed out.

        Salts are made and written in blocks, so that most requests pay for neither.
        """
        if not self._salts:
            block = os.urandom(SALT_BYTES * _SALTS_AT_ONCE)
            if os.pwrite(self._salts_fd, block, SALT_BYTES * self._salts_used) != len(block):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._salts_unsynced = True
            salts = [block[i : i + SALT_BYTES] for i in range(0, len(block), SALT_BYTES)]
            self._salts = salts[::-1]
        position = self._salts_used
        self._salts_used += 1
        return position, self._salts.pop()

    def remove(self) -> None:
        """Undo a beginning that failed."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._path.with_suffix(".salts").unlink(missing_ok=True)

    def sync(self) -> None:
        """Salts first: a durable line never cites a salt that is not. Once, the names too.

        Any thread may call it. Raises OSError, also for what was not synced when it was closed.
        """
        with self._syncing:
            size = self.size
            if self._closed and self._durable < size:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            if self._durable == size and not self._unnamed:
                return
            if self._salts_unsynced:
                self._salts_unsynced = False
                try:
                    _sync(self._salts_fd)
                except OSError:
                    self._salts_unsynced = True
                    raise
            _sync(self._fd)
            if self._unnamed:
                sync_path(self._path.parent)
                self._unnamed = False
            self._durable = size

    def close(self) -> None:
        with self._syncing:
            self._closed = True
            os.close(self._fd)
            os.close(self._salts_fd)


class Chain:
    """Owns the chain's directory and the link from each line to the next.

    Calls that append must be serialised by the owner. It is made under a name that readers skip,
    until `publish`. `signed` counts the lines that durable checkpoints cover, and these.
    """

    def __init__(self, receipts_dir: Path, chain_id: str) -> None:
        self.id = chain_id
        self.seq = 0
        self.signed = 0
        self.prev = GENESIS
        self.last = b""
        self._dir = receipts_dir / f".{chain_id}"
        self._dir.mkdir(mode=0o750, parents=True)
        try:
            self.segment = Segment(self._dir, 0)
        except OSError:
            self._dir.rmdir()
            raise
        self._ended: list[Segment] = []

    def publish(self) -> None:
        """Let readers see it, whole as it is: from now on others may cite it."""
        sync_path(self._dir)
        self._dir = self._dir.rename(self._dir.with_name(self.id))
        self.segment.moved(self._dir)
        with suppress(OSError):
            sync_path(self._dir.parent)

    def add(self, kind: str, body: bytes) -> int:
        """Append a line of that type and return its sequence; raises OSError, then nothing was."""
        seq = self.seq
        line = b"".join((head(kind, self.id, seq, self.prev), memoryview(body)[1:], b"\n"))
        self.segment.append(line)
        digest = sha256(memoryview(line)[:-1])
        self.prev = digest.hexdigest()
        self.segment.unhashed.append(digest.digest())
        self.seq = seq + 1
        self.last = line
        return seq

    def rotate(self, opening: bytes) -> None:
        """Begin the next segment with `opening`, the body of its first line."""
        before = self.segment
        self.segment = Segment(self._dir, self.seq)
        try:
            self.add("open", opening)
        except OSError:
            self.segment.remove()
            self.segment = before
            raise
        self._ended.append(before)

    def take(self) -> list[tuple[Segment, list[bytes]]]:
        """The digests of the lines since the last call, by segment, the ended ones first."""
        taken = []
        for segment in (*self._ended, self.segment):
            taken.append((segment, segment.unhashed))
            segment.unhashed = []
        return taken

    def forget(self, segment: Segment) -> None:
        """Let go of an ended segment, once its last checkpoint is written and synced."""
        if segment in self._ended:
            self._ended.remove(segment)
            segment.close()

    def write_head(self, line: bytes) -> None:
        """Note the newest durable checkpoint beside the segments, so that a cut tail shows."""
        put_in_place(self._dir / HEAD_FILE, line)

    def discard(self) -> None:
        """Undo a beginning that failed, as far as the disk allows."""
        with suppress(OSError):
            self.segment.close()
            for path in self._dir.iterdir():
                path.unlink()
            self._dir.rmdir()

    def close(self) -> None:
        for segment in (*self._ended, self.segment):
            segment.close()
        self._ended = []


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino
