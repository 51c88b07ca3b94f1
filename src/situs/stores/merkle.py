"""Merkle tree roots as RFC 6962 (section 2.1) defines them, with SHA-256."""

from __future__ import annotations

from collections.abc import Iterable
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
