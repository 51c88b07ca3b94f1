"""How databases of the data directory are opened and what is said when one cannot be used."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from situs.errors import StoreError
from situs.stores.schema import VERSION, NewerVersion

INDEX_FILE = "index.db"
REBUILD = "Run `situs index rebuild`; the receipts hold all that it needs."
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_corrupt(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and _code(cause) in _CORRUPT


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads; a database that is not there is not made.

    Reading takes a file beside the database, for the lock. Where it can neither be found nor be
    written, nobody else writes either, so the database is read as it lies there.
    """
    if not path.exists():
        raise StoreError(f"There is no index {path}.", do=REBUILD)
    if not os.access(path, os.R_OK):
        raise StoreError(f"{path} may not be read.", do="Ask as the user that the gateway runs as.")
    shared = path.with_name(f"{path.name}-shm").exists() or os.access(path.parent, os.W_OK)
    how = "mode=ro" if shared else "mode=ro&immutable=1"
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5.0)
    try:
        yield db
    finally:
        db.close()


@contextmanager
def shared(
    path: Path, tables: Sequence[str], lost: str, *, durable: bool = False
) -> Iterator[sqlite3.Connection]:
    """A small database that workers and the command line write; made where it is missing.

    `tables` are statements that may be said again. `lost` says what is gone with a file that has to
    be removed. `durable`: what is committed outlives a power cut. Raises StoreError.
    """
    files = f"{path.name}, {path.name}-wal and {path.name}-shm"
    with told(path, f"Remove {files}; {lost}."), closing(_made(path, tables, durable)) as db:
        yield db


def _made(path: Path, tables: Sequence[str], durable: bool) -> sqlite3.Connection:
    if not path.parent.is_dir():
        raise StoreError(f"There is no data directory {path.parent}.", do="Correct --data.")
    if not path.exists():
        path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        for statement in tables:
            db.execute(statement)
    except sqlite3.Error:
        db.close()
        raise
    return db


@contextmanager
def told(path: Path, corrupt: str = REBUILD) -> Iterator[None]:
    """Turns what SQLite says into a StoreError that names the file.

    `corrupt` is what to do about one that is damaged, or no database.
    """
    try:
        yield
    except NewerVersion as error:
        raise StoreError(
            f"{path} has version {error.args[0]}; this Situs knows versions up to {VERSION}.",
            do=f"Use the Situs that wrote it, or make it anew. {REBUILD}",
        ) from error
    except sqlite3.Error as error:
        do = corrupt if _code(error) in _CORRUPT else None
        raise StoreError(f"{path} cannot be used: {error}.", do=do) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {error.strerror}.") from error


def is_busy(error: BaseException) -> bool:
    """Whether another one writes; a moment later it may do."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and _code(cause) in _BUSY


def is_newer(error: BaseException) -> bool:
    return isinstance(error.__cause__, NewerVersion)


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
