"""What is in flight at each deployment, in memory that all workers share."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

from situs.fleet import hearsay, times
from situs.fleet.hearsay import Hearsay
from situs.fleet.times import Times

_CELL = 4
_SLOTS = 4096
_ROW = (_SLOTS + 1) * _CELL
_WORKER = _ROW + hearsay.RING + times.RING

MOST_DEPLOYMENTS = _SLOTS
"""Names that have a cell, those of fleets before a reload included: a cell is not given twice."""


class Board:
    """One row of counts a worker, and in its first cell a number that moves with every change.

    A worker writes its own row only, and counts itself before it looks at the sum: two that want
    the last place may both miss it, but never both have it. The parent clears a dead worker's row.
    Behind the rows lie the `hearsay` and the `times`.
    """

    def __init__(self, fd: int, row: int | None) -> None:
        """The board behind `fd` (see `make`), for the worker whose row it is.

        None: for the parent, which takes nothing and tells nothing.
        """
        self._map = mmap.mmap(fd, os.fstat(fd).st_size)
        rows = len(self._map) // _WORKER
        cells = memoryview(self._map)[: rows * _ROW].cast("i")
        width = _ROW // _CELL
        self._rows = [cells[at : at + width] for at in range(0, len(cells), width)]
        self.hearsay = Hearsay(fd, row or 0, rows * _ROW, rows)
        self.times = Times(fd, row, rows * (_ROW + hearsay.RING), rows)
        self._own = self._rows[row or 0]
        self._slots: dict[str, int] = {}
        self._asked: Sequence[str] = ()
        self._cells: Callable[[memoryview[int]], tuple[int, ...]] = itemgetter(0, 0)

    @staticmethod
    def make(rows: int) -> int:
        """A descriptor of a new board, all zero; children inherit it."""
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("situs-board")
        else:
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        os.ftruncate(fd, rows * _WORKER)
        return fd

    def bind(self, slots: Mapping[str, int]) -> None:
        """Learn the cells of more deployments; what is known stays, for requests still running."""
        self._slots.update({name: slot + 1 for name, slot in slots.items()})

    def clear(self, row: int) -> int:
        """Give back whatever a worker that is dead had taken; how much that was."""
        cells = self._rows[row]
        taken = sum(cells[1:])
        cells[1:] = memoryview(bytes(_SLOTS * _CELL)).cast("i")
        self._moved(cells)
        return taken

    def version(self) -> int:
        return sum([row[0] for row in self._rows])

    def count(self, deployment: str) -> int:
        slot = self._slots[deployment]
        return sum([row[slot] for row in self._rows])

    def counts(self, deployments: Sequence[str]) -> list[int]:
        """Of the same names again and again, so where their cells are is remembered."""
        if deployments is not self._asked:
            slots = [self._slots[name] for name in deployments]
            self._asked = deployments
            self._cells = itemgetter(0, 0, *slots)  # two, for of one there is no tuple
        found = [self._cells(row) for row in self._rows]
        return list(map(sum, zip(*found, strict=True)))[2:]

    def take(self, deployment: str, most: int) -> bool:
        slot = self._slots[deployment]
        self._own[slot] += 1
        if self.count(deployment) > most:
            self._own[slot] -= 1
            return False
        self._moved(self._own)
        return True

    def give_back(self, deployment: str) -> None:
        self._own[self._slots[deployment]] -= 1
        self._moved(self._own)

    @staticmethod
    def _moved(row: memoryview[int]) -> None:
        row[0] = (row[0] + 1) & 0x3FFFFFFF
