"""Past decisions: found by the index where it is current, else in the segments."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct

from situs.core.record import NO_LOG, UNLOGGED
from situs.errors import StoreError
from situs.stores.database import INDEX_FILE, reading, told
from situs.stores.follow import Follower, Join
from situs.stores.layout import (
    chains,
    lines_backwards,
    parse,
    receipts_dir,
    segment_path,
    segments,
)
from situs.stores.upkeep import reaches

_MARK = b'"type":"%s",'


class Entry(Struct, frozen=True):
    """A decision with its outcome (None: not over, or never written) and the fleet it cites.

    The three are the lines as written, parsed. `ref` is `chain:sequence`.
    """

    ref: str
    file: str
    decision: dict[str, Any]
    outcome: dict[str, Any] | None
    fleet: dict[str, Any] | None

    @property
    def id(self) -> str:
        return str(self.decision.get("id"))

    def deployment(self, name: str) -> dict[str, Any]:
        """The static facts of a deployment as they were; empty when they are not known."""
        listed = (self.fleet or {}).get("deployments", [])
        return next((d for d in listed if d.get("name") == name), {})


class Filters(Struct, frozen=True):
    """Which decisions are wanted; None: any. `status` is a status or a class of them (`4xx`).

    `deployment` is the last one tried. `since` is in seconds since the epoch.
    """

    deployment: str | None = None
    label: str | None = None
    status: str | None = None
    tenant: str | None = None
    since: float | None = None


ANY = Filters()


class Recent(Struct, frozen=True):
    """A decision as the index has it; what is None is not known yet, or was never there."""

    id: str
    at: float
    chain: str
    seq: int
    wire: str
    asked: str
    tenant: str
    key: str
    label: str
    task: str
    route: str | None
    objective: str
    deployment: str | None
    locus: str | None
    jurisdiction: str | None
    end: str | None
    status: int | None
    code: str | None
    over_at: float | None


def recent(index: Path, filters: Filters = ANY, limit: int = 100) -> list[Recent]:
    """The newest decisions that the filters let through, newest first. Raises StoreError."""
    columns = ",".join(f'"{name}"' for name in Recent.__struct_fields__)
    with told(index), reading(index) as db:
        return [Recent(*row) for row in _rows(db, columns, filters, limit)]


def tail(data_dir: Path, count: int, filters: Filters = ANY) -> list[Entry]:
    """The newest decisions that the filters let through, oldest of them first."""
    with suppress(StoreError):
        if _is_current(data_dir):
            with told(data_dir / INDEX_FILE), reading(data_dir / INDEX_FILE) as db:
                rows = _rows(db, _PLACES, filters, count)
            entries = [entry for row in rows if (entry := _at_place(data_dir, row))]
            if len(entries) == len(rows):
                return entries[::-1]
    return list(islice(_newest(data_dir, filters), count))[::-1]


def find(data_dir: Path, wanted: str) -> Entry | None:
    """A decision by its id or by its receipt's `chain:sequence`."""
    decision_id = wanted
    if ":" in wanted:
        line = read_line(data_dir, wanted)
        if line is None or "id" not in line:
            return None
        decision_id = str(line["id"])
    with suppress(StoreError), told(data_dir / INDEX_FILE), reading(data_dir / INDEX_FILE) as db:
        query = f"SELECT {_PLACES} FROM decisions WHERE id = ?"  # noqa: S608 - our own words
        row = db.execute(query, (decision_id,)).fetchone()
        if row is not None and row[4] is not None and (entry := _at_place(data_dir, row)):
            return entry
    return _find_in_segments(data_dir, decision_id)


def read_line(data_dir: Path, ref: str) -> dict[str, Any] | None:
    """Any receipt line by `chain:sequence`."""
    chain, _, sequence = ref.partition(":")
    folder = receipts_dir(data_dir) / Path(chain).name
    if not sequence.isdecimal() or not folder.is_dir():
        return None
    candidates = [path for path in segments(folder) if int(path.stem) <= int(sequence)]
    needle = b'"seq":' + sequence.encode() + b","
    for raw in lines_backwards(candidates[-1]) if candidates else ():
        if needle in raw and (line := parse(raw)) and line.get("seq") == int(sequence):
            return line
    return None


def follow(data_dir: Path, poll_s: float = 0.2, filters: Filters = ANY) -> Iterator[Entry]:
    """Decisions that end after this call, each as its outcome is written; never stops by itself."""
    return _ended_since(data_dir, Follower.at_end(receipts_dir(data_dir)), poll_s, filters)


def _ended_since(
    data_dir: Path, follower: Follower, poll_s: float, filters: Filters
) -> Iterator[Entry]:
    join = Join()
    while True:
        while (batch := follower.read()) is not None:
            places = {
                one.begun.id: (
                    *(one.begun.id, one.begun.chain, one.begun.first, one.begun.offset),
                    *(one.over.chain, one.over.first, one.over.offset),
                )
                for one in join(batch, lambda _: {})
            }
            for over in batch.over:
                place = places.get(over.outcome.id)
                entry = (place and _at_place(data_dir, place)) or find(data_dir, over.outcome.id)
                if entry is not None and _lets_through(filters, entry):
                    yield entry
        time.sleep(poll_s)


# By the index.

_PLACES = 'id, chain, first, "offset", over_chain, over_first, over_offset'
_CATCH_UP_S = 1.5


def _is_current(data_dir: Path) -> bool:
    """Whether the index has all that is written by now; a gateway that runs is given its time."""
    ends = Follower.at_end(receipts_dir(data_dir)).positions
    give_up_at = time.monotonic() + _CATCH_UP_S
    while not reaches(data_dir, ends):
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(0.1)
    return True


def _rows(
    db: sqlite3.Connection, columns: str, filters: Filters, limit: int
) -> list[tuple[Any, ...]]:
    tests, values = ["1"], list[Any]()
    for column in ("deployment", "label", "tenant"):
        if (value := getattr(filters, column)) is not None:
            tests.append(f"{column} = ?")
            values.append(value)
    if filters.status is not None:
        tests.append("CAST(status AS TEXT) LIKE ?")
        values.append(filters.status.replace("x", "_"))
    if filters.since is not None:
        tests.append("at >= ?")
        values.append(filters.since)
    query = (
        f"SELECT {columns} FROM decisions WHERE {' AND '.join(tests)} "  # noqa: S608 - our own words
        "ORDER BY at DESC, chain DESC, seq DESC LIMIT ?"
    )
    return db.execute(query, (*values, limit)).fetchall()


def _at_place(data_dir: Path, place: Sequence[Any]) -> Entry | None:
    """The entry whose lines stand there; None when they do not, or say something else."""
    decision_id, chain, first, offset, over_chain, over_first, over_offset = place
    folder = receipts_dir(data_dir)
    path = segment_path(folder / chain, first)
    decision = _line_at(path, offset)
    if decision is None or decision.get("id") != decision_id:
        return None
    outcome = None
    if over_chain is not None:
        outcome = _line_at(segment_path(folder / over_chain, over_first), over_offset)
        if outcome is None or outcome.get("id") != decision_id:
            return None
    return _entry(path, decision, outcome)


def _line_at(path: Path, offset: int) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return parse(file.readline())
    except OSError:
        return None


# By the segments.


def _newest(data_dir: Path, filters: Filters) -> Iterator[Entry]:
    outcomes: dict[str, dict[str, Any]] = {}
    for path in _newest_first(data_dir):
        for line in lines_backwards(path):
            if _is(line, b"outcome"):
                outcome = parse(line) or {}
                outcomes[str(outcome.get("id"))] = outcome
            elif _is(line, b"decision") and (decision := parse(line)):
                entry = _entry(path, decision, outcomes.pop(str(decision.get("id")), None))
                if _lets_through(filters, entry):
                    yield entry


def _find_in_segments(data_dir: Path, decision_id: str) -> Entry | None:
    needle = b'"id":"' + decision_id.encode() + b'"'
    outcome = None
    for path in _newest_first(data_dir):
        for raw in lines_backwards(path):
            if needle not in raw:
                continue
            line = parse(raw) or {}
            if line.get("id") != decision_id:
                continue
            if line.get("type") == "outcome":
                outcome = line
            elif line.get("type") == "decision":
                return _entry(path, line, outcome)
    return None


def _lets_through(filters: Filters, entry: Entry) -> bool:
    outcome = entry.outcome or {}
    attempts = outcome.get("attempts") or []
    status, wanted = str(outcome.get("status", "")), filters.status
    alike = wanted is None or (
        len(status) == len(wanted)
        and all(w in ("x", s) for s, w in zip(status, wanted, strict=True))
    )
    last = attempts[-1]["deployment"] if attempts else None
    return (
        alike
        and filters.deployment in (None, last)
        and filters.label in (None, entry.decision["analysis"]["label"])
        and filters.tenant in (None, _tenant(entry.decision))
        and (filters.since is None or entry.decision["at"] >= filters.since)
    )


def _tenant(decision: dict[str, Any]) -> str:
    """As the index has it."""
    owed = (decision.get("policy") or {}).get("obligations") or ()
    hidden = any(one.get("kind") == NO_LOG for one in owed)
    return UNLOGGED if hidden else str(decision["request"]["tenant"])


def _newest_first(data_dir: Path) -> list[Path]:
    folders = reversed(chains(receipts_dir(data_dir)))
    return [path for folder in folders for path in reversed(segments(folder))]


def _is(line: bytes, kind: bytes) -> bool:
    return _MARK % kind in line[:40]


def _entry(path: Path, decision: dict[str, Any], outcome: dict[str, Any] | None) -> Entry:
    digest = (decision.get("fleet") or {}).get("digest")
    return Entry(
        ref=f"{decision.get('chain')}:{decision.get('seq')}",
        file=f"{path.parent.name}/{path.name}",
        decision=decision,
        outcome=outcome,
        fleet=_fleet(path, str(digest)),
    )


def _fleet(path: Path, digest: str) -> dict[str, Any] | None:
    """The segment's fleet line with that digest; it stands before what cites it."""
    with path.open("rb") as file:
        for raw in file:
            if _is(raw, b"fleet") and (line := parse(raw)) and line.get("digest") == digest:
                return line
    return None
