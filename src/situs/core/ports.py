"""What the gateway needs from outside: four ports."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from situs.core.fleet import Deployment
from situs.core.record import Decided, End, Outcome, Peer, ReceiptRef
from situs.core.snapshot import Snapshot


class Situation(Protocol):
    """The current snapshot, and the feedback that changes the next one."""

    def snapshot(self) -> Snapshot: ...

    def began(self, deployment: str) -> None:
        """One more request is in flight there."""

    def ended(self, deployment: str, end: End, ttft_s: float | None) -> None:
        """It is over; the end feeds health, the time feeds latency."""


class Reply(Protocol):
    """An answer that has begun: its head is here, its body comes in chunks."""

    @property
    def status(self) -> int: ...

    @property
    def content_type(self) -> str: ...

    @property
    def retry_after_s(self) -> int | None: ...

    @property
    def peer(self) -> Peer | None: ...

    def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it arrives. Raises BackendUnavailable (cut, stalled) when it breaks."""

    async def close(self) -> None:
        """Stops the upstream at once; safe to call twice."""


class Backends(Protocol):
    async def open(self, deployment: Deployment, path: str, body: bytes) -> Reply:
        """Sends `body` and returns once the head of the answer is here.

        Raises BackendUnavailable when it cannot be reached, times out, or speaks no HTTP.
        """


class Receipts(Protocol):
    async def decided(self, record: Decided) -> ReceiptRef:
        """Durable against kill -9 on return. Raises CannotRecord; then nothing may leave."""

    def ended(self, outcome: Outcome) -> None:
        """Synchronous, so that it also runs while a task is being cancelled. Never raises."""
