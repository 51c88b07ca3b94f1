"""How far the index is, and making it anew."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from msgspec import Struct

from situs.errors import StoreError
from situs.stores.database import INDEX_FILE, is_busy, is_corrupt, is_newer, reading, told
from situs.stores.follow import Follower, Join, Position
from situs.stores.index import Index, OutOfStep, positions_in
from situs.stores.layout import receipts_dir
from situs.stores.schema import version_of


class Status(Struct, frozen=True):
    """How the index is: `behind` are bytes of receipts that it has not read yet."""

    path: str
    version: int
    decisions: int
    ledger: int
    chains: int
    behind: int


def status(data_dir: Path) -> Status:
    """Raises StoreError when there is no index, or it cannot be read."""
    path = data_dir / INDEX_FILE
    with told(path), reading(path) as db:
        return Status(
            path=str(path),
            version=version_of(db),
            decisions=_count(db, "decisions"),
            ledger=_count(db, "ledger"),
            chains=_count(db, "positions"),
            behind=Follower(receipts_dir(data_dir), positions_in(db)).behind(),
        )


def behind(data_dir: Path) -> int:
    """Bytes of receipts that the index has not read yet. Raises StoreError."""
    path = data_dir / INDEX_FILE
    with told(path), reading(path) as db:
        return Follower(receipts_dir(data_dir), positions_in(db)).behind()


def reaches(data_dir: Path, ends: Mapping[str, Position]) -> bool:
    """Whether the index has read that far. Raises StoreError."""
    path = data_dir / INDEX_FILE
    with told(path), reading(path) as db:
        stored = positions_in(db)
    return all(
        (here := stored.get(chain)) is not None and (here.closed or not here.before(end))
        for chain, end in ends.items()
        if end.offset
    )


def rebuild(data_dir: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Read all receipts again; how many lines were read.

    Lines of the ledger whose segment is gone are kept. A file that is damaged, or newer than this
    version, is put aside. A gateway may run: it writes its part, in turns. `progress` is told the
    bytes read and the bytes there were. Raises StoreError.
    """
    path = data_dir / INDEX_FILE
    try:
        return _rebuild(path, receipts_dir(data_dir), progress)
    except StoreError as error:
        if not is_corrupt(error) and not is_newer(error):
            raise
    recovered(path).close()
    return _rebuild(path, receipts_dir(data_dir), progress)


def _rebuild(path: Path, receipts: Path, progress: Callable[[int, int], None]) -> int:
    with closing(Index(path)) as index:
        _patiently(index.begin_anew)
        follower, join = Follower(receipts), Join()
        total, done, lines = follower.behind(), 0, 0
        while (batch := follower.read()) is not None:
            joined = join(batch, index.earlier)
            try:
                _patiently(partial(index.apply, batch, joined))
            except OutOfStep:
                follower.go_back(index.positions())
                continue
            done, lines = done + batch.bytes, lines + batch.lines
            progress(min(done, total), total)
        _patiently(partial(index.forget_removed, receipts))
        return lines


def put_aside(path: Path) -> Path:
    """Rename a database that is of no use, with the files that belong to it."""
    aside = path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    while aside.exists():
        aside = aside.with_name(f"{aside.name}-")
    try:
        path.rename(aside)
        for end in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    except OSError as error:
        raise StoreError(f"{path} cannot be put aside: {error.strerror}.") from error
    return aside


def recovered(path: Path) -> Index:
    """A new index in place of one that is of no use, with what its ledger still gives."""
    aside = put_aside(path)
    index = Index(path)
    index.salvage(aside)
    return index


def _patiently(work: Callable[[], None], tries: int = 40) -> None:
    """A gateway that runs writes too; its turns are short."""
    for left in range(tries, -1, -1):
        try:
            work()
            return
        except StoreError as error:
            if not left or not is_busy(error):
                raise


def _count(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
