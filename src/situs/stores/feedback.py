"""What answers were worth: `DATA/feedback.db`, shared by workers and the command line.

A row is a score with facts from the receipt of the request: model, kind, class needed. Never any
content. Who says it again about the same request says it anew. Only the newest are kept.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis
from situs.core.rating import Origin, Rating
from situs.core.record import End
from situs.errors import InvalidRequest
from situs.placement.quality import kind_of
from situs.stores.database import INDEX_FILE, reading, shared, told
from situs.stores.decisions import find, read_line

FILE = "feedback.db"
MOST = 100_000
MOST_OF_ONE = 10_000
"""Ratings that are kept of all, and of one key."""

_TABLE = """CREATE TABLE IF NOT EXISTS feedback (
    id TEXT NOT NULL, "by" TEXT NOT NULL, at REAL NOT NULL, tenant TEXT NOT NULL,
    model TEXT NOT NULL, kind TEXT NOT NULL, needs TEXT NOT NULL, score REAL NOT NULL,
    source TEXT, trusted INTEGER NOT NULL, PRIMARY KEY (id, "by")
) WITHOUT ROWID"""
_INDEX = 'CREATE INDEX IF NOT EXISTS feedback_at ON feedback ("by", at)'
_SAY = f"INSERT OR REPLACE INTO feedback VALUES ({','.join('?' * 10)})"  # noqa: S608
_INSTEAD = 'DELETE FROM feedback WHERE "by" = ? AND model = ?'
_COLUMNS = 'id, "by", at, tenant, model, kind, needs, score, source, trusted'
_LIST = f"SELECT {_COLUMNS} FROM feedback ORDER BY at DESC, id LIMIT ?"  # noqa: S608
_FORGET = (
    'DELETE FROM feedback WHERE (id, "by") IN (SELECT id, "by" FROM feedback {which} '
    "ORDER BY at DESC LIMIT -1 OFFSET ?)"
)
_OF_ONE = _FORGET.format(which='WHERE "by" = ?')
_OF_ALL = _FORGET.format(which="")
_STATE = "SELECT count(*), max(at), total(score) FROM feedback"
_LOST = "what was said of answers is then forgotten"
_database = partial(shared, tables=(_TABLE, _INDEX), lost=_LOST, durable=True)
_NOWHERE = "No answer of yours with this id is on record."

Source = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z-]{0,19}\Z")]
"""A kind of judge, such as `thumbs` or `code-review`: no digits, so that no number is kept."""


class Word(Struct, frozen=True):
    """What somebody says of an answer. `id` is the request's, or `chain:sequence` of its receipt.

    `by` is the key (or, on the command line, a name); `tenant` whose requests it may rate, None:
    all. A trusted word counts in full (see `learning.beliefs`). One that stands alone takes the
    place of what `by` said of other answers of the model.
    """

    id: str
    score: float
    by: str
    tenant: str | None = None
    trusted: bool = False
    source: str | None = None
    alone: bool = False


class Kept(Struct, frozen=True):
    """A word with what the receipt says of the request."""

    id: str
    by: str
    at: float
    tenant: str
    model: str
    kind: str
    needs: str
    score: float
    source: str | None
    trusted: bool


def say(data: Path, word: Word, now: float) -> Kept:
    """Keeps a word; durable on return. `now` is wall time.

    Raises InvalidRequest for what is no score from 0 to 1, where no answer with this id is on
    record, and where it is another tenant's; StoreError.
    """
    if not 0.0 <= word.score <= 1.0:  # NaN is not, either
        raise InvalidRequest("A score is a number from 0 to 1.", do="Send another score.")
    kept = _kept(data, word, now)
    with _database(data / FILE) as db:
        db.execute("BEGIN IMMEDIATE")
        if word.alone:
            db.execute(_INSTEAD, (kept.by, kept.model))
        db.execute(_SAY, msgspec.structs.astuple(kept))
        db.execute(_OF_ONE, (kept.by, MOST_OF_ONE))
        db.execute(_OF_ALL, (MOST,))
        db.execute("COMMIT")
    return kept


def words(data: Path, limit: int = MOST) -> list[Kept]:
    """The newest first. Raises StoreError."""
    if not (data / FILE).exists():
        return []
    with _database(data / FILE) as db:
        return [Kept(*(*row[:9], bool(row[9]))) for row in db.execute(_LIST, (limit,))]


def rating(word: Kept) -> Rating:
    """What it says of the model."""
    by = "" if word.trusted else word.by
    needs = CapabilityClass(word.needs)
    origin = Origin.BENCH if word.source == "bench" else Origin.PERSON
    return Rating(word.model, word.kind, needs, word.score, word.at, by, origin)


def state(data: Path) -> tuple[Any, ...] | None:
    """Differs once something was said; None where nothing ever was. Raises StoreError."""
    if not (data / FILE).exists():
        return None
    with _database(data / FILE) as db:
        found: tuple[Any, ...] = db.execute(_STATE).fetchone()
        return found


def _kept(data: Path, word: Word, now: float) -> Kept:
    """Whose answer it was is asked of the index first: it is quick also for ids of nobody."""
    id_ = _id(data, word.id)
    owner = None if id_ is None else _owner(data, id_)
    if owner is None or word.tenant not in (None, owner):
        raise InvalidRequest(_NOWHERE, do="Send the x-situs-request-id of an answer, a second on.")
    entry = find(data, id_ or "")
    attempts = ((entry and entry.outcome) or {}).get("attempts") or [{}]
    if entry is None or attempts[-1].get("end") != End.COMPLETE:
        raise InvalidRequest("This request got no whole answer.", do="Rate answers alone.")
    analysis = msgspec.convert(entry.decision["analysis"], Analysis)
    needs, kind = analysis.needs.value, kind_of(analysis)
    model = str(attempts[-1]["model"])
    facts = (model, kind, needs, word.score, word.source, word.trusted)
    return Kept(entry.id, word.by, now, owner, *facts)


def _id(data: Path, said: str) -> str | None:
    if ":" not in said:
        return said
    line = read_line(data, said)
    return None if line is None or "id" not in line else str(line["id"])


def _owner(data: Path, id_: str) -> str | None:
    """The tenant whose request it was; None where the index does not know it."""
    path = data / INDEX_FILE
    if not path.exists():
        return None
    with told(path), reading(path) as db:
        row = db.execute("SELECT tenant FROM decisions WHERE id = ?", (id_,)).fetchone()
        return None if row is None else str(row[0])
