"""Checks receipts offline: links, sequence, Merkle roots, signatures, and that nothing is missing.

Everything is streamed; what is kept is one digest per line of the segments being checked, and the
ids of decisions whose outcome has not come yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from situs.stores.layout import HEAD_FILE, chains, first_line, parse, segments
from situs.stores.lines import FORMAT, GENESIS, Cited, signed_text
from situs.stores.merkle import Frontier

_MOST_PROBLEMS = 200
NOTHING = "nothing_to_verify"
"""The code of the problem that there is no line at all."""


class Key(Protocol):
    """A pinned public key."""

    @property
    def id(self) -> str: ...

    def verifies(self, signature: bytes, message: bytes) -> bool: ...


class Problem(Struct, frozen=True):
    """One thing that does not hold. `line` counts from 1; `seq` is what stands there."""

    code: str
    chain: str
    file: str
    line: int
    seq: int | None
    what: str


class ChainReport(Struct, frozen=True):
    """One chain. `unsigned` lines at its end are linked, but no signature covers them yet."""

    chain: str
    lines: int
    checkpoints: int
    unsigned: int
    torn: bool
    closed: bool


class Report(Struct, frozen=True):
    """Sound when `problems` is empty. `open_decisions` never got an outcome (a crash)."""

    chains: tuple[ChainReport, ...]
    lines: int
    decisions: int
    outcomes: int
    open_decisions: int
    problems: tuple[Problem, ...]
    more_problems: int = 0


class Place(Struct, frozen=True):
    """Where in the receipts."""

    chain: str
    file: str
    line: int
    seq: int | None


class _Fleet(Struct, frozen=True):
    digest: str


class _Line(Struct, frozen=True):
    """What a line must have to be checked; a member of another type may be missing."""

    v: int
    type: str
    chain: str
    seq: int
    prev: str
    at: float
    id: str | None = None
    fleet: _Fleet | None = None
    digest: str | None = None
    first: int = -1
    size: int = -1
    root: str = ""
    key: str = ""
    signature: str = ""
    previous: tuple[Cited, ...] = ()


_decode = msgspec.json.Decoder(_Line).decode


def verify(directory: Path, keys: Iterable[Key]) -> Report:
    """Check every chain under a receipts directory against the pinned keys.

    Where there is no line at all, that is a problem too.
    """
    audit = _Audit({key.id: key for key in keys})
    folders = chains(directory)
    expected = _expected(folders)
    reports = []
    for folder in folders:
        walk = _ChainWalk(folder, audit, expected.pop(folder.name, {}))
        reports.append(walk.run())
    for chain in expected:
        place = Place(chain, chain, 0, None)
        audit.problem(place, "chain_missing", "a later chain cites it, but it is not here")
    for request_id, place in audit.orphans.items():
        if request_id not in audit.open:
            audit.problem(place, "outcome_without_decision", "no decision has this outcome's id")
    lines = sum(r.lines for r in reports)
    if not lines and not audit.problems:
        place = Place("", str(directory), 0, None)
        audit.problem(place, NOTHING, "no line of any chain is here")
    return Report(
        chains=tuple(reports),
        lines=lines,
        decisions=audit.decisions,
        outcomes=audit.outcomes,
        open_decisions=len(audit.open.difference(audit.orphans)),
        problems=tuple(audit.problems),
        more_problems=audit.more,
    )


def _expected(folders: list[Path]) -> dict[str, dict[int, str]]:
    """By chain: the digests that lines must have, as heads and later chains say."""
    wanted: dict[str, dict[int, str]] = {}
    for folder in folders:
        for entry in (first_line(folder) or {}).get("previous") or ():
            try:
                cited = msgspec.convert(entry, Cited)
            except msgspec.ValidationError:
                continue
            wanted.setdefault(cited.chain, {})[cited.seq] = cited.digest
        path = folder / HEAD_FILE
        try:
            line = path.read_bytes().rstrip(b"\n")
            seq = (parse(line) or {})["seq"]
        except (OSError, KeyError):
            continue
        wanted.setdefault(folder.name, {})[seq] = sha256(line).hexdigest()
    return wanted


class _Audit:
    """What is gathered over all chains."""

    def __init__(self, keys: dict[str, Key]) -> None:
        self.keys = keys
        self.problems: list[Problem] = []
        self.more = 0
        self.decisions = 0
        self.outcomes = 0
        self.open: set[str] = set()
        self.orphans: dict[str, Place] = {}

    def problem(self, place: Place, code: str, what: str) -> None:
        if len(self.problems) >= _MOST_PROBLEMS:
            self.more += 1
            return
        self.problems.append(Problem(code, place.chain, place.file, place.line, place.seq, what))

    def signature(self, line: _Line) -> str | None:
        """Why the checkpoint's signature does not count, as a problem code; None when it does."""
        key = self.keys.get(line.key)
        if key is None:
            return "unknown_key"
        try:
            signature = bytes.fromhex(line.signature)
        except ValueError:
            return "bad_signature"
        text = signed_text(line.chain, line.first, line.size, line.root)
        return None if key.verifies(signature, text) else "bad_signature"


class _Tree:
    """The Merkle tree of one segment, grown only as far as checkpoints ask."""

    def __init__(self) -> None:
        self.lines = 0
        self.faulty = False
        self._waiting: list[bytes] = []
        self._grown = Frontier()

    def add(self, digest: bytes) -> None:
        self.lines += 1
        self._waiting.append(digest)

    def root(self, size: int) -> str | None:
        """None when `size` is beyond the lines so far, or before an earlier checkpoint's."""
        more = size - self._grown.size
        if not 0 <= more <= len(self._waiting):
            return None
        self._grown.extend(self._waiting[:more])
        del self._waiting[:more]
        return self._grown.root().hex()


class _ChainWalk:
    """Walks one chain line by line; after a break it goes on from what is there."""

    def __init__(self, folder: Path, audit: _Audit, wanted: dict[int, str]) -> None:
        self._folder = folder
        self._audit = audit
        self._wanted = wanted
        self._next = 0
        self._prev = GENESIS
        self._lines = 0
        self._checkpoints = 0
        self._torn = False
        self._closed = False
        self._known_key = True
        self._trees: dict[int, _Tree] = {}
        self._fleets: set[str] = set()
        self._unsigned: list[int] = []
        self._place = Place(folder.name, folder.name, 0, None)

    def run(self) -> ChainReport:
        paths = segments(self._folder)
        for path in paths:
            self._segment(path, last=path == paths[-1])
        if self._wanted:
            seq = max(self._wanted)
            what = f"line {seq} is cited by head.json or a later chain, but it is not here"
            self._problem("truncated", what)
        if self._lines > 1 and not (self._folder / HEAD_FILE).is_file():
            self._problem("head_missing", "head.json is not there, so a cut tail would not show")
        return ChainReport(
            chain=self._folder.name,
            lines=self._lines,
            checkpoints=self._checkpoints,
            unsigned=len(self._unsigned),
            torn=self._torn,
            closed=self._closed,
        )

    def _segment(self, path: Path, *, last: bool) -> None:
        """Keeps the tree of the segment before: its last checkpoint stands in this one."""
        first = int(path.stem)
        for old in sorted(self._trees)[:-1]:
            del self._trees[old]
        self._trees[first] = tree = _Tree()
        self._fleets = set()
        name = f"{self._folder.name}/{path.name}"
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    self._torn = last
                    if not last:
                        self._problem("torn_inside", "an unfinished line before the last segment")
                    break
                raw = raw[:-1]
                digest = sha256(raw)
                self._place = Place(self._folder.name, name, number, None)
                self._line(raw, digest.hexdigest(), first if number == 1 else None)
                tree.add(digest.digest())
                self._prev = digest.hexdigest()
                self._next += 1
                self._lines += 1

    def _line(self, raw: bytes, digest: str, first: int | None) -> None:
        """Check one line; `first` is given for the first of a segment: what its name says."""
        try:
            line = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._problem("not_a_receipt", "the line is not a receipt")
            return
        self._place = Place(self._place.chain, self._place.file, self._place.line, line.seq)
        self._links(line, digest)
        if first is not None and (line.type != "open" or line.seq != first):
            self._problem("segment_start", "the segment does not begin with the line of its name")
        if self._closed and line.type != "checkpoint":
            self._problem("after_close", "lines follow the chain's close")
        if line.type == "checkpoint":
            self._checkpoint(line)
            return
        self._unsigned.append(line.seq)
        if line.type == "open" and line.key not in self._audit.keys:
            self._unknown_key()
        elif line.type == "fleet" and line.digest is not None:
            self._fleets.add(line.digest)
        elif line.type in ("decision", "outcome"):
            self._request(line)
        elif line.type == "close":
            self._closed = True

    def _links(self, line: _Line, digest: str) -> None:
        if line.v != FORMAT:
            self._problem("unknown_version", f"format version {line.v}")
        if line.chain != self._folder.name:
            self._problem("wrong_chain", "the line belongs to another chain")
        if line.seq != self._next:
            self._problem("sequence", f"expected sequence {self._next}")
            self._next = line.seq
        if line.prev != self._prev:
            self._problem("broken_link", "prev is not the digest of the line before")
        if self._wanted.pop(line.seq, digest) != digest:
            self._problem("not_as_cited", "head.json or a later chain knows another line here")

    def _request(self, line: _Line) -> None:
        audit, request_id = self._audit, line.id or ""
        if line.type == "outcome":
            audit.outcomes += 1
            if request_id in audit.open:
                audit.open.remove(request_id)
            elif request_id in audit.orphans:
                self._problem("repeated_outcome", "a second outcome for one decision")
            else:
                audit.orphans[request_id] = self._place
            return
        audit.decisions += 1
        if request_id in audit.open:
            self._problem("repeated_decision", "a second decision with this id")
        audit.open.add(request_id)
        if line.fleet is None or line.fleet.digest not in self._fleets:
            self._problem("fleet_unknown", "no fleet line before it has the digest it cites")

    def _checkpoint(self, line: _Line) -> None:
        self._checkpoints += 1
        code = self._audit.signature(line)
        if code == "unknown_key":
            self._unknown_key()
        elif code is not None:
            self._problem(code, "the signature is not the pinned key's over this root")
        tree = self._trees.get(line.first)
        if tree is None or (tree.root(line.size) != line.root and not tree.faulty):
            self._problem("wrong_root", "the Merkle root is not that of the lines before")
        if tree is not None and tree.root(line.size) != line.root:
            tree.faulty = True
        elif tree is not None and code is None:
            covered = line.first + line.size - 1
            self._unsigned = [seq for seq in self._unsigned if seq > covered]

    def _unknown_key(self) -> None:
        if self._known_key:
            self._problem("unknown_key", "signed by a key that is not pinned")
        self._known_key = False

    def _problem(self, code: str, what: str) -> None:
        self._audit.problem(self._place, code, what)
