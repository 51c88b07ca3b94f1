"""What waits for a person: a queue in the data directory, shared by workers and operators.

It holds what a decision knows about a request, never content. Whoever waits asks every quarter of a
second; whoever decides writes one row. Who stops asking, because its process died, waits no longer.
Nothing here outlives its time by more than a day.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct, json

from situs.core.decision import Decision
from situs.core.record import Approval
from situs.core.request import Request
from situs.errors import CannotRecord, InvalidRequest, NoCapacity, StoreError
from situs.stores.database import shared

FILE = "approvals.db"
MOST_WAITING = 1000
_ASK_EVERY_S = 0.25
_SEEN_EVERY_S = 2.0
_GONE_AFTER_S = 10.0
_KEEP_S = 86400.0
_WAITING, _APPROVED, _DENIED, _EXPIRED = "waiting", "approved", "denied", "expired"
_TABLE = """CREATE TABLE IF NOT EXISTS approvals (
    id TEXT PRIMARY KEY, at REAL NOT NULL, until REAL NOT NULL, seen REAL NOT NULL,
    state TEXT NOT NULL, decided_at REAL, decided_by TEXT, facts BLOB NOT NULL
) WITHOUT ROWID"""
_GONE = "DELETE FROM approvals WHERE until < ?"
_HERE = "state = 'waiting' AND until >= ? AND seen >= ?"
_COUNT = f"SELECT count(*) FROM approvals WHERE {_HERE}"  # noqa: S608 - our own words
_ADD = "INSERT INTO approvals (id, at, until, seen, state, facts) VALUES (?, ?, ?, ?, 'waiting', ?)"
_SEEN = "UPDATE approvals SET seen = ? WHERE id = ?"
_STATE = "SELECT state, decided_at, decided_by FROM approvals WHERE id = ?"
_LEFT = "UPDATE approvals SET until = min(until, ?) WHERE id = ? AND state = 'waiting'"
_ALL_LEFT = "UPDATE approvals SET until = min(until, ?) WHERE state = 'waiting'"
_LIST = (
    "SELECT id, at, until, seen, state, decided_at, decided_by, facts FROM approvals ORDER BY at"
)
_DECIDE = f"UPDATE approvals SET state = ?, decided_at = ?, decided_by = ? WHERE id = ? AND {_HERE}"  # noqa: S608
_LOST = "what waits now is then refused, nothing else"
_database = partial(shared, tables=(_TABLE,), lost=_LOST)


class Held(Struct, frozen=True):
    """One request that waits or waited, until `until` (wall time). `facts` has no content.

    `state` is `waiting`, `approved`, `denied`, or `expired`: nobody waits for it any more.
    """

    id: str
    at: float
    until: float
    state: str
    decided_at: float | None
    decided_by: str | None
    facts: dict[str, Any]


class ApprovalQueue:
    """The port `Approvals`, over a file. `clock` is wall time."""

    def __init__(self, data: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = data / FILE
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "situs-approvals")

    async def word(self, request: Request, decision: Decision, timeout_s: float) -> Approval | None:
        """Waits for a person's word; None where nobody says one in time.

        Raises CannotRecord when nobody can be asked, NoCapacity when too many wait already.
        """
        seen = self._clock()
        until = seen + timeout_s
        word: Approval | None
        try:
            await self._do(self._add, request, decision, until)
            while (now := self._clock()) < until:
                if now - seen >= _SEEN_EVERY_S:
                    seen = now
                    await self._do(self._still_here, request.id)
                state, word = await self._do(self._said, request.id)
                if state != _WAITING:
                    return word
                await asyncio.sleep(_ASK_EVERY_S)
            _, word = await self._do(self._said, request.id)
            return word
        finally:
            with suppress(RuntimeError):  # it is closed
                self._thread.submit(self._leave, request.id)

    def close(self) -> None:
        self._thread.shutdown()

    async def _do(self, run: Callable[..., Any], *given: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, run, *given)
        except StoreError as error:
            raise CannotRecord("Nobody can be asked to approve it.") from error

    def _add(self, request: Request, decision: Decision, until: float) -> None:
        now = self._clock()
        with _database(self._path) as db:
            db.execute(_GONE, (now - _KEEP_S,))
            if db.execute(_COUNT, (now, now - _GONE_AFTER_S)).fetchone()[0] >= MOST_WAITING:
                full = NoCapacity("Too many requests wait for a person already.")
                full.retry_after_s = 30
                raise full
            facts = json.encode(_facts(request, decision))
            db.execute(_ADD, (request.id, now, until, now, facts))

    def _still_here(self, id_: str) -> None:
        with _database(self._path) as db:
            db.execute(_SEEN, (self._clock(), id_))

    def _said(self, id_: str) -> tuple[str, Approval | None]:
        """Its state, and the word on it; of one that somebody removed, that nobody says it."""
        with _database(self._path) as db:
            return _said(db, id_)

    def _leave(self, id_: str) -> None:
        """Nobody waits for it any more."""
        with _database(self._path) as db:
            db.execute(_LEFT, (self._clock(), id_))


def waiting(data: Path, now: float, *, everything: bool = False) -> list[Held]:
    """What waits now, the longest first; with `everything` also what is over since a day.

    Raises StoreError.
    """
    path = data / FILE
    if not data.is_dir():
        raise StoreError(f"There is no data directory {data}.", do="Correct --data.")
    if not path.exists():
        return []
    with _database(path) as db:
        rows = [_held(row, now) for row in db.execute(_LIST)]
    return [one for one in rows if everything or one.state == _WAITING]


def nobody_waits(data: Path, now: float) -> None:
    """What waited at a gateway that is gone does so no longer. Raises StoreError."""
    path = data / FILE
    if path.exists():
        with _database(path) as db:
            db.execute(_ALL_LEFT, (now,))


def count_waiting(data: Path, now: float) -> int:
    """How many wait now. Raises StoreError."""
    path = data / FILE
    if not path.exists():
        return 0
    with _database(path) as db:
        return int(db.execute(_COUNT, (now, now - _GONE_AFTER_S)).fetchone()[0])


def _held(row: tuple[Any, ...], now: float) -> Held:
    id_, at, until, seen, state, decided_at, decided_by, facts = row
    if state == _WAITING and (until < now or seen < now - _GONE_AFTER_S):
        state = _EXPIRED
    return Held(id_, at, until, state, decided_at, decided_by, json.decode(facts))


def decide(data: Path, id_: str, *, yes: bool, by: str, now: float) -> None:
    """A person's word: the first one counts.

    Raises StoreError, and InvalidRequest where nothing of this id waits: it says who decided
    before, and when.
    """
    path, state, word = data / FILE, "", None
    if path.exists():
        with _database(path) as db:
            done = _APPROVED if yes else _DENIED
            if db.execute(_DECIDE, (done, now, by, id_, now, now - _GONE_AFTER_S)).rowcount:
                return
            state, word = _said(db, id_)
    if word is not None:
        at = datetime.fromtimestamp(word.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        what = f"{id_} was {state} by {word.by} at {at}; that word counts."
    elif state == _WAITING:
        what = f"Nobody waits for {id_} any more: its time was over, or its caller left."
    else:
        what = "Nothing with this id waits for approval."
    raise InvalidRequest(what, do="See `situs approvals list --all`.")


def _said(db: sqlite3.Connection, id_: str) -> tuple[str, Approval | None]:
    """The state of one that waits or waited ("": there is none), and the word on it."""
    row = db.execute(_STATE, (id_,)).fetchone()
    if row is None:
        return "", None
    state, at, by = row
    decided = state in (_APPROVED, _DENIED)
    return state, Approval(state == _APPROVED, by, at) if decided else None


def _facts(request: Request, decision: Decision) -> dict[str, Any]:
    """What a person is told: who asks, how sensitive it is and why, where it would go.

    Those are all the places that a yes opens, the best first: it may fail over to the others.
    """
    analysis, ranked = decision.analysis, decision.placement.ranked
    counts: dict[str, int] = {}
    for one in analysis.findings:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    return {
        "tenant": request.principal.tenant,
        "key": request.principal.key,
        "wire": request.wire.value,
        "label": analysis.label.value,
        "findings": counts,
        "task": analysis.task,
        "prompt_tokens": analysis.prompt_tokens,
        "deployments": [one.deployment for one in ranked],
        "cost": ranked[0].cost,
        "policy": decision.policy.policy,
    }
