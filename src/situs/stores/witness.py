"""A chain that says where the others stand, so that one that is cut or taken away is missed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from situs.stores.chain import Chain
from situs.stores.layout import HEAD_FILE, chain_folders, head, newest_cited
from situs.stores.lines import Cited, CloseBody, WitnessBody, encode
from situs.stores.segments import words_of
from situs.stores.signatory import Pace, Signatory, Signer

_log = logging.getLogger(__name__)


class Witness:
    """Owns the witness chain and the thread that writes it.

    Every `pace.group_s` seconds (2 by default) it cites the head of each other chain that has
    moved; while none moves it writes nothing. One runs on a receipts directory at a time. Close it
    after the writers of the other chains, so that it has seen their last words.
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
        self._pace = pace or Pace(group_s=2.0)
        self._signatory = Signatory(receipts_dir, signer, wall, self._pace, witness=True)
        self._chain: Chain | None = None
        self._told: dict[str, int] = {}
        self._looked_at: dict[str, tuple[int, int]] = {}
        self._problem: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="situs-witness", daemon=True)

    def start(self) -> None:
        """Does not raise when nothing can be written yet: it tries again every round."""
        self._round()
        self._thread.start()

    def sign_with(self, signer: Signer) -> None:
        """As for a writer."""
        self._signatory.sign_with(signer)

    def problem(self) -> str | None:
        """Why nothing can be written now; None while all is well."""
        return self._problem

    def close(self) -> None:
        """Look a last time, then end the chain. Blocks for a few syncs."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._round()
        chain, self._chain = self._chain, None
        if chain is None:
            return
        try:
            chain.add("close", encode(CloseBody(self._wall(), 0, 0, 0)))
            self._signatory.checkpoint(chain)
        except OSError:
            return
        finally:
            chain.close()

    def _run(self) -> None:
        while not self._stop.wait(self._pace.group_s):
            self._round()

    def _round(self) -> None:
        try:
            chain = self._standing()
            moved = self._moved(chain.id)
            if moved:
                self._signatory.rotate_if_due(chain)
                chain.add("witness", encode(WitnessBody(self._wall(), moved)))
                self._told.update({line.chain: line.seq for line in moved})
            if chain.seq > chain.signed:
                self._signatory.checkpoint(chain)
        except OSError as error:
            if self._problem is None:
                _log.warning("the witness cannot write: %s (%s)", words_of(error), self._dir)
            self._problem = words_of(error)
            return
        if self._problem is not None:
            _log.warning("the witness writes again (%s)", self._dir)
        self._problem = None

    def _standing(self) -> Chain:
        """The chain, begun anew if it is not there or was taken away. Raises OSError."""
        gone = self._chain
        if gone is not None and gone.segment.in_place():
            return gone
        self._chain = chain = self._signatory.begin(gone)
        if gone is not None:
            gone.close()
        self._told = newest_cited(self._dir)
        self._looked_at = {}
        return chain

    def _moved(self, own: str) -> tuple[Cited, ...]:
        """The heads of other chains that are newer than what was told before."""
        moved = []
        for folder in chain_folders(self._dir):
            if folder.name == own or not self._changed(folder):
                continue
            line = head(folder)
            if line is not None and line.seq > self._told.get(folder.name, -1):
                moved.append(line)
        return tuple(moved)

    def _changed(self, folder: Path) -> bool:
        try:
            stat = (folder / HEAD_FILE).stat()
        except OSError:
            return False
        found = stat.st_ino, stat.st_mtime_ns
        before, self._looked_at[folder.name] = self._looked_at.get(folder.name), found
        return found != before
