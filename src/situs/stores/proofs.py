"""Proofs that anybody checks with the public key alone: a line is in, a chain only grew.

A proof carries the lines that it speaks of, so nothing else is needed (docs/reference/receipts.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from situs.core.record import Rotation
from situs.errors import SegmentError
from situs.stores.audit import Audit, Key
from situs.stores.layout import parse, pieces, segment_path
from situs.stores.lines import FORMAT, CheckpointBody, signed_text
from situs.stores.merkle import audit_path, consistency, root_at, roots_of


class Inclusion(Struct, frozen=True, kw_only=True, tag_field="type", tag="inclusion"):
    """That `line` stands at `index` in the tree whose root `checkpoint`, another line, signs.

    `path` are hashes in hex (RFC 6962, 2.1.1), `rotations` lead to the key that signed.
    """

    v: int = FORMAT
    line: str
    index: int
    path: tuple[str, ...]
    checkpoint: str
    rotations: tuple[Rotation, ...] = ()


class Hop(Struct, frozen=True):
    """The last checkpoint of a segment, a line of the next one, and the path to that one's root."""

    line: str
    index: int
    path: tuple[str, ...]


class Consistency(Struct, frozen=True, kw_only=True, tag_field="type", tag="consistency"):
    """That the lines under the checkpoint `old` are the first of those under `new`.

    `path` (RFC 6962, 2.1.2) leads to the root of the older one's segment: as `new` signs it, or, if
    there are more segments, as the first of `hops` does.
    """

    v: int = FORMAT
    old: str
    new: str
    path: tuple[str, ...]
    hops: tuple[Hop, ...] = ()
    rotations: tuple[Rotation, ...] = ()


Proof = Inclusion | Consistency


class Checkpoint(CheckpointBody, frozen=True):
    chain: str = ""
    seq: int = -1
    type: str = ""
    v: int = 0


class _Opening(Struct, frozen=True):
    rotations: tuple[Rotation, ...] = ()


def prove(directory: Path, chain: str, seq: int) -> Inclusion:
    """Under the first checkpoint that covers the line. Raises SegmentError where there is none."""
    folder = directory / chain
    lines, first = _segment_of(folder, seq)
    for segment, at in _from(folder, first):
        for raw in segment:
            checkpoint = _checkpoint(raw)
            if checkpoint is None or checkpoint.first != first or checkpoint.size <= seq - first:
                continue
            tree = _digests(lines[: checkpoint.size])
            return Inclusion(
                line=lines[seq - first].decode(),
                index=seq - first,
                path=_hex(audit_path(tree, seq - first)),
                checkpoint=raw.decode(),
                rotations=_rotations(segment),
            )
        if at > first:
            break
    raise SegmentError(f"{chain}:{seq} is not signed.", do="If its gateway runs, try again soon.")


def line_at(directory: Path, chain: str, seq: int) -> bytes:
    """A line as it stands there. Raises SegmentError."""
    lines, first = _segment_of(directory / chain, seq)
    return lines[seq - first]


def grown(directory: Path, old: bytes, new: bytes) -> Consistency:
    """Between two checkpoints, given as their lines. Raises SegmentError where there is none."""
    before, after = checkpoint_of(old), checkpoint_of(new)
    if before.chain != after.chain or (before.first, before.size) > (after.first, after.size):
        raise SegmentError(
            f"{after.chain}:{after.seq} is no later checkpoint of the chain {before.chain}.",
            do="Give the older one first; a chain is begun by each process.",
        )
    folder = directory / before.chain
    lines, first = _segment_of(folder, before.first)
    hops: list[Hop] = []
    end = after.size if after.first == first else len(lines)
    if not before.size <= end <= len(lines):
        raise SegmentError(f"The chain {before.chain} has fewer lines than these checkpoints say.")
    path = consistency(_digests(lines[:end]), before.size)
    while first < after.first:
        closing, (lines, following) = first, _segment_of(folder, first + len(lines))
        size = after.size if following == after.first else len(lines)
        hops.append(_hop(lines[:size], following, closing))
        first = following
    standing, _ = _segment_of(folder, after.seq)
    return Consistency(
        old=old.decode(),
        new=new.decode(),
        path=_hex(path),
        hops=tuple(hops),
        rotations=_rotations(standing),
    )


def read_proof(content: bytes) -> Proof:
    """Raises SegmentError for what is none of this version."""
    proof: Inclusion | Consistency | None = None
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        proof = msgspec.json.decode(content, type=Inclusion | Consistency)
    if proof is None or proof.v != FORMAT:
        raise SegmentError(
            "This is no proof that this version reads.",
            do="Give what `situs receipts prove` or `consistency` printed.",
        )
    return proof


def problem_of(proof: Proof, keys: Iterable[Key]) -> str | None:
    """Why a proof does not hold, relative to pinned keys; None when it does."""
    audit = Audit(keys)
    if not audit.follow(proof.rotations):
        return "a rotation is not signed by the key before it"
    try:
        if isinstance(proof, Inclusion):
            return _problem_of_inclusion(proof, audit)
        return _problem_of_consistency(proof, audit)
    except (ValueError, msgspec.MsgspecError) as error:
        return f"it is malformed: {error}" if type(error) is ValueError else "it is malformed"


def _problem_of_inclusion(proof: Inclusion, audit: Audit) -> str | None:
    raw = proof.line.encode()
    line, checkpoint = parse(raw) or {}, _read(proof.checkpoint)
    place = (checkpoint.chain, checkpoint.first + proof.index)
    if (line.get("chain"), line.get("seq")) != place:
        return "the line is not the one at this place"
    root = root_at(sha256(raw).digest(), proof.index, checkpoint.size, _bytes(proof.path))
    if root.hex() != checkpoint.root:
        return "the path does not lead to the root"
    return _problem_of_signature(checkpoint, audit)


def _problem_of_consistency(proof: Consistency, audit: Audit) -> str | None:
    old, new = _read(proof.old), _read(proof.new)
    closings = [_read(hop.line) for hop in proof.hops]
    signed = (old, *closings, new)
    for checkpoint in signed:
        if checkpoint.chain != old.chain:
            return "its checkpoints are of several chains"
        if problem := _problem_of_signature(checkpoint, audit):
            return problem
    until = signed[1]
    older, newer = roots_of(_bytes(proof.path), old.size, until.size, bytes.fromhex(old.root))
    if (old.first, older.hex(), newer.hex()) != (until.first, old.root, until.root):
        return "the path does not lead from the older root to the newer one"
    for hop, closing, following in zip(proof.hops, closings, signed[2:], strict=True):
        if closing.first + closing.size != following.first:
            return "its segments do not follow each other"
        if closing.seq != following.first + hop.index:
            return "a segment's last checkpoint is not at this place"
        entry = sha256(hop.line.encode()).digest()
        root = root_at(entry, hop.index, following.size, _bytes(hop.path))
        if root.hex() != following.root:
            return "a segment's last checkpoint is not in the next one"
    return None


def _problem_of_signature(checkpoint: Checkpoint, audit: Audit) -> str | None:
    c = checkpoint
    text = signed_text(c.chain, c.first, c.size, c.root)
    code = audit.signature(c.key, c.signature, text)
    if code is None:
        return None
    return f"{c.chain}:{c.seq}: {code}: the signature is not that of a key that is trusted"


def _segment_of(folder: Path, seq: int) -> tuple[list[bytes], int]:
    """The lines of the segment in which a line stands, and the sequence of the first."""
    if not pieces(folder):
        raise SegmentError(
            f"There is no chain {folder.name} in {folder.parent}.",
            do="Give chain:sequence, as x-situs-receipt does; `situs receipts verify` lists them.",
        )
    first = max((one for one in pieces(folder) if one <= seq), default=-1)
    try:
        lines = _lines(segment_path(folder, first))
    except FileNotFoundError:
        raise SegmentError(
            f"{folder.name}:{seq} is not here.",
            do="Of a retired segment only the root is left; `situs receipts verify` shows more.",
        ) from None
    if not first <= seq < first + len(lines):
        raise SegmentError(f"{folder.name}:{seq} is not here.", do="The chain ends before it.")
    return lines, first


def _from(folder: Path, first: int) -> Iterable[tuple[list[bytes], int]]:
    """The segments from that one on."""
    for at in pieces(folder):
        if at >= first and segment_path(folder, at).exists():
            yield _lines(segment_path(folder, at)), at


def _lines(path: Path) -> list[bytes]:
    """The whole lines; a torn one at the end is none."""
    return path.read_bytes().split(b"\n")[:-1]


def _hop(lines: list[bytes], first: int, closing: int) -> Hop:
    """From the last checkpoint of the segment before, which began at `closing`."""
    for index, raw in enumerate(lines):
        checkpoint = _checkpoint(raw)
        if checkpoint is not None and (checkpoint.first, checkpoint.size) == (
            closing,
            first - closing,
        ):
            return Hop(raw.decode(), index, _hex(audit_path(_digests(lines), index)))
    raise SegmentError(
        f"The end of the segment at {closing} is not under the newer checkpoint.",
        do="Name a later checkpoint of that segment.",
    )


def _checkpoint(raw: bytes) -> Checkpoint | None:
    if b'"type":"checkpoint"' not in raw[:40]:
        return None
    try:
        return _read(raw)
    except msgspec.MsgspecError:
        return None


def checkpoint_of(raw: bytes) -> Checkpoint:
    """Raises SegmentError for a line that is none."""
    try:
        found = _read(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = None
    if found is None or found.type != "checkpoint" or found.v != FORMAT:
        raise SegmentError(
            "This is not a checkpoint.",
            do="Name a line of that type, or a file that holds one, such as head.json.",
        )
    return found


def _read(raw: bytes | str) -> Checkpoint:
    return msgspec.json.decode(raw, type=Checkpoint)


def _rotations(segment: list[bytes]) -> tuple[Rotation, ...]:
    """Those that lead to the key that signs in a segment: its first line says so."""
    return msgspec.json.decode(segment[0], type=_Opening).rotations


def _digests(lines: Iterable[bytes]) -> list[bytes]:
    return [sha256(line).digest() for line in lines]


def _hex(path: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(one.hex() for one in path)


def _bytes(path: Iterable[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in path]
