"""The deep tier of one process: a thread, and who comes when it is busy goes without."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_log = logging.getLogger(__name__)

WAITING = 3
"""So many may wait for the thread; whoever comes then is not kept."""


class DeepTier:
    """Runs one piece of work after the other, each for as long as its request can wait."""

    def __init__(self) -> None:
        self.budget_s = 0.025
        self.shed = 0
        self._pool = ThreadPoolExecutor(1, "situs-deep")
        self._pending: set[Future[Any]] = set()

    async def __call__(self, run: Callable[[], Any]) -> Any | None:
        """What `run` gives; None where that takes longer than the budget, or fails.

        Work that has begun goes on: what it loads is there for the next request.
        """
        if len(self._pending) > WAITING:
            self.shed += 1
            return None
        work = self._pool.submit(run)
        self._pending.add(work)
        work.add_done_callback(self._pending.discard)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), self.budget_s)
        except TimeoutError:
            self.shed += 1
        except Exception as error:
            # Its words may quote the text; its name does not.
            _log.error("the deep tier failed: %s", type(error).__name__)
        return None

    def close(self) -> None:
        """What has begun ends; the rest never runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
