"""What one server keeps of the prompts that it has read: two ways to forget, as servers do."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from situs.core.request import Blocks
from situs.placement.prefix import STEPS

_LEAST_ROOM, _GREATEST_ROOM = 8_000.0, 1e10
_TOLD_MORE, _TOLD_LESS = 1.05, 0.9
_TIMES_THE_SLOTS = 16


class Kept(Protocol):
    """What one server has."""

    def put(self, blocks: Blocks, request: str | None) -> tuple[list[bytes], list[bytes]]:
        """It reads this now; what of it is new to it, and what it forgets for it (of both, maybe).

        Without a `request` nobody says when it is over.
        """

    def free(self, request: str) -> None:
        """That is over."""

    def correct(self, *, more: bool) -> None:
        """It reports far more than was believed to be there, or far less."""


class Latest:
    """Blocks of all prompts in one store: those that were used longest ago go first.

    Of one prompt the end goes before the beginning. So vLLM and others do it.
    """

    def __init__(self, room: float, most: int, greatest: float = _GREATEST_ROOM) -> None:
        """`room` is in bytes of prompts and never more than `greatest`, `most` in blocks."""
        self._room = room
        self._greatest = greatest
        self._most = most
        self._blocks: OrderedDict[bytes, int] = OrderedDict()
        self._bytes = 0

    def put(self, blocks: Blocks, request: str | None) -> tuple[list[bytes], list[bytes]]:
        kept, new, out = self._blocks, list[bytes](), list[bytes]()
        for k in range(len(blocks.hashes) - 1, -1, -1):
            block = blocks.hashes[k]
            if block in kept:
                kept.move_to_end(block)
            else:
                kept[block] = STEPS[k]
                self._bytes += STEPS[k]
                new.append(block)
        while kept and (self._bytes > self._room or len(kept) > self._most):
            block, size = kept.popitem(last=False)
            self._bytes -= size
            out.append(block)
        return new, out

    def free(self, request: str) -> None:
        pass

    def correct(self, *, more: bool) -> None:
        if more:
            self._room = min(self._greatest, self._room * _TOLD_MORE)
        else:
            self._room = max(_LEAST_ROOM, self._room * _TOLD_LESS)


class Slots:
    """So many prompts, each whole: a new one takes the place of that which is most alike.

    Where none is, of that which was used longest ago; but not of one that is being answered. So
    llama.cpp does it: a slot goes on from what it has in common with the prompt, and loses the
    rest. Who keeps prompts beside its slots reports more, and is believed to have more of them.
    """

    ALIKE = 0.1

    def __init__(self, slots: int, most: int) -> None:
        """`most` are blocks of all prompts together."""
        self._least = self._slots = slots
        self._most = most
        self._held: dict[int, tuple[bytes, ...]] = {}
        self._last = 0
        self._count: dict[bytes, int] = {}
        self._busy: dict[int, str] = {}

    def free(self, request: str) -> None:
        for slot in [slot for slot, asked in self._busy.items() if asked == request]:
            del self._busy[slot]

    def correct(self, *, more: bool) -> None:
        if more:
            self._slots = min(self._slots + 1, self._least * _TIMES_THE_SLOTS)
        else:
            self._slots = max(self._slots - 1, self._least)

    def put(self, blocks: Blocks, request: str | None) -> tuple[list[bytes], list[bytes]]:
        new, held = blocks.hashes, self._held
        idle = [slot for slot in held if slot not in self._busy]
        alike, oldest = max([(_common(held[one], new), -one) for one in idle], default=(0, 0))
        if alike and blocks.ends[alike - 1] >= self.ALIKE * blocks.size:
            lost = held.pop(-oldest)[alike:]
        else:
            lost, alike = (), 0
        while held and (len(held) >= self._slots or len(self._count) - len(lost) > self._most):
            lost += held.pop(next((one for one in held if one not in self._busy), next(iter(held))))
        self._last += 1
        held[self._last] = new
        if request is not None:
            self._busy[self._last] = request
        count, come, gone = self._count, list[bytes](), list[bytes]()
        for block in new[alike:]:
            count[block] = there = count.get(block, 0) + 1
            if there == 1:
                come.append(block)
        for block in lost:
            count[block] = there = count[block] - 1
            if not there:
                del count[block]
                gone.append(block)
        return come, gone


def _common(one: tuple[bytes, ...], other: tuple[bytes, ...]) -> int:
    """How many blocks of the beginning are the same; as they are chained, none after the first
    that differs is."""
    same = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        same += 1
    return same
