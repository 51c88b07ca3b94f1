"""How copies compare with what was served: `DATA/comparisons.db`, shared by the workers.

A row is numbers and names from two receipts, never any content. Only the newest are kept.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from situs.stores.database import shared

FILE = "comparisons.db"
MOST = 100_000


class Compared(Struct, frozen=True):
    """A copy (`id`) and what it is a copy `of`. Seconds, money, tokens of the answer.

    Who asked and for what is left out where it is not to be logged. `end` is how the copy ended;
    `same` and `similarity` are None where there were no two texts (`dispatch.shadow.agreement`).
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


_COLUMNS = ", ".join(f'"{name}"' for name in Compared.__struct_fields__)
_TABLE = f"CREATE TABLE IF NOT EXISTS comparisons ({_COLUMNS}, PRIMARY KEY (id)) WITHOUT ROWID"
_INDEX = "CREATE INDEX IF NOT EXISTS comparisons_at ON comparisons (at)"
_MARKS = ",".join("?" * len(Compared.__struct_fields__))
_ADD = f"INSERT OR REPLACE INTO comparisons VALUES ({_MARKS})"  # noqa: S608
_FORGET = (
    "DELETE FROM comparisons WHERE id IN "
    "(SELECT id FROM comparisons ORDER BY at DESC LIMIT -1 OFFSET ?)"
)
_LIST = f"SELECT {_COLUMNS} FROM comparisons WHERE at >= ? ORDER BY at, id"  # noqa: S608
_LOST = "what was compared is then forgotten"
_database = partial(shared, tables=(_TABLE, _INDEX), lost=_LOST)


def add(data: Path, row: Compared) -> None:
    """Keeps a row. Raises StoreError."""
    with _database(data / FILE) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute(_ADD, msgspec.structs.astuple(row))
        db.execute(_FORGET, (MOST,))
        db.execute("COMMIT")


def comparisons(data: Path, since: float = 0.0) -> list[Compared]:
    """Those since then (wall time), the oldest first. Raises StoreError."""
    if not (data / FILE).exists():
        return []
    with _database(data / FILE) as db:
        names = Compared.__struct_fields__
        rows = (dict(zip(names, row, strict=True)) for row in db.execute(_LIST, (since,)))
        return [msgspec.convert(row, Compared, strict=False) for row in rows]
