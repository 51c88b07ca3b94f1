"""Walks one chain of receipts line by line and says what does not hold."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import UNSET, Struct

from situs.core.record import Rotation
from situs.stores.audit import Audit, ChainReport, Place, Retired, Tree
from situs.stores.layout import head, parse, pieces, root_path, segment_path
from situs.stores.lines import FORMAT, GENESIS, Cited, Root, read_root, signed_text
from situs.stores.signatory import Signer

_OTHER_LINE = "head.json, another chain or an anchor knows another line here"


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
    heads: tuple[Cited, ...] = ()
    witness: bool = False
    rotations: tuple[Rotation, ...] = ()


_decode = msgspec.json.Decoder(_Line).decode


class UnknownVersion(Exception):
    """The rest of the chain cannot be read by this version."""


class ChainWalk:
    """Walks one chain line by line; after a break it goes on from what is there.

    `wanted` are the digests that lines must have, as others say; what is found is taken out.
    `cites` gathers the newest line of each other chain that each segment names: the links of that
    chain cover what was named before.
    """

    def __init__(self, folder: Path, audit: Audit, wanted: dict[int, str]) -> None:
        self.audit = audit
        self.next = 0
        self.prev = GENESIS
        self.cites: list[Cited] = []
        self.witness = False
        self._folder = folder
        self._wanted = wanted
        self._lines = 0
        self._retired = 0
        self._began = self._ended = 0.0
        self._checkpoints = 0
        self._torn = False
        self._closed = False
        self._known_key = True
        self._former: set[str] = set()
        self._trees: dict[int, Tree | Retired] = {}
        self._named: dict[str, Cited] = {}
        self._fleets: set[str] = set()
        self._unsigned: list[int] = []
        self._file, self._number = folder.name, 0
        self._seq: int | None = None

    def run(self) -> ChainReport:
        firsts = pieces(self._folder)
        try:
            for first in firsts:
                self.piece(first, last=first == firsts[-1])
        except UnknownVersion:
            self._wanted.clear()
        if self._wanted:
            seq = max(self._wanted)
            what = f"line {seq} is cited by head.json, another chain or an anchor; it is not here"
            self._problem("truncated", what)
        if self._lines + self._retired > 1 and head(self._folder) is None:
            what = "head.json is not there or holds no line of it: a cut tail would not show"
            self._problem("head_missing", what)
        return ChainReport(
            chain=self._folder.name,
            lines=self._lines,
            retired=self._retired,
            checkpoints=self._checkpoints,
            unsigned=len(self._unsigned),
            torn=self._torn,
            closed=self._closed,
            tail=min(self._unsigned, default=None),
        )

    def piece(self, first: int, *, last: bool) -> None:
        """The segment of that name, or the root that it left. Raises UnknownVersion.

        Keeps the tree of the piece before: its last checkpoint stands in this one.
        """
        for old in sorted(self._trees)[:-1]:
            del self._trees[old]
        try:
            with segment_path(self._folder, first).open("rb") as file:
                self._segment(file, first, last=last)
        except FileNotFoundError:
            self._root(root_path(self._folder, first))
        self.cites += self._named.values()
        self._named = {}

    def facts(self, first: int, prev: str, signer: Signer, at: float) -> Root:
        """The root of the segment just walked, if `audit` was new for it; not signed yet."""
        tree, audit = self._trees[first], self.audit
        return Root(
            v=FORMAT,
            type="root",
            chain=self._folder.name,
            first=first,
            lines=tree.lines,
            prev=prev,
            last=self.prev,
            root=tree.root(tree.lines) or "",
            began=self._began,
            ended=self._ended,
            at=at,
            decisions=audit.decisions,
            outcomes=audit.outcomes,
            waiting=tuple(sorted(audit.open.difference(audit.orphans))),
            late=tuple(sorted(audit.orphans.keys() - audit.open)),
            cites=tuple(self.cites),
            witness=self.witness,
            key=signer.id,
            rotations=signer.rotations or UNSET,
        )

    def _segment(self, file: BinaryIO, first: int, *, last: bool) -> None:
        self._trees[first] = tree = Tree()
        self._fleets = set()
        self._file = f"{self._folder.name}/{segment_path(self._folder, first).name}"
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                self._torn = last
                if not last:
                    self._problem("torn_inside", "an unfinished line before the last segment")
                break
            raw = raw[:-1]
            digest = sha256(raw)
            self._number, self._seq = number, None
            self._line(raw, digest.hexdigest(), first if number == 1 else None)
            tree.add(digest.digest())
            self.prev = digest.hexdigest()
            self.next += 1
            self._lines += 1

    def _root(self, path: Path) -> None:
        """A retired segment: its root must be signed, and fit between its neighbours."""
        self._file, self._number = f"{self._folder.name}/{path.name}", 1
        raw = path.read_bytes()
        try:
            root, text, signature = read_root(raw)
        except ValueError:
            self._not_read(raw)
            return
        self._follow(root.rotations or ())
        code = self.audit.signature(root.key, signature, text)
        if code == "unknown_key":
            self._unknown_key()
        elif code is not None:
            self._problem(code, "the signature is not the pinned key's over this root")
        if root.chain != self._folder.name or root.first != int(path.stem):
            self._problem("wrong_chain", "the root belongs to another segment")
        self._continues(root.first, root.prev)
        end = root.first + root.lines - 1
        for seq in [seq for seq in self._wanted if root.first <= seq <= end]:
            if self._wanted.pop(seq) != root.last and seq == end:
                self._problem("not_as_cited", _OTHER_LINE)
        self.audit.take(root, self._place())
        self._trees[root.first] = Retired(root.lines, root.root)
        self.next, self.prev = end + 1, root.last
        self._retired += root.lines
        self.witness = root.witness
        self._named = {line.chain: line for line in root.cites}

    def _line(self, raw: bytes, digest: str, first: int | None) -> None:
        """Check one line; `first` is given for the first of a segment: what its name says."""
        try:
            line = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._not_read(raw)
            return
        self._seq = line.seq
        if line.v != FORMAT:
            self._not_read(raw)
        self._links(line, digest)
        if first is not None:
            self._began = line.at
            if line.type != "open" or line.seq != first:
                what = "the segment does not begin with the line of its name"
                self._problem("segment_start", what)
        self._ended = line.at
        if self._closed and line.type != "checkpoint":
            self._problem("after_close", "lines follow the chain's close")
        if line.type == "checkpoint":
            self._checkpoint(line)
            return
        self._unsigned.append(line.seq)
        self._body(line)

    def _body(self, line: _Line) -> None:
        if line.type in ("decision", "outcome"):
            self._request(line)
        elif line.type == "fleet" and line.digest is not None:
            self._fleets.add(line.digest)
        elif line.type == "open":
            self._opening(line)
        elif line.type == "witness":
            self._name(line.heads)
        elif line.type == "close":
            self._closed = True

    def _not_read(self, raw: bytes) -> None:
        """Raises UnknownVersion where that is why."""
        version = (parse(raw) or {}).get("v", FORMAT)
        if version == FORMAT:
            self._problem("not_a_receipt", "the line is not a receipt")
            return
        what = f"format version {version}; this Situs reads {FORMAT}: verify with a newer one"
        self._problem("unknown_version", what)
        raise UnknownVersion

    def _links(self, line: _Line, digest: str) -> None:
        if line.chain != self._folder.name:
            self._problem("wrong_chain", "the line belongs to another chain")
        if line.seq != self.next or line.prev != self.prev:
            self._continues(line.seq, line.prev)
        if self._wanted.pop(line.seq, digest) != digest:
            self._problem("not_as_cited", _OTHER_LINE)

    def _continues(self, seq: int, prev: str) -> None:
        if seq != self.next:
            self._problem("sequence", f"expected sequence {self.next}")
            self.next = seq
        if prev != self.prev:
            self._problem("broken_link", "prev is not the digest of the line before")

    def _opening(self, line: _Line) -> None:
        self.witness = line.witness
        self._name(line.previous)
        self._follow(line.rotations)
        self._former.update(one.old for one in line.rotations)
        self._standing_key(line.key)

    def _follow(self, rotations: tuple[Rotation, ...]) -> None:
        if not self.audit.follow(rotations):
            self._problem("bad_rotation", "a key is named that the one before it did not sign")

    def _standing_key(self, key: str) -> None:
        """What signs here must be trusted, and must not have been replaced already."""
        if key not in self.audit.keys:
            self._unknown_key()
        elif key in self._former:
            self._problem("former_key", "signed by a key that was replaced in this chain before")

    def _name(self, lines: tuple[Cited, ...]) -> None:
        for line in lines:
            if line.seq >= self._named.get(line.chain, line).seq:
                self._named[line.chain] = line

    def _request(self, line: _Line) -> None:
        audit, request_id = self.audit, line.id or ""
        if line.type == "outcome":
            audit.outcomes += 1
            if not audit.ended(request_id, self._place()):
                self._problem("repeated_outcome", "a second outcome for one decision")
            return
        audit.decisions += 1
        if request_id in audit.open:
            self._problem("repeated_decision", "a second decision with this id")
        audit.open.add(request_id)
        if line.fleet is None or line.fleet.digest not in self._fleets:
            self._problem("fleet_unknown", "no fleet line before it has the digest it cites")

    def _checkpoint(self, line: _Line) -> None:
        self._checkpoints += 1
        text = signed_text(line.chain, line.first, line.size, line.root)
        code = self.audit.signature(line.key, line.signature, text)
        self._standing_key(line.key)
        if code not in (None, "unknown_key"):
            self._problem(code, "the signature is not the pinned key's over this root")
        tree = self._trees.get(line.first)
        found = None if tree is None else tree.root(line.size)
        if found != line.root:
            if tree is None or not tree.faulty:
                self._problem("wrong_root", "the Merkle root is not that of the lines before")
            if isinstance(tree, Tree):
                tree.faulty = True
        elif code is None:
            covered = line.first + line.size - 1
            self._unsigned = [seq for seq in self._unsigned if seq > covered]

    def _unknown_key(self) -> None:
        if self._known_key:
            self._problem("unknown_key", "signed by a key that is not pinned")
        self._known_key = False

    def _place(self) -> Place:
        return Place(self._folder.name, self._file, self._number, self._seq)

    def _problem(self, code: str, what: str) -> None:
        self.audit.problem(self._place(), code, what)
