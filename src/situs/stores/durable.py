"""Segments synced while requests wait for it: one sync for all who wait."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from situs.stores.chain import Segment


class SharedSync:
    """Owns the thread that syncs. Calls come from one event loop.

    While one sync runs, those who ask wait for the next: it begins when the first has ended, so it
    covers what all of them have written.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "situs-sync")
        self._due: set[Segment] = set()
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def __call__(self, segment: Segment) -> None:
        """Returns when all that was appended to it before is durable. Raises OSError."""
        self._due.add(segment)
        if self._next is None:
            self._next = asyncio.create_task(self._round(self._running))
        await asyncio.shield(self._next)

    async def _round(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        self._running, self._next = self._next, None
        due, self._due = self._due, set()
        try:
            for segment in due:
                await asyncio.get_running_loop().run_in_executor(self._thread, segment.sync)
        finally:
            if self._next is None:
                self._running = None

    def close(self) -> None:
        self._thread.shutdown()
