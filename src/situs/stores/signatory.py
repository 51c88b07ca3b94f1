"""What makes a chain trusted: it cites the others, and is rotated, signed and synced."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec import UNSET, Struct

from situs import __version__
from situs.core.record import Rotation
from situs.stores.chain import Chain, Segment, sync_path
from situs.stores.layout import segments, tips
from situs.stores.lines import CheckpointBody, Cited, OpenBody, encode, signed_text

_HASHES_AT_ONCE = 16
"""Between so many, the thread lets the event loop have the interpreter."""


class Signer(Protocol):
    """The key that signs checkpoints; `rotations` lead to it from the first one, oldest first."""

    @property
    def id(self) -> str: ...

    @property
    def public_raw(self) -> bytes: ...

    @property
    def rotations(self) -> tuple[Rotation, ...]: ...

    def sign(self, message: bytes) -> bytes: ...


class Pace(Struct, frozen=True):
    """When lines are signed and synced, when a segment ends, how many outcomes may wait.

    `sync_first`: a decision is synced before it counts as written.
    """

    group_s: float = 0.2
    group_lines: int = 512
    segment_bytes: int = 64_000_000
    segment_s: float = 24 * 3600.0
    waiting_outcomes: int = 10_000
    sync_first: bool = False


class Signatory:
    """Opens chains and signs them. Its methods block; one thread at a time may call them.

    `lock` guards what is appended to the chain: it is held for single writes only.
    """

    def __init__(
        self,
        receipts_dir: Path,
        signer: Signer,
        wall: Callable[[], float],
        pace: Pace,
        *,
        witness: bool = False,
    ) -> None:
        self.lock = threading.Lock()
        self._dir = receipts_dir
        self._signer = self._following = signer
        self._wall = wall
        self._pace = pace
        self._witness = witness

    def sign_with(self, signer: Signer) -> None:
        """Another key from the next segment on, which begins with the next line or two."""
        self._following = signer

    def begin(self, gone: Chain | None = None) -> Chain:
        """A new chain, durable, that cites where the others stand. Raises OSError.

        `gone` is a chain whose files were taken away while it was written.
        """
        self._signer = self._following
        known = tips(self._dir)
        for tip in known:
            with suppress(OSError, IndexError):
                sync_path(segments(self._dir / tip.chain)[-1])
        if gone is not None and gone.id not in {tip.chain for tip in known}:
            known = (*known, Cited(gone.id, gone.seq - 1, gone.prev))
        chain = Chain(self._dir, secrets.token_hex(6))
        try:
            chain.add("open", encode(self._opening(known)))
            chain.segment.sync()
            chain.write_head(chain.last)
            chain.publish()
        except OSError:
            chain.discard()
            raise
        return chain

    def rotate_if_due(self, chain: Chain) -> None:
        """A segment that cannot be followed by another one grows on, with the key that it has."""
        segment, pace, signer = chain.segment, self._pace, self._signer
        old = time.monotonic() - segment.began >= pace.segment_s
        same = self._following.id == signer.id
        if segment.size < pace.segment_bytes and not old and same:
            return
        self._signer = self._following
        opening = encode(self._opening(()))
        try:
            with self.lock:
                chain.rotate(opening)
        except OSError:
            self._signer = signer

    def checkpoint(self, chain: Chain) -> None:
        """Sign what came since the last time; sync it; note the checkpoint as the head.

        Raises OSError; the next call makes up for it.
        """
        with self.lock:
            taken, covered = chain.take(), chain.seq
        for segment, digests in taken:
            for begin in range(0, len(digests), _HASHES_AT_ONCE):
                segment.tree.extend(digests[begin : begin + _HASHES_AT_ONCE])
                time.sleep(0)
        for segment, _ in taken:
            body = encode(self._signed_root(chain.id, segment))
            with self.lock:
                chain.add("checkpoint", body)
                line = chain.last
        for segment, _ in taken:
            segment.sync()
        chain.write_head(line)
        chain.signed = covered + len(taken)  # less than all, if lines came in between
        for segment, _ in taken:
            chain.forget(segment)

    def _signed_root(self, chain: str, segment: Segment) -> CheckpointBody:
        size, root = segment.tree.size, segment.tree.root().hex()
        text = signed_text(chain, segment.first, size, root)
        return CheckpointBody(
            at=self._wall(),
            first=segment.first,
            size=size,
            root=root,
            key=self._signer.id,
            signature=self._signer.sign(text).hex(),
        )

    def _opening(self, previous: tuple[Cited, ...]) -> OpenBody:
        key = self._signer
        return OpenBody(
            at=self._wall(),
            situs=__version__,
            key=key.id,
            public_key=key.public_raw.hex(),
            previous=previous,
            witness=True if self._witness else UNSET,
            rotations=key.rotations or UNSET,
        )
