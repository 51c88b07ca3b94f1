"""Merkle trees as RFC 6962 (section 2.1) defines them, with SHA-256: roots, and proofs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256


def leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows: it keeps the roots of its full subtrees, at most one per level."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def extend(self, entries: Iterable[bytes]) -> None:
        """Adds entries (leaf data, not yet hashed) in order."""
        peaks = self._peaks
        for entry in entries:
            grown = leaf(entry)
            level = self.size
            while level & 1:
                grown = node(peaks.pop(), grown)
                level >>= 1
            peaks.append(grown)
            self.size += 1

    def root(self) -> bytes:
        """The root over all entries so far; of none, the hash of nothing."""
        if not self._peaks:
            return sha256(b"").digest()
        total = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            total = node(peak, total)
        return total


def audit_path(entries: Sequence[bytes], index: int) -> list[bytes]:
    """What proves that an entry is in the tree over all of them (RFC 6962, 2.1.1)."""
    if len(entries) == 1:
        return []
    split = _split(len(entries))
    if index < split:
        return [*audit_path(entries[:split], index), _root(entries[split:])]
    return [*audit_path(entries[split:], index - split), _root(entries[:split])]


def consistency(entries: Sequence[bytes], size: int) -> list[bytes]:
    """What proves that the tree over the first `size` entries became the one over all (2.1.2)."""
    return _consistency(entries, size, whole=True)


def root_at(entry: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root of a tree of `size` entries in which `entry` stands at `index`, as `path` says.

    Raises ValueError for a path that fits no such tree (RFC 9162, 2.1.3.2).
    """
    if not 0 <= index < size:
        raise ValueError("no such place in the tree")
    last, root = size - 1, leaf(entry)
    for other in path:
        if last == 0:
            raise ValueError("the path is too long")
        if index & 1 or index == last:
            root = node(other, root)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            root = node(root, other)
        index, last = index >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return root


def roots_of(path: Sequence[bytes], old: int, new: int, old_root: bytes) -> tuple[bytes, bytes]:
    """The roots of the older and of the newer tree that a consistency proof leads to.

    `old` and `new` are the sizes, `old_root` is needed where the older tree is a whole subtree.
    Raises ValueError for a path that fits no such trees (RFC 9162, 2.1.4.2).
    """
    if not 0 < old <= new or (old == new and path):
        raise ValueError("no such trees")
    if old == new:
        return old_root, old_root
    steps = [old_root, *path] if not old & (old - 1) else [*path]
    if not steps:
        raise ValueError("the path is too short")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    older = newer = steps[0]
    for other in steps[1:]:
        if last == 0:
            raise ValueError("the path is too long")
        if place & 1 or place == last:
            older, newer = node(other, older), node(other, newer)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            newer = node(newer, other)
        place, last = place >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return older, newer


def _consistency(entries: Sequence[bytes], size: int, *, whole: bool) -> list[bytes]:
    """`whole`: the older tree is a subtree here whose root the verifier knows."""
    if size == len(entries):
        return [] if whole else [_root(entries)]
    split = _split(len(entries))
    if size <= split:
        return [*_consistency(entries[:split], size, whole=whole), _root(entries[split:])]
    rest = _consistency(entries[split:], size - split, whole=False)
    return [*rest, _root(entries[:split])]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _root(entries: Sequence[bytes]) -> bytes:
    tree = Frontier()
    tree.extend(entries)
    return tree.root()
