"""`DATA/index.db`: where each decision stands, and the ledger. Made of receipts, and again of them.

SQLite in WAL mode. What was read and how far it was read are one transaction, so a line counts
once; every row has its request's id, so reading a line again changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter
from pathlib import Path

import msgspec

from situs.stores import judged
from situs.stores.database import reading, told
from situs.stores.facts import Begun, Joined
from situs.stores.follow import Batch, Position
from situs.stores.layout import segment_path
from situs.stores.schema import migrate

_WAIT_S = 0.25
_IDS_AT_ONCE = 500
_BEGUN = tuple(name for name in Begun.__struct_fields__ if name not in ("tiers", "needs"))
_row = attrgetter(*_BEGUN)
_ENDS = (
    *("over_chain", "over_first", "over_offset", "over_at", "deployment", "locus"),
    *("jurisdiction", '"end"', "status", "code"),
)
_DECISION = (
    f"INSERT INTO decisions VALUES ({','.join('?' * (len(_BEGUN) + len(_ENDS)))}) ON CONFLICT (id) "  # noqa: S608
    f"DO UPDATE SET {','.join(f'{name}=excluded.{name}' for name in _ENDS)} "
    "WHERE excluded.over_chain IS NOT NULL"
)
_OVER = f"UPDATE decisions SET {','.join(f'{name}=?' for name in _ENDS)} WHERE id=?"  # noqa: S608
_LEDGER = f"INSERT OR REPLACE INTO ledger VALUES ({','.join('?' * 33)})"  # noqa: S608
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
            return positions_in(self._db)

    def earlier(self, ids: Sequence[str]) -> dict[str, Begun]:
        """Decisions that were read before, by id."""
        found = {}
        columns = ",".join(f'"{name}"' for name in _BEGUN)
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
                [(*_row(b), *over.get(b.id, _NOT_OVER)) for b in batch.begun],
            )
            later = [(*row, id_) for id_, row in over.items() if id_ not in now]
            self._db.executemany(_OVER, later)
            self._db.executemany(
                _LEDGER, [_ledger(one, self._owned(one.begun.fleet)) for one in joined]
            )
            judged.keep(self._db, joined)

    def forget_removed(self, receipts: Path) -> None:
        """Drop the decisions whose segment is gone; their lines in the ledger stay.

        A chain that is gone whole is read again if it comes back.
        """
        if not receipts.is_dir():
            return
        with self._transaction():
            for chain in positions_in(self._db):
                if not (receipts / chain).exists():
                    self._db.execute("DELETE FROM positions WHERE chain=?", (chain,))
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


def positions_in(db: sqlite3.Connection) -> dict[str, Position]:
    """How far each chain is read, as the index has it."""
    rows = db.execute('SELECT chain, first, "offset", seq, closed FROM positions')
    return {row[0]: Position(row[1], row[2], row[3], bool(row[4])) for row in rows}


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
        None if usage is None else _plausible(usage.prompt_tokens),
        None if usage is None else _plausible(usage.cached_prompt_tokens),
        None if usage is None else _plausible(usage.completion_tokens),
        outcome.cost,
        outcome.saved,
        outcome.currency,
        None,
        sum(a.bytes_out for a in attempts),
        sum(a.bytes_in for a in attempts),
        None if last is None else last.ttft_s,
        outcome.overhead_s,
        outcome.duration_s,
        None if usage is None else usage.counted,
    )


def _plausible(tokens: int) -> int | None:
    """What a backend says it counted; unknown where no text can have so many."""
    return tokens if 0 <= tokens < 1 << 48 else None
