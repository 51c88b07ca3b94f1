"""What conversations have touched: the highest label of each session, shared by all workers.

One SQLite database in the data directory. A session's name never enters it, only its keyed digest.
The most recently used `limit` sessions are kept; the oldest are forgotten first, and so is what was
not used for `keep_s`.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from situs.core.label import Label
from situs.errors import CannotRecord, StoreError
from situs.stores.database import reading, told

_log = logging.getLogger(__name__)

FILE = "sessions.db"
LIMIT = 1_000_000
_DAY_S = 86400.0
KEEP_S = 90 * _DAY_S
_TIDY_EVERY = 1000
_TABLE = """CREATE TABLE IF NOT EXISTS sessions (
    digest BLOB PRIMARY KEY, label TEXT NOT NULL, used REAL NOT NULL
) WITHOUT ROWID"""
_BY_USE = "CREATE INDEX IF NOT EXISTS sessions_used ON sessions (used)"
_GET = "SELECT label, used FROM sessions WHERE digest = ?"
_USED = "UPDATE sessions SET used = ? WHERE digest = ?"
_SET = """INSERT INTO sessions VALUES (?, ?, ?)
    ON CONFLICT (digest) DO UPDATE SET label = excluded.label, used = excluded.used"""
_FORGET = """DELETE FROM sessions WHERE used < ? OR digest IN (
    SELECT digest FROM sessions ORDER BY used DESC LIMIT -1 OFFSET ?)"""


_REMOVE = (
    f"Mend {FILE} in the data directory, or remove it, with {FILE}-wal and {FILE}-shm: sessions "
    "are then forgotten."
)


def check_sessions(data: Path) -> None:
    """Raises StoreError where labels cannot be read; where there are none yet, nothing is wrong."""
    path = data / FILE
    if path.exists():
        with told(path, _REMOVE), reading(path) as db:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sessions'").fetchone():
                db.execute("SELECT label FROM sessions LIMIT 1").fetchone()


class SessionLabels:
    """The port `Sessions` over a file; all of it happens on one thread of its own.

    `key` keeps names from being guessed by whoever reads the file, `clock` is wall time.
    """

    def __init__(
        self,
        data: Path,
        key: bytes,
        clock: Callable[[], float] = time.time,
        limit: int = LIMIT,
        keep_s: float = KEEP_S,
    ) -> None:
        self._data = data
        self._path = data / FILE
        self._failed: str | None = None
        self._key = key
        self._clock = clock
        self._limit = limit
        self._keep_s = keep_s
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._written = 0
        self._thread = ThreadPoolExecutor(1, "situs-sessions")

    async def label(self, tenant: str, session: str) -> Label:
        """PUBLIC for one never seen. Raises CannotRecord when it cannot be known."""
        found: Label = await self._do(self._read, self._digest(tenant, session))
        return found

    async def raised(self, tenant: str, session: str, label: Label) -> None:
        """At least `label`, durable against kill -9 on return. Raises CannotRecord."""
        await self._do(self._write, self._digest(tenant, session), label, None)

    async def lowered(self, tenant: str, session: str, seen: Label, label: Label) -> None:
        """Just `label`, if it is still `seen`; durable against kill -9. Raises CannotRecord."""
        await self._do(self._write, self._digest(tenant, session), label, seen)

    def problem(self) -> str | None:
        """Why requests that name a session are refused now; None while they are not. Blocks."""
        try:
            check_sessions(self._data)
        except StoreError as error:
            return error.message
        return self._failed

    def close(self) -> None:
        self._thread.submit(self._end)
        self._thread.shutdown()

    def _digest(self, tenant: str, session: str) -> bytes:
        named = f"{len(tenant)}:{tenant}{session}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, named, "sha256")[:16]

    async def _do(self, run: Callable[..., Any], *given: Any) -> Any:
        try:
            done = await asyncio.get_running_loop().run_in_executor(self._thread, run, *given)
        except (sqlite3.Error, OSError, ValueError) as error:
            _log.error("%s cannot be used (%s): sessions are refused", self._path, error)
            self._failed = f"{self._path} could not be used: {type(error).__name__}."
            self._thread.submit(self._end)  # the next one opens it anew
            raise CannotRecord(
                f"What this session has touched cannot be known: {type(error).__name__}.",
                do=_REMOVE,
            ) from error
        self._failed = None
        return done

    def _read(self, digest: bytes) -> Label:
        found = self._open().execute(_GET, (digest,)).fetchone()
        if found is None:
            return Label.PUBLIC
        now = self._clock()
        if now - found[1] > _DAY_S:  # it is in use
            self._open().execute(_USED, (now, digest))
        return Label(found[0])

    def _write(self, digest: bytes, label: Label, seen: Label | None) -> None:
        """In one transaction: what another one raised meanwhile stays."""
        now, db = self._clock(), self._open()
        db.execute("BEGIN IMMEDIATE")
        try:
            was = self._read(digest)
            kept = label if was == seen else max(label, was)
            db.execute(_SET, (digest, kept.value, now))
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        self._written += 1
        if self._written % _TIDY_EVERY == 0:
            db.execute(_FORGET, (now - self._keep_s, self._limit))

    def _open(self) -> sqlite3.Connection:
        """One that was removed or replaced is opened anew, so that all workers use the same."""
        if self._file != _identity(self._path):
            self._end()
        if self._db is None:
            self._path.touch(mode=0o600)
            db = sqlite3.connect(self._path, timeout=5.0, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(_TABLE)
            db.execute(_BY_USE)
            self._db, self._file = db, _identity(self._path)
        return self._db

    def _end(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file has this name; None where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino
