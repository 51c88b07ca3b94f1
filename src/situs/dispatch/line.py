"""Where requests wait for a place: bounded, the most urgent first."""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

from situs.core.decision import Analysis
from situs.core.request import Request

LOOK_S = 0.05
"""How often it is looked for places that other processes gave back."""

_HALF_LIFE_S = 10.0
_LONGEST_S = 60.0


class _Waiting(NamedTuple):
    urgency: int
    number: int
    take: Callable[[], Any | None]
    taken: asyncio.Future[Any | None]


class Line:
    """Those that wait in one process, `most` at a time and each for `patience_s` at most.

    Where it is full, who is more urgent takes the place of the last.
    """

    def __init__(self, most: int = 0, patience_s: float = 0.0) -> None:
        self.most = most
        self.patience_s = patience_s
        self._waiting: list[_Waiting] = []
        self._numbers = count()
        self._ticking: asyncio.TimerHandle | None = None
        self._served = 0.0  # both fade
        self._lasted_s = 0.0
        self._at = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, urgency: int, seconds: float, take: Callable[[], Any | None]) -> Any:
        """What `take` gives once it gives something; None when time is up or the line is full.

        0 is the most urgent; of equals who came first is asked first.
        """
        loop = asyncio.get_running_loop()
        mine = _Waiting(urgency, next(self._numbers), take, loop.create_future())
        if not self._enter(mine):
            return None
        try:
            async with asyncio.timeout(min(seconds, self.patience_s)):
                return await mine.taken
        except TimeoutError:  # in the same moment, it may have been given one
            return mine.taken.result() if _was_set(mine.taken) else None
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)

    def look(self) -> None:
        """Somebody gave a place back: whoever finds one, in the order of the line, has it."""
        for one in tuple(self._waiting):
            if not one.taken.done() and (found := one.take()) is not None:
                one.taken.set_result(found)
                self._waiting.remove(one)
                self._served += 1.0

    def over_s(self) -> float | None:
        """How long all that wait, and one more, will take, as others were served of late.

        A minute at most; None where nobody waits, or nobody was served.
        """
        if not self._waiting or not self._served or not self._lasted_s:
            return None
        return min((len(self._waiting) + 1) * self._lasted_s / self._served, _LONGEST_S)

    def _enter(self, mine: _Waiting) -> bool:
        if len(self._waiting) >= self.most:
            last = self._waiting[-1] if self._waiting else mine
            if last[:2] <= mine[:2]:
                return False
            self._waiting.remove(last)
            if not last.taken.done():
                last.taken.set_result(None)
        insort(self._waiting, mine, key=lambda one: one[:2])
        self._tick()
        return True

    def _tick(self) -> None:
        if self._ticking is None:
            loop = asyncio.get_running_loop()
            self._at, self._ticking = loop.time(), loop.call_later(LOOK_S, self._ticked)

    def _ticked(self) -> None:
        self._ticking = None
        passed_s = asyncio.get_running_loop().time() - self._at
        share = 0.5 ** (passed_s / _HALF_LIFE_S)
        self.look()
        self._served, self._lasted_s = self._served * share, self._lasted_s * share + passed_s
        if self._waiting:
            self._tick()


def _was_set(taken: asyncio.Future[Any | None]) -> bool:
    return taken.done() and not taken.cancelled()


def urgency(request: Request, analysis: Analysis) -> int:
    """Operational requests before others, and those somebody waits for before those nobody does."""
    if request.ask.criticality == "operational":
        return 0
    return 1 if analysis.interactive else 2
