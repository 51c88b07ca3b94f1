"""Anchors: what the newest checkpoints were, kept where the gateway cannot take it back.

Also what a reader of such a place does with it: the lines that a record must hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from situs.errors import AnchorError
from situs.stores.layout import HEAD_FILE, chain_folders
from situs.stores.lines import FORMAT, Cited

GIT, STAMP = "git:", "rfc3161:"
"""How places that are no files are named."""
KINDS = "Name what `situs receipts anchor` or `prove` wrote, or a copy of head.json."
"""What to do where something else is named."""


class Anchor(Struct, frozen=True, kw_only=True):
    """One line of JSON. `heads` are lines of the record, exactly as they stand there."""

    v: int = FORMAT
    type: Literal["anchor"] = "anchor"
    at: float
    heads: tuple[str, ...]


class Target(Protocol):
    """A place for anchors. Both methods raise AnchorError."""

    def anchors(self) -> list[bytes]:
        """The anchors that are there, each as its line; the same again in later calls."""

    def put(self, anchor: bytes) -> None:
        """Add one; it stays there on return."""


class _Line(Struct, frozen=True):
    """A line of the record, an anchor, or a proof."""

    v: int
    type: str
    chain: str = ""
    seq: int = -1
    prev: str = ""
    heads: tuple[str | Cited, ...] = ()
    line: str = ""
    old: str = ""
    new: str = ""


class Anchoring:
    """Puts the newest checkpoint of each chain to a place, each once; knows what is there."""

    def __init__(self, directory: Path, target: Target) -> None:
        self._directory = directory
        self._target = target
        self._known: dict[str, int] | None = None

    def run(self, at: float) -> int:
        """How many chains had moved. Raises AnchorError. Blocks; one thread at a time."""
        if self._known is None:
            self._known = newest(held(self._target.anchors()))
        heads = _moved(self._directory, self._known)
        if heads:
            self._target.put(msgspec.json.encode(Anchor(at=at, heads=heads)))
            self._known.update(newest(held(one.encode() for one in heads)))
        return len(heads)


def newest(lines: Iterable[Cited]) -> dict[str, int]:
    """By chain, the last sequence."""
    found: dict[str, int] = {}
    for line in lines:
        found[line.chain] = max(line.seq, found.get(line.chain, -1))
    return found


def held(lines: Iterable[bytes], where: str = "the place") -> list[Cited]:
    """What lines of anchors, receipts (a head.json is one) and proofs say that a record holds.

    Raises AnchorError for one that is nothing of these, or says nothing; it names `where` they are.
    """
    found: dict[tuple[str, int, str], Cited] = {}
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            for cited in _held(raw):
                found[cited.chain, cited.seq, cited.digest] = cited
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise AnchorError(
                f"Line {number} of {where} is no anchor, receipt or proof that says something.",
                do=KINDS,
            ) from error
    return list(found.values())


def _held(raw: bytes) -> list[Cited]:
    line = msgspec.json.decode(raw, type=_Line)
    if line.v != FORMAT:
        raise msgspec.ValidationError("another version")
    if line.type == "anchor":
        inner = tuple(one for one in line.heads if isinstance(one, str))
        if len(inner) < len(line.heads):
            raise msgspec.ValidationError("heads are lines")
    elif line.type in ("inclusion", "consistency"):
        inner = tuple(one for one in (line.line, line.old, line.new) if one)
    elif line.chain and line.seq >= 0 and line.prev:
        return [Cited(line.chain, line.seq, sha256(raw.strip()).hexdigest())]
    else:
        raise msgspec.ValidationError("nothing that is known")
    if not inner:
        raise msgspec.ValidationError("it says nothing")
    return [cited for one in inner for cited in _held(one.encode())]


def _moved(directory: Path, known: Mapping[str, int]) -> tuple[str, ...]:
    """The heads that are newer than what is known, by chain."""
    moved = []
    for folder in sorted(chain_folders(directory)):
        with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            raw = (folder / HEAD_FILE).read_bytes().rstrip(b"\n")
            if msgspec.json.decode(raw, type=_Line).seq > known.get(folder.name, -1):
                moved.append(raw.decode())
    return tuple(moved)
