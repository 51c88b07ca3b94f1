"""The writer of receipts: appended by the request path, signed and synced by a thread."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from situs.core.record import Decided, Outcome, ReceiptRef
from situs.errors import CannotRecord
from situs.stores.chain import Chain, Segment
from situs.stores.durable import SharedSync
from situs.stores.lines import CloseBody, decision_body, encode, fleet_body
from situs.stores.signatory import Pace, Signatory, Signer

_log = logging.getLogger(__name__)
_WELL_S = 3.0
_CLIENT_GONE = 499


class WriterState(Struct, frozen=True):
    """How the writer is doing; `problem` is None while it can write."""

    chain: str | None
    lines: int
    waiting_outcomes: int
    lost_outcomes: int
    problem: str | None


class SegmentWriter:
    """Implements `core.ports.Receipts`; owns one chain and the thread that signs it.

    `decided` and `ended` only encode and write to the page cache, which a killed process leaves
    intact. The thread opens files, rotates, signs and syncs; it takes the lock for single writes
    only. While nothing can be written it tries again, and `decided` raises.
    """

    def __init__(
        self,
        receipts_dir: Path,
        signer: Signer,
        wall: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        self._dir = receipts_dir
        self._wall = wall
        self._pace = pace or Pace()
        self._signatory = Signatory(receipts_dir, signer, wall, self._pace)
        self._lock = self._signatory.lock
        self._chain: Chain | None = None
        self._abandoned: Chain | None = None
        self._problem: str | None = "not started"
        self._told_problem = self._told_loss = False
        self._well_since: float | None = None
        self._outcomes: deque[Outcome] = deque()
        self._lost = 0
        self._counts = {"decision": 0, "outcome": 0}
        self._pending = 0
        self._sync = SharedSync()
        self._wake = threading.Event()
        self._full = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="situs-receipts", daemon=True)

    def start(self) -> None:
        """Open a chain and start signing. Does not raise when nothing can be written yet."""
        self._begin()
        self._thread.start()

    def sign_with(self, signer: Signer) -> None:
        """Another key from the next segment on, which is begun when something is written."""
        self._signatory.sign_with(signer)

    def state(self) -> WriterState:
        with self._lock:
            chain = self._chain
            return WriterState(
                chain=None if chain is None else chain.id,
                lines=0 if chain is None else chain.seq,
                waiting_outcomes=len(self._outcomes),
                lost_outcomes=self._lost,
                problem=self._problem,
            )

    # Called by the request path.

    async def decided(self, record: Decided) -> ReceiptRef:
        """Durable against kill -9 on return. Raises CannotRecord; then nothing may leave.

        With `Pace.sync_first` it is durable against a loss of power, too.
        """
        with self._lock:
            chain = self._usable()
            try:
                self._cite(chain, record)
                slot, salt = chain.segment.next_salt()
                body = decision_body(record, slot, salt)
                seq = chain.add("decision", body)
            except OSError as error:
                self._began_to_fail(words_of(error))
                raise self._refusal() from error
            self._problem = None
            self._counted("decision")
        if self._pace.sync_first:
            await self._made_durable(chain.segment, record)
        return ReceiptRef(chain.id, seq)

    async def _made_durable(self, segment: Segment, record: Decided) -> None:
        """Nothing was sent where it fails, or the caller leaves: the outcome is written here."""
        try:
            await self._sync(segment)
        except OSError as error:
            self.ended(self._unsent(record, CannotRecord.status, CannotRecord.code))
            with self._lock:
                self._began_to_fail(words_of(error))
                raise self._refusal() from error
        except asyncio.CancelledError:
            self.ended(self._unsent(record, _CLIENT_GONE, None))
            raise

    def _unsent(self, record: Decided, status: int, code: str | None) -> Outcome:
        known = record.decision.id, self._wall(), status, code
        return Outcome(*known, (), None, None, None, None, 0.0, 0.0)

    def ended(self, outcome: Outcome) -> None:
        """Write an outcome, or keep it and try again. Never raises."""
        with self._lock:
            if len(self._outcomes) >= self._pace.waiting_outcomes:
                self._outcomes.popleft()
                self._lose(1)
            self._outcomes.append(outcome)
            self._drain()

    def close(self) -> None:
        """Stop the thread, write `close` and a last checkpoint over it. Blocks for one sync."""
        self._stopping = True
        self._wake.set()
        self._full.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._sync.close()
        with self._lock:
            self._drain()
            self._lose(len(self._outcomes))
            self._outcomes.clear()
            chain, self._chain = self._chain, None
            self._problem = "closed"
        if chain is not None:
            try:
                counts = self._counts
                body = CloseBody(self._wall(), counts["decision"], counts["outcome"], self._lost)
                chain.add("close", encode(body))
                self._signatory.checkpoint(chain)
            except OSError:
                return
            finally:
                chain.close()

    # Under the lock.

    def _usable(self) -> Chain:
        chain = self._chain
        if chain is not None and chain.segment.is_kept():
            return chain
        if chain is not None:
            self._abandon(chain)
        raise self._refusal()

    def _refusal(self) -> CannotRecord:
        do = None
        if self._abandoned is not None:
            do = "Put the receipts directory back, or restart; nothing was sent."
        return CannotRecord(f"The receipt cannot be written: {self._problem}.", do=do)

    def _began_to_fail(self, problem: str) -> None:
        """Told once, until all has been well again for some seconds."""
        self._problem, self._well_since = problem, None
        if not self._told_problem:
            self._told_problem = True
            _log.warning(
                "receipts cannot be written: %s (%s); requests are refused", problem, self._dir
            )

    def _is_well(self) -> None:
        """A disk that is almost full takes one line and refuses the next: that is not yet well."""
        self._problem = None
        now = time.monotonic()
        self._well_since = self._well_since or now
        if not self._told_problem or now - self._well_since < _WELL_S:
            return
        _log.warning(
            "receipts are written again (%s); outcomes lost so far: %d", self._dir, self._lost
        )
        self._told_problem = self._told_loss = False

    def _lose(self, count: int) -> None:
        self._lost += count
        if count and not self._told_loss:
            self._told_loss = True
            _log.warning(
                "outcomes of requests are lost, %d so far (%s): %s",
                *(self._lost, self._dir, self._problem or "one cannot be encoded"),
            )

    def _abandon(self, chain: Chain) -> None:
        self._chain, self._abandoned = None, chain
        self._began_to_fail("the segment file is gone")
        self._wake.set()

    def _cite(self, chain: Chain, record: Decided) -> None:
        """Write the fleet's static facts before the first decision that cites them."""
        digest = record.decision.fleet
        if digest in chain.segment.fleets:
            return
        chain.add("fleet", fleet_body(record.fleet, record.decision.at))
        chain.segment.fleets.add(digest)

    def _drain(self) -> None:
        chain = self._chain
        while chain is not None and self._outcomes:
            try:
                chain.add("outcome", encode(self._outcomes[0]))
            except OSError as error:
                self._began_to_fail(words_of(error))
                self._wake.set()
                return
            except Exception:
                self._lose(1)
            else:
                self._counted("outcome")
            self._outcomes.popleft()

    def _counted(self, kind: str) -> None:
        self._counts[kind] += 1
        self._pending += 1
        if self._pending == 1:
            self._wake.set()
        elif self._pending == self._pace.group_lines:
            self._full.set()

    # The thread.

    def _run(self) -> None:
        settled = self._chain is not None
        while not self._stopping:
            self._wake.wait(None if settled else self._pace.group_s)
            if not self._stopping:
                self._full.wait(self._pace.group_s)
            self._wake.clear()
            self._full.clear()
            settled = self._group()

    def _group(self) -> bool:
        """One round: open if needed, write what waits, sign, sync. False: try again soon."""
        if self._chain is None and not self._begin():
            return False
        with self._lock:
            if self._chain is not None and not self._chain.segment.in_place():
                self._abandon(self._chain)
            self._drain()
            self._pending = 0
            chain, waiting = self._chain, bool(self._outcomes)
        if chain is None:
            return False
        try:
            if chain.seq > chain.signed:
                self._signatory.rotate_if_due(chain)
                self._signatory.checkpoint(chain)
        except OSError as error:
            self._judge(chain, words_of(error))
            return False
        if not waiting:
            self._judge(chain, None)
        return not (waiting or self._told_problem)

    def _judge(self, chain: Chain, problem: str | None) -> None:
        """What a round found, unless the chain was given up meanwhile: that is known better."""
        with self._lock:
            if self._chain is not chain:
                return
            if problem is None:
                self._is_well()
            else:
                self._began_to_fail(problem)

    def _begin(self) -> bool:
        """Open a new chain; where that is not possible yet, say so and return False."""
        gone = self._abandoned
        try:
            chain = self._signatory.begin(gone)
        except OSError as error:
            with self._lock:
                self._began_to_fail(words_of(error))
            return False
        if gone is not None:
            gone.close()
        with self._lock:
            self._chain, self._abandoned = chain, None
            self._is_well()
        return True


def words_of(error: OSError) -> str:
    """The error by its name and meaning, without a path."""
    name = errno.errorcode.get(error.errno or 0, "I/O error")
    return f"{name} ({os.strerror(error.errno or errno.EIO)})"
