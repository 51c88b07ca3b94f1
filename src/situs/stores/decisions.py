"""Past decisions, read back from the segments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from situs.stores.layout import chains, lines_backwards, parse, receipts_dir, segments

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


def tail(data_dir: Path, count: int) -> list[Entry]:
    """The newest decisions, oldest of them first."""
    entries: list[Entry] = []
    outcomes: dict[str, dict[str, Any]] = {}
    for path in _newest_first(data_dir):
        if len(entries) >= count:
            break
        for line in lines_backwards(path):
            if _is(line, b"outcome"):
                outcome = parse(line) or {}
                outcomes[str(outcome.get("id"))] = outcome
            elif _is(line, b"decision") and (decision := parse(line)):
                entries.append(_entry(path, decision, outcomes.pop(str(decision.get("id")), None)))
                if len(entries) >= count:
                    break
    return entries[::-1]


def find(data_dir: Path, wanted: str) -> Entry | None:
    """A decision by its id or by its receipt's `chain:sequence`."""
    decision_id = wanted
    if ":" in wanted:
        line = read_line(data_dir, wanted)
        if line is None or "id" not in line:
            return None
        decision_id = str(line["id"])
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


def follow(data_dir: Path, poll_s: float = 0.2) -> Iterator[Entry]:
    """Decisions that end after this call, each as its outcome is written; never stops by itself."""
    offsets = {path: path.stat().st_size for path in _newest_first(data_dir)}
    return _ended_since(data_dir, offsets, poll_s)


def _ended_since(data_dir: Path, offsets: dict[Path, int], poll_s: float) -> Iterator[Entry]:
    while True:
        for path in reversed(_newest_first(data_dir)):
            for raw in _new_lines(path, offsets):
                line = parse(raw) if _is(raw, b"outcome") else None
                entry = find(data_dir, str(line.get("id"))) if line else None
                if entry is not None:
                    yield entry
        time.sleep(poll_s)


def _new_lines(path: Path, offsets: dict[Path, int]) -> list[bytes]:
    """Whole lines since the last look; moves the offset behind them."""
    begin = offsets.get(path, 0)
    if path.stat().st_size <= begin:
        return []
    with path.open("rb") as file:
        file.seek(begin)
        lines = file.read().split(b"\n")
    offsets[path] = begin + sum(len(line) + 1 for line in lines[:-1])
    return lines[:-1]


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
