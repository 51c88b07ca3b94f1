"""What may go: old segments, of which signed roots stay, and the salt of a single request."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from situs.errors import SegmentError, StoreError
from situs.stores.audit import Audit, Key
from situs.stores.chain import SALT_BYTES, put_in_place, sync_path
from situs.stores.follow import Position
from situs.stores.layout import (
    lines_backwards,
    parse,
    pieces,
    receipts_dir,
    root_path,
    salts_path,
    segment_path,
    segments,
    whole_lines_end,
)
from situs.stores.lines import Root, root_line
from situs.stores.signatory import Signer
from situs.stores.upkeep import reaches
from situs.stores.verify import Citations
from situs.stores.walk import ChainWalk, UnknownVersion

_UNFINISHED_S = 3600.0

NOT_READ = "not_read"
Ready = Callable[[str, str], bool]
"""Whether a segment may go, by the names of its chain and its file: everybody has read it."""


class Retirement(Struct, frozen=True):
    """A segment that was retired, or one that is due and had to stay.

    Times are wall times of its first and last line, `size` is in bytes. `kept` says why it stays,
    and with it those after it: NOT_READ, or the code of a problem that `verify` tells too.
    """

    chain: str
    file: str
    lines: int
    began: float
    ended: float
    size: int
    kept: str | None = None


def retire(
    directory: Path,
    signer: Signer,
    keys: Iterable[Key],
    older_than: float,
    ready: Ready,
    dry_run: bool = False,
) -> list[Retirement]:
    """Remove whole segments whose last line is older than a wall time; a signed root of each stays.

    The oldest of a chain go first, and none that is being written. Each is checked before, against
    `keys`, which must hold the signer's. A retirement that was cut short is finished. Raises
    OSError; what was done until then is whole.
    """
    keys = tuple(keys)
    wanted = Citations(Audit(keys))
    done: list[Retirement] = []
    for folder in wanted.gather(directory):
        if not _begins_with_due(folder, older_than):
            continue
        walk = ChainWalk(folder, Audit(keys), wanted.take(folder.name))
        every = pieces(folder)
        for first in every:
            path = segment_path(folder, first)
            if path.exists() and not _is_due(path, older_than):
                break
            if path.exists() and not ready(folder.name, path.name):
                done.append(_told(path, None, NOT_READ))
                break
            prev = walk.prev
            walk.audit, walk.cites = Audit(keys), []
            problem = _problem(walk, first, last=first == every[-1])
            if problem is not None:
                done.append(_told(path, None, problem))
                break
            if path.exists():
                root = walk.facts(first, prev, signer, time.time())
                done.append(_told(path, root, None))
                if not dry_run:
                    _replace(path, root_line(root, signer.sign))
    if not dry_run:
        _sweep(directory)
    return done


def read_by_index(data_dir: Path) -> Ready:
    """Says that a segment may go once the index, and so the ledger, has read all of it."""

    def ready(chain: str, file: str) -> bool:
        path = receipts_dir(data_dir) / chain / file
        end = Position(int(path.stem), whole_lines_end(path), 0)
        try:
            return reaches(data_dir, {chain: end})
        except StoreError:
            return False

    return ready


def erase(directory: Path, chain: str, file: str, salt: int) -> bool:
    """Overwrite the salt of one request with zeros, durably; False when it was erased before.

    `file` is the segment's name and `salt` the position that the decision's line states. Raises
    SegmentError when the salt is not here.
    """
    path = (directory / chain / file).with_suffix(".salts")
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SegmentError(
            f"{path} is not here, so there is no salt to erase.",
            do="Run it on the data directory of the gateway; copies made by export hold no salts.",
        ) from None
    try:
        before = os.pread(fd, SALT_BYTES, SALT_BYTES * salt)
        if len(before) != SALT_BYTES:
            raise SegmentError(f"{path} has no salt at position {salt}.")
        os.pwrite(fd, bytes(SALT_BYTES), SALT_BYTES * salt)
        os.fsync(fd)
    finally:
        os.close(fd)
    return any(before)


def _begins_with_due(folder: Path, older_than: float) -> bool:
    """Whether the oldest segment that is left may go; if not, nothing else need be read."""
    return any(_is_due(path, older_than) for path in segments(folder)[:1])


def _is_due(path: Path, older_than: float) -> bool:
    """Whether nobody writes the segment, and it is old enough or its root stands already."""
    if _is_written(path):
        return False
    if root_path(path.parent, int(path.stem)).exists():
        return True
    line = next(lines_backwards(path), None)
    at = (parse(line) or {}).get("at") if line is not None else path.stat().st_mtime
    return isinstance(at, int | float) and at < older_than


def _is_written(path: Path) -> bool:
    """Whether a living process has the segment open for writing: it holds a lock on it."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _problem(walk: ChainWalk, first: int, *, last: bool) -> str | None:
    """Walk a piece; the code of the first thing that does not hold."""
    with suppress(UnknownVersion):
        walk.piece(first, last=last)
    return next((problem.code for problem in walk.audit.problems), None)


def _told(path: Path, root: Root | None, problem: str | None) -> Retirement:
    size = path.stat().st_size if path.exists() else 0
    lines, began, ended = (root.lines, root.began, root.ended) if root else (0, 0.0, 0.0)
    return Retirement(path.parent.name, path.name, lines, began, ended, size, problem)


def _replace(path: Path, root: bytes) -> None:
    """The root stands, durably, before anything goes; the segment goes last."""
    folder, first = path.parent, int(path.stem)
    put_in_place(root_path(folder, first), root)
    sync_path(folder)
    salts_path(folder, first).unlink(missing_ok=True)
    path.unlink()
    sync_path(folder)


def _sweep(directory: Path) -> None:
    """Remove beginnings of chains that nobody finished."""
    with suppress(FileNotFoundError):
        for folder in directory.iterdir():
            if not folder.name.startswith(".") or not folder.is_dir():
                continue
            old = time.time() - folder.stat().st_mtime > _UNFINISHED_S
            if old and not any(map(_is_written, segments(folder))):
                shutil.rmtree(folder)
