"""How copies compare with what was served: `DATA/comparisons.db`, shared by the workers.

A row is numbers and names from two receipts, never any content. Only the newest are kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from situs.core.capability import CapabilityClass
from situs.core.rating import Likeness, kind_of
from situs.stores.database import shared

FILE = "comparisons.db"
MOST = 100_000


class Compared(Struct, frozen=True):
    """A copy (`id`) and what it is a copy `of`. Seconds, money, tokens of the answer.

    Who asked and for what is left out where it is not to be logged. `model` served, and
    `copied_model` answered the copy. `end` is how the copy ended; `same` and `similarity` are None
    where there were no two texts (`dispatch.shadow.agreement`).
    """

    id: str
    of: str
    at: float
    tenant: str
    route: str | None
    task: str
    served: str
    copied: str
    end: str
    same: bool | None
    similarity: float | None
    ttft_s: float | None
    copied_ttft_s: float | None
    e2e_s: float
    copied_e2e_s: float
    cost: float | None
    copied_cost: float | None
    currency: str | None
    tokens: int | None
    copied_tokens: int | None
    key: str | None = None
    needs: str | None = None
    model: str | None = None
    copied_model: str | None = None


_COLUMNS = ", ".join(f'"{name}"' for name in Compared.__struct_fields__)
_TABLE = f"CREATE TABLE IF NOT EXISTS comparisons ({_COLUMNS}, PRIMARY KEY (id)) WITHOUT ROWID"
_INDEX = "CREATE INDEX IF NOT EXISTS comparisons_at ON comparisons (at)"
_MARKS = ",".join("?" * len(Compared.__struct_fields__))
_ADD = f"INSERT OR REPLACE INTO comparisons ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608
_FORGET = (
    "DELETE FROM comparisons WHERE id IN "
    "(SELECT id FROM comparisons ORDER BY at DESC LIMIT -1 OFFSET ?)"
)
_LIST = f"SELECT {_COLUMNS} FROM comparisons WHERE at >= ? ORDER BY at, id"  # noqa: S608
_SHORT = (
    f"SELECT {_COLUMNS} FROM comparisons WHERE \"end\" = 'complete' AND similarity IS NOT NULL "  # noqa: S608
    "AND tokens <= ? AND needs IS NOT NULL AND model <> copied_model ORDER BY at DESC, id LIMIT ?"
)
_LOST = "what was compared is then forgotten"
_database = partial(shared, tables=(_TABLE, _INDEX), lost=_LOST)


def add(data: Path, row: Compared) -> None:
    """Keeps a row. Raises StoreError."""
    with _opened(data) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute(_ADD, msgspec.structs.astuple(row))
        db.execute(_FORGET, (MOST,))
        db.execute("COMMIT")


def comparisons(data: Path, since: float = 0.0) -> list[Compared]:
    """Those since then (wall time), the oldest first. Raises StoreError."""
    return _read(data, _LIST, since)


def short(data: Path, tokens: int, limit: int) -> list[Compared]:
    """The newest with two texts of two models, where no more than so many tokens were served.

    Only those of which is known what was needed. Raises StoreError.
    """
    return _read(data, _SHORT, tokens, limit)


def likeness(one: Compared) -> Likeness:
    """What one of the `short` ones says of the model that answered the copy."""
    return Likeness(
        model=str(one.copied_model),
        other=str(one.model),
        kind=kind_of(one.route, one.task),
        needs=CapabilityClass(str(one.needs)),
        similarity=one.similarity or 0.0,
        at=one.at,
        by=one.key or "",
    )


def _read(data: Path, query: str, *given: float) -> list[Compared]:
    if not (data / FILE).exists():
        return []
    with _opened(data) as db:
        names = Compared.__struct_fields__
        rows = (dict(zip(names, row, strict=True)) for row in db.execute(query, given))
        return [msgspec.convert(row, Compared, strict=False) for row in rows]


@contextmanager
def _opened(data: Path) -> Iterator[sqlite3.Connection]:
    """With the columns that a file of an earlier version lacks."""
    with _database(data / FILE) as db:
        if len(_there(db)) < len(Compared.__struct_fields__):
            db.execute("BEGIN IMMEDIATE")
            there = _there(db)
            for name in Compared.__struct_fields__:
                if name not in there:
                    db.execute(f'ALTER TABLE comparisons ADD COLUMN "{name}"')
            db.execute("COMMIT")
        yield db


def _there(db: sqlite3.Connection) -> set[str]:
    return {row[1] for row in db.execute("PRAGMA table_info(comparisons)")}
