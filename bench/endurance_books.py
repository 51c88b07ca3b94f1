"""Compares what was sent, what arrived upstream, what was recorded and what was indexed."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct


class Told(Struct, frozen=True):
    """A request as its caller saw it end (see `bench.endurance_load`)."""

    number: int
    kind: str
    how: str
    status: int
    id: str
    receipt: str


class Decided(Struct, frozen=True):
    """A decision's line: the request's number (None: a caller without one), and where it stands."""

    id: str
    number: int | None
    receipt: str
    policy: str
    fleet: str


class Ended(Struct, frozen=True):
    """An outcome's line: by attempt, whether it reached the upstream."""

    id: str
    status: int
    ends: tuple[str, ...]


class Books(Struct, frozen=True):
    """Everything that is known of a run."""

    arrived: Counter[int]
    told: list[Told]
    decided: list[Decided]
    ended: list[Ended]
    ledger: set[str]
    indexed: set[str]


class Findings(Struct, frozen=True):
    """What does not agree; each is a count, and all but `open` must be 0.

    `open` are decisions without an outcome: what a killed process had in hand.
    """

    arrived_undecided: int
    decided_twice: int
    ended_twice: int
    ended_undecided: int
    answered_unrecorded: int
    arrived_more_than_attempted: int
    not_in_ledger: int
    only_in_ledger: int
    not_in_index: int
    only_in_index: int
    open: int

    @property
    def wrong(self) -> dict[str, int]:
        return {k: v for k, v in msgspec.structs.asdict(self).items() if v and k != "open"}


def compare(books: Books) -> Findings:
    """Every request by its number upstream and at the caller, by its id in the stores."""
    decided = Counter(d.id for d in books.decided)
    numbers = Counter(d.number for d in books.decided if d.number is not None)
    ended = Counter(e.id for e in books.ended)
    by_number = {d.number: d for d in books.decided if d.number is not None}
    receipts = {(d.number, d.id, d.receipt) for d in books.decided}
    attempts = {e.id: sum(end != "unreachable" for end in e.ends) for e in books.ended}
    return Findings(
        arrived_undecided=sum(n not in numbers for n in books.arrived),
        decided_twice=_twice(decided) + _twice(numbers),
        ended_twice=_twice(ended),
        ended_undecided=sum(id_ not in decided for id_ in ended),
        answered_unrecorded=sum(
            (t.number, t.id, t.receipt) not in receipts for t in books.told if t.receipt != "-"
        )
        + sum(t.status == 200 and t.receipt == "-" for t in books.told),
        arrived_more_than_attempted=sum(
            count > attempts.get(by_number[number].id, count)
            for number, count in books.arrived.items()
            if number in by_number
        ),
        not_in_ledger=len(ended.keys() - books.ledger),
        only_in_ledger=len(books.ledger - ended.keys()),
        not_in_index=len(decided.keys() - books.indexed),
        only_in_index=len(books.indexed - decided.keys()),
        open=len(decided.keys() - ended.keys()),
    )


def _twice(counts: Counter[Any]) -> int:
    return sum(count > 1 for count in counts.values())


def read_books(arrived: Path, told: Iterable[Path], data: Path) -> Books:
    """From the upstream's log, the callers' logs, and a data directory at rest."""
    decided, ended = read_receipts(data / "receipts")
    ledger, indexed = read_index(data / "index.db")
    return Books(
        Counter(int(line) for line in arrived.read_bytes().splitlines()),
        [read_told(line) for path in told for line in path.read_text().splitlines()],
        *(decided, ended, ledger, indexed),
    )


def read_told(line: str) -> Told:
    number, kind, how, status, request_id, receipt = line.split(" ")
    return Told(int(number), kind, how, int(status), request_id, receipt)


def read_receipts(receipts: Path) -> tuple[list[Decided], list[Ended]]:
    """Every whole line of every chain; a torn one at an end was never written."""
    decided: list[Decided] = []
    ended: list[Ended] = []
    for path in sorted(receipts.glob("[!.]*/*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    continue
                if b'"type":"decision"' in line[:40]:
                    decided.append(_decided(_decode_decision(line)))
                elif b'"type":"outcome"' in line[:40]:
                    outcome = _decode_outcome(line)
                    ends = tuple(attempt.end for attempt in outcome.attempts)
                    ended.append(Ended(outcome.id, outcome.status, ends))
    return decided, ended


def _decided(line: _Decision) -> Decided:
    return Decided(
        line.id,
        number_of(line.request.trace),
        f"{line.chain}:{line.seq}",
        line.policy.policy,
        line.fleet.digest,
    )


def number_of(trace: str | None) -> int | None:
    """The number in a `traceparent` of `bench.endurance_load`."""
    return None if trace is None else int(trace.split("-")[1][16:], 16)


def read_index(path: Path) -> tuple[set[str], set[str]]:
    """The ids in the ledger, and those of all decisions."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        ledger = {row[0] for row in db.execute("SELECT id FROM ledger")}
        return ledger, {row[0] for row in db.execute("SELECT id FROM decisions")}


class _Request(Struct):
    trace: str | None = None


class _Policy(Struct):
    policy: str


class _Fleet(Struct):
    digest: str


class _Decision(Struct):
    id: str
    chain: str
    seq: int
    request: _Request
    policy: _Policy
    fleet: _Fleet


class _Attempt(Struct):
    end: str


class _Outcome(Struct):
    id: str
    status: int
    attempts: list[_Attempt]


_decode_decision = msgspec.json.Decoder(_Decision).decode
_decode_outcome = msgspec.json.Decoder(_Outcome).decode
