"""What every worker measured of deployments, told to the others through memory that all share."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from hashlib import blake2b
from struct import Struct

from situs.core.fleet import Deployment
from situs.core.record import Measured, Usage

ENTRIES = 1024
"""So many answers of one worker are there to be read; who comes later has missed some."""

MOST = 256
"""So many answers are heard at a time, the newest of each worker: all teach much the same."""

_ENTRY = Struct("=QIIIIIff")
_COUNT = Struct("=Q")
_HEAD = 64
_NONE = 0xFFFFFFFF
_GREATEST = 0x7FFFFFFF

RING = _HEAD + ENTRIES * _ENTRY.size
"""Bytes for one worker."""


def number_of(deployment: Deployment) -> int:
    """The same in all processes: of its name, node and model."""
    text = f"{deployment.name}\0{deployment.node}\0{deployment.model.name}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


class Times:
    """A ring for each worker, which it alone writes: one entry for what one answer taught.

    An entry holds its place in the order, so that what was written over meanwhile is passed by.
    """

    def __init__(self, fd: int, row: int | None, start: int, rows: int) -> None:
        """The rings begin `start` bytes into the file behind `fd`; without a `row` it listens."""
        whole = memoryview(mmap.mmap(fd, os.fstat(fd).st_size))
        rings = [whole[at : at + RING] for at in range(start, start + rows * RING, RING)]
        self._own = memoryview(bytearray(RING)) if row is None else rings[row]
        self._others = [ring for other, ring in enumerate(rings) if other != row]
        self._seen = [_count(ring) for ring in self._others]

    def tell(self, number: int, measured: Measured, in_flight: int) -> None:
        """What an answer of this deployment taught; `in_flight` others were there."""
        usage, ttft_s = measured.usage, measured.ttft_s
        prompt, cached, completion = measured.prompt_tokens, 0, _NONE
        if usage is not None:
            prompt, cached = usage.prompt_tokens, min(usage.cached_prompt_tokens, _GREATEST)
            completion = min(usage.completion_tokens, _GREATEST)
        count = _count(self._own)
        _ENTRY.pack_into(
            *(self._own, _HEAD + count % ENTRIES * _ENTRY.size),
            *(number, count & _NONE, in_flight, min(prompt, _GREATEST), cached, completion),
            *(-1.0 if ttft_s is None else ttft_s, measured.duration_s),
        )
        _COUNT.pack_into(self._own, 0, count + 1)

    def heard(self, most: int = MOST) -> Iterator[tuple[int, Measured, int]]:
        """What the others told since it was asked last, worker by worker, the oldest first."""
        each = max(1, min(most // max(1, len(self._others)), ENTRIES // 2))
        for place, ring in enumerate(self._others):
            count = _count(ring)
            first = max(self._seen[place], count - each)
            self._seen[place] = count
            for entry in range(first, count):
                at = _HEAD + entry % ENTRIES * _ENTRY.size
                number, order, in_flight, *what = _ENTRY.unpack_from(ring, at)
                if order == entry & _NONE:
                    yield number, _measured(*what), in_flight


def _count(ring: memoryview) -> int:
    found: int = _COUNT.unpack_from(ring)[0]
    return found


def _measured(
    prompt: int, cached: int, completion: int, ttft_s: float, duration_s: float
) -> Measured:
    usage = None if completion == _NONE else Usage(prompt, completion, cached)
    return Measured(None if ttft_s < 0 else ttft_s, duration_s, 0.0, prompt, usage)
