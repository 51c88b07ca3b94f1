"""Reads what chains grow by: whole lines, in order in each chain, from remembered positions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from situs.stores import facts
from situs.stores.facts import Begun, Joined, Over
from situs.stores.layout import parse, segment_path, segments
from situs.stores.lines import FORMAT

_HEAD = f'{{"v":{FORMAT},"type":"'.encode()
_KIND = len(_HEAD)
_BLOCK = 256 << 10
_SETTLED_NS = 1_000_000_000
_AT_ONCE = 1 << 20
"""Bytes of one batch, about: what is in memory of the record at a time."""


class Position(Struct, frozen=True):
    """How far a chain is read: the next line is `seq`, at byte `offset` of the segment `first`.

    `closed`: the chain's `close` has been read, and nothing more is expected.
    """

    first: int
    offset: int
    seq: int
    closed: bool = False

    def before(self, other: Position) -> bool:
        return (self.first, self.offset) < (other.first, other.offset)


class Batch(Struct, frozen=True):
    """What was read at once. `begin` and `end` are the positions of the chains that moved.

    `fleets` says by digest and deployment which are on owned loci. `unreadable` counts lines that
    this version cannot read; they are passed over.
    """

    begin: dict[str, Position | None]
    end: dict[str, Position]
    begun: list[Begun]
    over: list[Over]
    fleets: dict[str, dict[str, bool]]
    unreadable: int

    @property
    def bytes(self) -> int:
        return sum(end.offset - self._from(chain).offset for chain, end in self.end.items())

    @property
    def lines(self) -> int:
        return sum(end.seq - self._from(chain).seq for chain, end in self.end.items())

    def _from(self, chain: str) -> Position:
        """Where in the segment of its end the batch began."""
        begin, first = self.begin[chain], self.end[chain].first
        return Position(first, 0, first) if begin is None or begin.first != first else begin


class Follower:
    """Owns how far each chain is read. New chains and segments are found, removed ones skipped.

    A chain that cannot be read is left where it is, and `troubles` says why.
    """

    def __init__(self, receipts: Path, positions: Mapping[str, Position] | None = None) -> None:
        self.positions = dict(positions or {})
        self.troubles: dict[str, str] = {}
        self._receipts = receipts
        self._looks: dict[str, tuple[int, ...]] = {}
        self._turn = 0

    @classmethod
    def at_end(cls, receipts: Path) -> Follower:
        """Follows what is written from now on; a torn tail counts as not yet written."""
        follower = cls(receipts)
        for chain in follower._chains():
            for path in segments(receipts / chain)[-1:]:
                follower.positions[chain] = _end_of(path)
        return follower

    def read(self) -> Batch | None:
        """The next whole lines, about a megabyte of them; None when there is nothing new."""
        batch, size = Batch({}, {}, [], [], {}, 0), 0
        chains = [c for c in self._chains() if c not in self.positions or self._is_open(c)]
        unreadable = 0
        for place in range(len(chains)):
            chain = chains[(self._turn + place) % len(chains)]
            before = self.positions.get(chain)
            if self._is_quiet(chain):
                continue
            try:
                data = self._data(chain)
            except OSError as error:
                self.troubles[chain] = error.strerror or str(error)
                continue
            self.troubles.pop(chain, None)
            if data:
                self._looks.pop(chain, None)
                unreadable += self._take(chain, data, batch)
            if (after := self.positions.get(chain)) is not None and after != before:
                batch.begin[chain], batch.end[chain] = before, after
            size += len(data)
            if size >= _AT_ONCE:
                self._turn += place + 1
                break
        return msgspec.structs.replace(batch, unreadable=unreadable) if batch.end else None

    def go_back(self, stored: Mapping[str, Position]) -> None:
        """Read again what lies behind these positions; what is read already is not skipped."""
        self._looks.clear()
        for chain, position in list(self.positions.items()):
            there = stored.get(chain)
            if there is None:
                del self.positions[chain]
            elif there.before(position):
                self.positions[chain] = there

    def behind(self) -> int:
        """Bytes of whole lines that are not read yet."""
        total = 0
        for chain in self._chains():
            position = self.positions.get(chain) or Position(0, 0, 0)
            files = [] if position.closed else segments(self._receipts / chain)
            for path in files:
                if (first := int(path.stem)) >= position.first:
                    size = _end_of(path).offset if path is files[-1] else _size(path)
                    total += max(0, size - (position.offset if first == position.first else 0))
        return total

    def _chains(self) -> list[str]:
        try:
            with os.scandir(self._receipts) as entries:
                return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
        except FileNotFoundError:
            return []

    def _is_open(self, chain: str) -> bool:
        return not self.positions[chain].closed

    def _is_quiet(self, chain: str) -> bool:
        """Whether nothing has changed since there was nothing new: most chains are of the past.

        Times of files are coarse: what has just changed may change again and show the same.
        """
        folder, position = self._receipts / chain, self.positions.get(chain)
        look: tuple[int, ...] = ()
        with suppress(OSError):
            look = (folder.stat().st_mtime_ns,)
            if position is not None:
                file = segment_path(folder, position.first).stat()
                look = (*look, file.st_mtime_ns, file.st_size)
        if look and look == self._looks.get(chain):
            return True
        if look and time.time_ns() - max(look[:2]) > _SETTLED_NS:
            self._looks[chain] = look
        return False

    def _data(self, chain: str) -> bytes:
        """Whole lines at the chain's position, moved on to the next segment where this one ends."""
        folder = self._receipts / chain
        position = self.positions.get(chain)
        if position is not None:
            data = _whole_lines(segment_path(folder, position.first), position.offset)
            if data:
                return data
        after = -1 if position is None else position.first
        for path in segments(folder):
            # A segment that has just been begun may still be taken back until its first line is in.
            if int(path.stem) > after and (data := _whole_lines(path, 0)):
                first = int(path.stem)
                self.positions[chain] = Position(first, 0, first)
                return data
        return b""

    def _take(self, chain: str, data: bytes, batch: Batch) -> int:
        """Sort lines into the batch and move behind them; how many could not be read."""
        position = self.positions[chain]
        first, offset, seq, closed = position.first, position.offset, position.seq, False
        unreadable = 0
        for line in data[:-1].split(b"\n"):
            kind = line[_KIND : line.find(b'"', _KIND)] if line.startswith(_HEAD) else b""
            try:
                if kind == b"decision":
                    batch.begun.append(facts.begun(line, chain, first, offset, seq))
                elif kind == b"outcome":
                    batch.over.append(facts.over(line, chain, first, offset, seq))
                elif kind == b"fleet":
                    digest, owned = facts.owned(line)
                    batch.fleets[digest] = owned
                elif not kind:
                    unreadable += 1
            except (msgspec.MsgspecError, UnicodeDecodeError):
                unreadable += 1
            closed = closed or kind == b"close"
            offset += len(line) + 1
            seq += 1
        self.positions[chain] = Position(first, offset, seq, closed)
        return unreadable


class Join:
    """Owns decisions that wait for their outcome; bounded, the oldest are let go first."""

    def __init__(self, waiting: int = 10_000) -> None:
        self._limit = waiting
        self._waiting: dict[str, Begun] = {}

    def __call__(
        self, batch: Batch, earlier: Callable[[Sequence[str]], Mapping[str, Begun]]
    ) -> list[Joined]:
        """The requests that are over with this batch; `earlier` finds decisions by their ids."""
        waiting = self._waiting
        for begun in batch.begun:
            waiting[begun.id] = begun
        missing = [over.outcome.id for over in batch.over if over.outcome.id not in waiting]
        known = earlier(missing) if missing else {}
        joined = []
        for over in batch.over:
            found = waiting.pop(over.outcome.id, None) or known.get(over.outcome.id)
            if found is not None:
                joined.append(Joined(found, over))
        while len(waiting) > self._limit:
            del waiting[next(iter(waiting))]
        return joined


def _whole_lines(path: Path, offset: int) -> bytes:
    """A block of whole lines, more for a line that is longer; empty when there is none."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            data, size = b"", _BLOCK
            while block := file.read(size):
                end = block.rfind(b"\n")
                if end >= 0:
                    return data + block[: end + 1]
                data, size = data + block, min(size * 2, 16 << 20)
    except FileNotFoundError:
        return b""
    return b""


def _end_of(path: Path) -> Position:
    """Behind the last whole line of a segment, whatever is appended meanwhile."""
    first, want = int(path.stem), _BLOCK
    try:
        with path.open("rb", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            while True:
                begin = max(0, size - want)
                file.seek(begin)
                before, newline, _ = file.read(size - begin).rpartition(b"\n")
                line = before[before.rfind(b"\n") + 1 :]
                if begin == 0 or len(line) < len(before):
                    break
                want *= 2
    except OSError:
        return Position(first, 0, first)
    seq = (parse(line) or {}).get("seq")
    if not newline or not isinstance(seq, int):
        return Position(first, 0, first)
    return Position(first, begin + len(before) + 1, seq + 1)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
