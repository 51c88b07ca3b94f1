"""`DATA/index.db`: where each decision stands, and the ledger. Made of receipts, and again of them.

SQLite in WAL mode. What was read and how far it was read are one transaction, so a line counts
once; every row has its request's id, so reading a line again changes nothing.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from situs.errors import StoreError
from situs.stores.follow import Batch, Begun, Follower, Join, Joined, Position
from situs.stores.layout import receipts_dir, segment_path
from situs.stores.schema import VERSION, NewerVersion, migrate, version_of

INDEX_FILE = "index.db"
REBUILD = "Run `situs index rebuild`; the receipts hold all that it needs."
_WAIT_S = 0.25
_IDS_AT_ONCE = 500
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BEGUN = len(Begun.__struct_fields__)
_ENDS = (
    *("over_chain", "over_first", "over_offset", "over_at", "deployment", "locus"),
    *("jurisdiction", '"end"', "status", "code"),
)
_DECISION = (
    f"INSERT INTO decisions VALUES ({','.join('?' * (_BEGUN + len(_ENDS)))}) ON CONFLICT (id) "  # noqa: S608
    f"DO UPDATE SET {','.join(f'{name}=excluded.{name}' for name in _ENDS)} "
    "WHERE excluded.over_chain IS NOT NULL"
)
_OVER = f"UPDATE decisions SET {','.join(f'{name}=?' for name in _ENDS)} WHERE id=?"  # noqa: S608
_LEDGER = f"INSERT OR REPLACE INTO ledger VALUES ({','.join('?' * 32)})"  # noqa: S608
_NOT_OVER = (None,) * len(_ENDS)


class OutOfStep(Exception):
    """A batch begins behind what the index has: lines between would be missing."""


class Index:
    """Owns a connection that writes; to be used by the thread that made it.

    Opening brings the tables to this version. All methods raise StoreError when the database is
    locked, full, read-only, damaged, or newer than this version; `is_corrupt` tells damage.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fleets: dict[str, Mapping[str, bool]] = {}
        with told(path):
            path.touch(mode=0o640)
            self._db = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
            try:
                migrate(self._db)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.execute("PRAGMA cache_size = -8192")
                self._inode = path.stat().st_ino
            except BaseException:
                self._db.close()
                raise

    def in_place(self) -> bool:
        """Whether the file still stands under its name."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def positions(self) -> dict[str, Position]:
        with told(self.path):
            return _positions(self._db)

    def earlier(self, ids: Sequence[str]) -> dict[str, Begun]:
        """Decisions that were read before, by id."""
        found = {}
        columns = ",".join(f'"{name}"' for name in Begun.__struct_fields__)
        with told(self.path):
            for begin in range(0, len(ids), _IDS_AT_ONCE):
                some = ids[begin : begin + _IDS_AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT {columns} FROM decisions WHERE id IN ({marks})"  # noqa: S608
                for row in self._db.execute(query, some):
                    begun = Begun(*row)
                    found[begun.id] = msgspec.structs.replace(begun, stream=bool(begun.stream))
        return found

    def apply(self, batch: Batch, joined: Sequence[Joined]) -> None:
        """Write a batch and how far it reaches. Raises OutOfStep; then nothing was written."""
        now = {begun.id for begun in batch.begun}
        over = {one.begun.id: _over(one) for one in joined}
        with self._transaction():
            self._move(batch)
            for digest, owned in batch.fleets.items():
                row = (digest, msgspec.json.encode(owned).decode())
                self._db.execute("INSERT OR REPLACE INTO fleets VALUES (?,?)", row)
            self._db.executemany(
                _DECISION,
                [(*msgspec.structs.astuple(b), *over.get(b.id, _NOT_OVER)) for b in batch.begun],
            )
            later = [(*row, id_) for id_, row in over.items() if id_ not in now]
            self._db.executemany(_OVER, later)
            self._db.executemany(
                _LEDGER, [_ledger(one, self._owned(one.begun.fleet)) for one in joined]
            )

    def forget_removed(self, receipts: Path) -> None:
        """Drop the decisions whose segment is gone; their lines in the ledger stay."""
        with self._transaction():
            kept = self._db.execute("SELECT DISTINCT chain, first FROM decisions").fetchall()
            for chain, first in kept:
                if not segment_path(receipts / chain, first).exists():
                    self._db.execute(
                        "DELETE FROM decisions WHERE chain=? AND first=?", (chain, first)
                    )

    def begin_anew(self) -> None:
        """Forget what was read, so that all of it is read again; the ledger stays."""
        with self._transaction():
            for table in ("positions", "decisions", "fleets"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own words
        self._fleets.clear()

    def salvage(self, damaged: Path) -> int:
        """Take over the lines of the ledger that can still be read there; how many."""
        names = {row[1] for row in self._db.execute("PRAGMA table_info(ledger)")}
        taken = 0
        with suppress(sqlite3.Error), reading(damaged) as other:
            there = [row[1] for row in other.execute("PRAGMA table_info(ledger)")]
            columns = ",".join(f'"{name}"' for name in there if name in names)
            marks = ",".join("?" * (columns.count(",") + 1))
            insert = f"INSERT OR IGNORE INTO ledger ({columns}) VALUES ({marks})"  # noqa: S608
            lines = other.execute(f"SELECT {columns} FROM ledger")  # noqa: S608
            with self._transaction(), suppress(sqlite3.DatabaseError):
                for line in lines:
                    taken += self._db.execute(insert, line).rowcount
        return taken

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with told(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def _move(self, batch: Batch) -> None:
        """Lines may be read twice (another process may rebuild) but never left out."""
        stored = self.positions()
        for chain, end in batch.end.items():
            begin, here = batch.begin[chain], stored.get(chain)
            if begin is not None and (here is None or here.before(begin)):
                raise OutOfStep
            if here is None or here.before(end):
                row = (chain, end.first, end.offset, end.seq, end.closed)
                self._db.execute("INSERT OR REPLACE INTO positions VALUES (?,?,?,?,?)", row)

    def _owned(self, digest: str) -> Mapping[str, bool]:
        """Which deployments of a fleet are on owned loci."""
        if digest not in self._fleets:
            row = self._db.execute("SELECT owned FROM fleets WHERE digest=?", (digest,)).fetchone()
            if len(self._fleets) >= 64:
                self._fleets.clear()
            self._fleets[digest] = {} if row is None else msgspec.json.decode(row[0])
        return self._fleets[digest]


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
            behind=Follower(receipts_dir(data_dir), _positions(db)).behind(),
        )


def behind(data_dir: Path) -> int:
    """Bytes of receipts that the index has not read yet. Raises StoreError."""
    path = data_dir / INDEX_FILE
    with told(path), reading(path) as db:
        return Follower(receipts_dir(data_dir), _positions(db)).behind()


def reaches(data_dir: Path, ends: Mapping[str, Position]) -> bool:
    """Whether the index has read that far. Raises StoreError."""
    path = data_dir / INDEX_FILE
    with told(path), reading(path) as db:
        stored = _positions(db)
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
        if not is_corrupt(error) and not isinstance(error.__cause__, NewerVersion):
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


def is_corrupt(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and _code(cause) in _CORRUPT


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads; a database that is not there is not made."""
    if not path.exists():
        raise StoreError(f"There is no index {path}.", do=REBUILD)
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
    try:
        yield db
    finally:
        db.close()


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns what SQLite says into a StoreError that names the file."""
    try:
        yield
    except NewerVersion as error:
        raise StoreError(
            f"{path} has version {error.args[0]}; this Situs knows versions up to {VERSION}.",
            do=f"Use the Situs that wrote it, or make it anew. {REBUILD}",
        ) from error
    except sqlite3.Error as error:
        do = REBUILD if _code(error) in _CORRUPT else None
        raise StoreError(f"{path} cannot be used: {error}.", do=do) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {error.strerror}.") from error


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _patiently(work: Callable[[], None], tries: int = 40) -> None:
    """A gateway that runs writes too; its turns are short."""
    for left in range(tries, -1, -1):
        try:
            work()
            return
        except StoreError as error:
            cause = error.__cause__
            if not left or not isinstance(cause, sqlite3.Error):
                raise
            if _code(cause) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise


def _positions(db: sqlite3.Connection) -> dict[str, Position]:
    rows = db.execute('SELECT chain, first, "offset", seq, closed FROM positions')
    return {row[0]: Position(row[1], row[2], row[3], bool(row[4])) for row in rows}


def _count(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def _over(one: Joined) -> tuple[object, ...]:
    over, outcome = one.over, one.over.outcome
    last = outcome.attempts[-1] if outcome.attempts else None
    return (
        over.chain,
        over.first,
        over.offset,
        outcome.at,
        None if last is None else last.deployment,
        None if last is None else last.locus,
        None if last is None else last.jurisdiction,
        None if last is None else last.end.value,
        outcome.status,
        outcome.code,
    )


def _ledger(one: Joined, owned: Mapping[str, bool]) -> tuple[object, ...]:
    begun, outcome = one.begun, one.over.outcome
    attempts, usage = outcome.attempts, outcome.usage
    last = attempts[-1] if attempts else None
    return (
        begun.id,
        outcome.at,
        int(outcome.at // 3600),
        begun.chain,
        begun.seq,
        begun.tenant,
        begun.key,
        begun.wire,
        begun.route,
        begun.label,
        begun.task,
        None if last is None else last.model,
        None if last is None else last.deployment,
        None if last is None else last.locus,
        None if last is None else last.jurisdiction,
        None if last is None else owned.get(last.deployment),
        len(attempts),
        None if last is None else last.end.value,
        outcome.status,
        outcome.code,
        None if usage is None else usage.prompt_tokens,
        None if usage is None else usage.cached_prompt_tokens,
        None if usage is None else usage.completion_tokens,
        outcome.cost,
        outcome.saved,
        outcome.currency,
        None,
        sum(a.bytes_out for a in attempts),
        sum(a.bytes_in for a in attempts),
        None if last is None else last.ttft_s,
        outcome.overhead_s,
        outcome.duration_s,
    )
