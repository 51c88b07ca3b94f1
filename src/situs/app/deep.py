"""The deep tier of one process: a thread, and who comes when it is busy goes without."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_log = logging.getLogger(__name__)

WAITING = 3
"""So many may wait for the thread; whoever comes then is not kept."""

LEAST, MOST = 0.02, 0.7
"""Of a processor's core: what the deep tier may use however busy the process is, and what it and
the event loop may use together before it gets less."""

_SAVED_S = 0.25
"""What was not used is kept for so long a burst."""


class DeepTier:
    """Runs one piece of work after the other, each for as long as its request can wait.

    All together they have a share of a core: what the event loop leaves of `MOST`. `clock` is
    monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget_s = 0.025
        self._clock = clock
        self._share = MOST
        self._saved_s = _SAVED_S
        self._seen = clock()
        self._pool = ThreadPoolExecutor(1, "situs-deep")
        self._pending: set[Future[Any]] = set()

    async def __call__(self, run: Callable[[], Any]) -> Any | None:
        """What `run` gives; None where that takes longer than the budget, or fails.

        Work that has begun goes on: what it loads is there for the next request.
        """
        now = self._clock()
        self._saved_s = min(_SAVED_S, self._saved_s + (now - self._seen) * self._share)
        self._seen = now
        if self._saved_s <= 0 or len(self._pending) > WAITING:
            return None
        work = self._pool.submit(self._timed, run)
        self._pending.add(work)
        work.add_done_callback(self._pending.discard)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), self.budget_s)
        except TimeoutError:
            return None
        except Exception as error:
            # Its words may quote the text; its name does not.
            _log.error("the deep tier failed: %s", type(error).__name__)
            return None

    def leave_room(self, busy: float) -> None:
        """The event loop used `busy` of a core lately."""
        self._share = max(LEAST, MOST - busy)

    def _timed(self, run: Callable[[], Any]) -> Any:
        began = time.thread_time()
        try:
            return run()
        finally:
            self._saved_s -= time.thread_time() - began

    def close(self) -> None:
        """What has begun ends; the rest never runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
