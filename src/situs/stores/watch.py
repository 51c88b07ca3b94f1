"""Keeps the index up with the receipts, and tells others of every request that ended."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from situs.core.record import Served
from situs.errors import StoreError
from situs.stores.database import is_corrupt
from situs.stores.facts import Begun, Joined
from situs.stores.follow import Batch, Follower, Join, Position
from situs.stores.index import Index, OutOfStep
from situs.stores.layout import chain_folders, segments
from situs.stores.upkeep import recovered

_log = logging.getLogger(__name__)
_RETRY_S = 1.0
_SWEEP_S = 60.0
_LAST_ROUND_S = 2.0
_NICE = 10
_WELL_S = 3.0

Sink = Callable[[Sequence[Served]], None]


class Watch:
    """Owns a thread that reads what is new, writes it to the index, and hands it to the sinks.

    Sinks get requests that ended after `start`, each once, in the thread. When the index cannot be
    written, sinks still get theirs, `problem` says why, and the index catches up later from where
    it stands; a damaged one is put aside and made anew.
    """

    def __init__(
        self,
        receipts: Path,
        index: Path,
        sinks: Sequence[Sink] = (),
        *,
        wall: Callable[[], float] = time.time,
        poll_s: float = 0.5,
    ) -> None:
        self._receipts = receipts
        self._path = index
        self._sinks = sinks
        self._wall = wall
        self._poll_s = poll_s
        self._problem: str | None = None
        self._stuck: str | None = None
        self._index: Index | None = None
        self._follower = Follower(receipts)
        self._join = Join()
        self._handed: dict[str, int] = {}
        self._since = 0.0
        self._retry_at = self._sweep_at = 0.0
        self._there: set[Path] | None = None
        self._unreadable = 0
        self._current_at = time.monotonic()
        self._well_since = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="situs-index", daemon=True)

    def start(self) -> None:
        """Begin. Does not raise when the index cannot be used."""
        self._since = self._wall()
        self._follower = Follower.at_end(self._receipts)
        self._thread.start()

    def close(self) -> None:
        """Take in what is written by now, for two seconds at most, and stop."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def problem(self) -> str | None:
        """Why the index is not kept up; None while it is."""
        for chain, why in list(self._follower.troubles.items()):
            return self._problem or f"receipts of {chain} cannot be read: {why}"
        return self._problem or self._stuck

    def lag_s(self) -> float:
        """Seconds since the index last had every receipt."""
        return max(0.0, time.monotonic() - self._current_at)

    # The thread.

    def _run(self) -> None:
        with suppress(OSError):  # requests come first
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        stopping = False
        while not stopping:
            stopping = self._stop.wait(self._poll_s)
            try:
                self._round()
                self._stuck = None
            except Exception as error:
                if self._stuck is None:
                    _log.warning("following the receipts failed; it is tried again", exc_info=True)
                self._stuck = f"following the receipts failed ({type(error).__name__})"
        if self._index is not None:
            self._index.close()

    def _round(self) -> None:
        """Everything that is there now; when stopping, what can be read in a short time."""
        self._have_index()
        give_up_at = None
        while (batch := self._follower.read()) is not None:
            self._take(batch)
            if self._stop.is_set():
                give_up_at = give_up_at or time.monotonic() + _LAST_ROUND_S
                if time.monotonic() > give_up_at:
                    return
        if self._index is not None:
            self._is_well(time.monotonic())
        self._sweep()

    def _is_well(self, now: float) -> None:
        """A disk that is almost full can be opened and not written: that is not yet well."""
        self._current_at = now
        if self._problem is not None and now - self._well_since >= _WELL_S:
            _log.warning("the index is written again (%s)", self._path)
            self._problem = None

    def _sweep(self) -> None:
        """Now and then, and only if segments went away, forget what stood in them."""
        if self._index is None or time.monotonic() < self._sweep_at:
            return
        self._sweep_at = time.monotonic() + _SWEEP_S
        there = {path for folder in chain_folders(self._receipts) for path in segments(folder)}
        try:
            if self._there is None or not self._there <= there:
                self._index.forget_removed(self._receipts)
            self._there = there
        except StoreError as error:
            self._failed(error)

    def _take(self, batch: Batch) -> None:
        index = self._index
        if batch.unreadable and not self._unreadable:
            _log.warning("receipts hold lines that this version cannot read; they are not counted")
        self._unreadable += batch.unreadable
        joined = self._join(batch, self._earlier)
        if index is not None:
            try:
                index.apply(batch, joined)
            except OutOfStep:
                self._step_back(index)
            except StoreError as error:
                self._failed(error)
        self._hand_over(joined)

    def _earlier(self, ids: Sequence[str]) -> Mapping[str, Begun]:
        try:
            return {} if self._index is None else self._index.earlier(ids)
        except StoreError as error:
            self._failed(error)
            return {}

    def _step_back(self, index: Index) -> None:
        try:
            self._follower.go_back(index.positions())
        except StoreError as error:
            self._failed(error)

    def _hand_over(self, joined: Sequence[Joined]) -> None:
        """To the sinks, what ended since the start and was not handed over before."""
        new = []
        for one in joined:
            chain, seq = one.over.chain, one.over.seq
            if one.over.outcome.at >= self._since and seq > self._handed.get(chain, -1):
                self._handed[chain] = seq
                new.append(one.served())
        for sink in self._sinks if new else ():
            try:
                sink(new)
            except Exception as error:
                _log.warning("a watcher of finished requests failed (%s)", type(error).__name__)

    def _have_index(self) -> None:
        """Open the index if there is none, and go on where it stands."""
        if self._index is not None and not self._index.in_place():
            self._index.close()
            self._index = None
        if self._index is not None or time.monotonic() < self._retry_at:
            return
        try:
            index = self._open()
            try:
                stored: dict[str, Position] = index.positions()
            except StoreError:
                index.close()
                raise
        except StoreError as error:
            self._failed(error)
            return
        self._index = index
        self._follower.go_back(stored)
        for chain, position in stored.items():
            self._follower.positions.setdefault(chain, position)
        self._well_since = time.monotonic()

    def _open(self) -> Index:
        try:
            return Index(self._path)
        except StoreError as error:
            if not is_corrupt(error):
                raise
            _log.warning("%s is damaged; it is put aside and made anew", self._path)
            return recovered(self._path)

    def _failed(self, error: StoreError) -> None:
        """Go on without the index for a while."""
        if self._index is not None:
            self._index.close()
            self._index = None
        if self._problem is None:
            _log.warning("the index is not kept up: %s", error.message)
        self._problem = error.message
        self._retry_at = time.monotonic() + (0.0 if is_corrupt(error) else _RETRY_S)
        if is_corrupt(error) and self._path.exists():
            self._put_right()

    def _put_right(self) -> None:
        """A damage that showed only in use: make the index anew at the next round."""
        with suppress(StoreError):
            recovered(self._path).close()
