"""What every worker sent where, told to the others through memory that all share."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from struct import Struct
from zlib import crc32

from situs.placement.prefix import Blocks

ENTRIES = 1 << 14
"""So many blocks of one worker are there to be read; who comes later has missed some."""

_ENTRY = Struct("=8sII")
_COUNT = Struct("=Q")
_HEAD = 64

RING = _HEAD + ENTRIES * _ENTRY.size
"""Bytes for one worker."""


def key_of(deployment: str) -> int:
    """Never 0."""
    return crc32(deployment.encode()) or 1


class Hearsay:
    """A ring for each worker, which it alone writes: a head for each prompt, then its blocks.

    Who reads while it is written over may read wrong blocks; that is only a guess less.
    """

    def __init__(self, fd: int, row: int, start: int, rows: int) -> None:
        """The rings begin `start` bytes into the file behind `fd`."""
        whole = memoryview(mmap.mmap(fd, os.fstat(fd).st_size))
        at = [start + RING * other for other in range(rows)]
        self._rings = [whole[one : one + RING] for one in at]
        self._own = self._rings[row]
        self._others = [ring for other, ring in enumerate(self._rings) if other != row]
        self._seen = [_count(ring) for ring in self._others]

    def tell(self, deployment: str, blocks: Blocks) -> None:
        """Its prompt is on the way there."""
        entries = [_ENTRY.pack(blocks.size.to_bytes(8, "big"), 0, key_of(deployment))]
        entries += [
            _ENTRY.pack(block, end, 0)
            for block, end in zip(blocks.hashes, blocks.ends, strict=True)
        ]
        count = _count(self._own)
        for number, entry in enumerate(entries, count):
            at = _HEAD + number % ENTRIES * _ENTRY.size
            self._own[at : at + _ENTRY.size] = entry
        _COUNT.pack_into(self._own, 0, count + len(entries))

    def heard(self) -> Iterator[tuple[int, Blocks]]:
        """What the others told since it was asked last: deployments' keys, and prompts."""
        for place, ring in enumerate(self._others):
            count, seen = _count(ring), self._seen[place]
            if count != seen:
                self._seen[place] = count
                yield from _prompts(_copy(ring, max(seen, count - ENTRIES // 2), count))


def _count(ring: memoryview) -> int:
    found: int = _COUNT.unpack_from(ring)[0]
    return found


def _copy(ring: memoryview, first: int, last: int) -> bytes:
    begin, end = first % ENTRIES * _ENTRY.size + _HEAD, last % ENTRIES * _ENTRY.size + _HEAD
    if begin < end:
        return bytes(ring[begin:end])
    return bytes(ring[begin:]) + bytes(ring[_HEAD:end])


def _prompts(data: bytes) -> Iterator[tuple[int, Blocks]]:
    """From the first head on; what comes before it belongs to a prompt that was missed."""
    key, size = 0, 0
    hashes: list[bytes] = []
    ends: list[int] = []
    for block, end, head in _ENTRY.iter_unpack(data):
        if head:
            if key:
                yield key, Blocks(tuple(hashes), tuple(ends), size)
            key, size, hashes, ends = head, int.from_bytes(block, "big"), [], []
        elif key:
            hashes.append(block)
            ends.append(end)
    if key:
        yield key, Blocks(tuple(hashes), tuple(ends), size)
