"""What is gathered while chains are checked: problems, counts, and the trees of their segments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, Self

from msgspec import Struct

from situs.core.record import Rotation
from situs.stores.lines import Root
from situs.stores.merkle import Frontier

_MOST_PROBLEMS = 200


class Key(Protocol):
    """A pinned public key."""

    @property
    def id(self) -> str: ...

    def verifies(self, signature: bytes, message: bytes) -> bool: ...

    def successor(self, rotation: Rotation) -> Self | None:
        """The key that `rotation` names, if this one says so."""


class Problem(Struct, frozen=True):
    """One thing that does not hold. `line` counts from 1; `seq` is what stands there."""

    code: str
    chain: str
    file: str
    line: int
    seq: int | None
    what: str


class ChainReport(Struct, frozen=True):
    """One chain. `lines` are here, `retired` ones were removed in order and left their roots.

    `unsigned` lines at its end, the first of which is `tail`, are linked, but no signature covers
    them yet.
    """

    chain: str
    lines: int
    retired: int
    checkpoints: int
    unsigned: int
    torn: bool
    closed: bool
    tail: int | None = None


class Place(Struct, frozen=True):
    """Where in the receipts."""

    chain: str
    file: str
    line: int
    seq: int | None


class Audit:
    """What is gathered over all chains."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = {key.id: key for key in keys}
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

    def follow(self, rotations: Iterable[Rotation]) -> bool:
        """Trust the keys that trusted keys name; False where one is named that did not say so."""
        for one in rotations:
            if (old := self.keys.get(one.old)) is None:
                continue
            if (key := old.successor(one)) is None:
                return False
            self.keys.setdefault(key.id, key)
        return True

    def signature(self, key_id: str, signature: str | bytes, text: bytes) -> str | None:
        """Why a signature does not count, as a problem code; None when it does."""
        key = self.keys.get(key_id)
        if key is None:
            return "unknown_key"
        try:
            raw = bytes.fromhex(signature) if isinstance(signature, str) else signature
        except ValueError:
            return "bad_signature"
        return None if key.verifies(raw, text) else "bad_signature"

    def take(self, root: Root, place: Place) -> None:
        """Count a retired segment as if its lines were here."""
        self.decisions += root.decisions
        self.outcomes += root.outcomes
        self.open.update(root.waiting)
        for request_id in root.late:
            self.ended(request_id, place)

    def ended(self, request_id: str, place: Place) -> bool:
        """Match an outcome with its decision; False when the decision has one already."""
        if request_id in self.open:
            self.open.remove(request_id)
        elif request_id in self.orphans:
            return False
        else:
            self.orphans[request_id] = place
        return True


class Tree:
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


class Retired(Struct, frozen=True):
    """The tree of a retired segment: only of its whole the root is known."""

    lines: int
    whole: str
    faulty: bool = False

    def root(self, size: int) -> str | None:
        return self.whole if size == self.lines else None
