"""What every worker sent where, told to the others through memory that all share."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from itertools import chain
from struct import Struct
from sys import byteorder
from zlib import crc32

from situs.core.request import Blocks
from situs.placement.prefix import ENDS

ENTRIES = 1 << 14
"""So many blocks of one worker are there to be read; who comes later has missed some."""

_ENTRY = Struct("=8sII")
_COUNT = Struct("=Q")
_HEAD = 64

_TAILS = tuple(end.to_bytes(4, byteorder) + bytes(4) for end in ENDS)

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
        if not self._others:
            return
        own, first, number = self._own, _count(self._own), len(blocks.hashes) + 1
        head = _ENTRY.pack(blocks.size.to_bytes(8, "big"), 0, key_of(deployment))
        data = head + b"".join(chain.from_iterable(zip(blocks.hashes, _TAILS, strict=False)))
        at = first % ENTRIES * _ENTRY.size + _HEAD
        room = min(len(data), RING - at)
        own[at : at + room] = data[:room]
        own[_HEAD : _HEAD + len(data) - room] = data[room:]
        _COUNT.pack_into(own, 0, first + number)

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
    for block, _, head in _ENTRY.iter_unpack(data):
        if head:
            if key:
                yield key, _blocks(hashes, size)
            key, size, hashes = head, int.from_bytes(block, "big"), []
        elif key:
            hashes.append(block)
    if key:
        yield key, _blocks(hashes, size)


def _blocks(hashes: list[bytes], size: int) -> Blocks:
    """Of what was written over meanwhile there may be too many."""
    del hashes[len(ENDS) :]
    return Blocks(tuple(hashes), ENDS[: len(hashes)], size)
