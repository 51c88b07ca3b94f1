"""Answers that a cascade judged, in `DATA/index.db`: what it saw, for what is believed of models.

A row is numbers and names from a receipt. Of each model, kind of request and class needed only the
newest are kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from situs.core.capability import CapabilityClass
from situs.core.rating import Origin, Rating, kind_of
from situs.core.record import UNLOGGED, End
from situs.stores.database import INDEX_FILE, reading, told
from situs.stores.facts import Joined
from situs.stores.schema import JUDGED_SINCE, version_of

MOST_ALIKE = 200
"""Rows that are kept of a model at a kind of request and a class needed."""

_WHOLE = (End.COMPLETE, End.UNSURE)
_ADD = "INSERT OR REPLACE INTO judged VALUES (?,?,?,?,?,?,?)"
_ALIKE = "model = ? AND kind = ? AND needs = ?"
_FORGET = (
    f"DELETE FROM judged WHERE {_ALIKE} AND at < "  # noqa: S608
    f"(SELECT at FROM judged WHERE {_ALIKE} ORDER BY at DESC LIMIT 1 OFFSET ?)"
)
_LIST = "SELECT id, model, at, key, kind, needs, confidence FROM judged ORDER BY at, id"


class Judged(Struct, frozen=True):
    """How probable it was that the model's answer to the request is right; `key` asked."""

    id: str
    model: str
    at: float
    key: str
    kind: str
    needs: str
    confidence: float


def keep(db: sqlite3.Connection, joined: Iterable[Joined]) -> None:
    """In the transaction of the index. A request that is read again counts once."""
    alike = set()
    for row in _rows(joined):
        db.execute(_ADD, (row.id, row.model, row.at, row.key, row.kind, row.needs, row.confidence))
        alike.add((row.model, row.kind, row.needs))
    for one in alike:
        db.execute(_FORGET, (*one, *one, MOST_ALIKE - 1))


def judged(data: Path) -> list[Judged]:
    """All that is kept, the oldest first; nothing of an index that nobody brought up yet.

    Raises StoreError.
    """
    path = data / INDEX_FILE
    if not path.exists():
        return []
    with told(path), reading(path) as db:
        rows = db.execute(_LIST) if version_of(db) >= JUDGED_SINCE else ()
        return [Judged(*row) for row in rows]


def rating(one: Judged) -> Rating:
    """What it says of the model: right as often as it is probable."""
    facts = (one.model, one.kind, CapabilityClass(one.needs), one.confidence, one.at, one.key)
    return Rating(*facts, Origin.CASCADE)


def _rows(joined: Iterable[Joined]) -> Iterator[Judged]:
    """Not of copies, which are compared; nor where a request is not to be logged."""
    for one in joined:
        begun, outcome = one.begun, one.over.outcome
        if outcome.copy_of is not None or begun.tenant == UNLOGGED or not begun.needs:
            continue
        kind = kind_of(begun.route, begun.task)
        for tried in outcome.attempts:
            if tried.confidence is not None and tried.end in _WHOLE:
                facts = (begun.key, kind, begun.needs, tried.confidence)
                yield Judged(begun.id, tried.model, outcome.at, *facts)
