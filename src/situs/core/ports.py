"""What the gateway needs from outside: four ports."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from situs.core.decision import Decision
from situs.core.fleet import Deployment
from situs.core.label import Label
from situs.core.record import Approval, Decided, End, Measured, Outcome, Peer, ReceiptRef, Usage
from situs.core.request import Blocks, Request
from situs.core.snapshot import Snapshot


class Situation(Protocol):
    """What holds now, and the feedback that changes what holds next."""

    def current(self) -> Current: ...

    def began(self, deployment: str) -> bool:
        """Takes a place in flight there. False when none is free: then nothing may be sent."""

    def warm(self, request: Request, blocks: Blocks | None = None) -> Mapping[str, int]:
        """The prompt tokens that each deployment is likely to have in its cache, where any.

        `blocks` are those of a long prompt, which were made aside.
        """

    def sent(self, deployment: str, request: Request) -> None:
        """Its prompt is on the way there, and will be in its cache."""

    def ended(
        self,
        deployment: str,
        request: str,
        end: End,
        measured: Measured | None,
        retry_after_s: float | None = None,
    ) -> None:
        """It is over: the end feeds health, what was measured feeds latency and caches.

        `request` is its id. `retry_after_s` is what a rate limit said, where it did.
        """

    def again_s(self, deployments: Iterable[str]) -> float | None:
        """In how many seconds the first of these may be tried; None where nobody knows."""


class Chunk(Struct, frozen=True):
    """A piece of an answer: `data` goes to the caller as it is.

    `usage` and `final` (the parsed event that carried the usage) are set where the backend said
    so; `last` marks the end that the wire itself declares. `other_model`: the answer says that it
    is from another model than the one that was asked.
    """

    data: bytes
    usage: Usage | None = None
    final: dict[str, Any] | None = None
    last: bool = False
    other_model: bool = False


class Reply(Protocol):
    """One exchange with one backend. `peer` and `bytes_out` hold from the moment bytes may leave.

    They stay true when it fails, because a receipt must say where bytes went, answered or not.
    """

    @property
    def status(self) -> int:
        """0 until the head is here."""

    @property
    def peer(self) -> Peer | None: ...

    @property
    def bytes_out(self) -> int: ...

    @property
    def pieces(self) -> int:
        """The pieces of text that a stream gave so far, long ones for several: about its tokens."""

    async def open(self) -> None:
        """Sends the request; returns once the head of the answer is here.

        Raises BackendUnavailable when the backend cannot be reached, times out, is rate limited
        or answers with an error that is not the request's own.
        """

    def chunks(self) -> AsyncGenerator[Chunk]:
        """The body as it arrives; one chunk when not streamed.

        Raises BackendUnavailable (`cut`, `stalled`, `garbage`) when it breaks.
        """

    async def close(self) -> None:
        """Stops the upstream at once; safe to call twice."""


class Mend(Protocol):
    """Undoes or checks in an answer what an obligation asks for; made anew for each attempt."""

    def feed(self, chunk: Chunk) -> list[Chunk]:
        """What may go on to the caller now; text may be held back.

        Raises StreamBroken where the answer must not go on.
        """

    def close(self) -> list[Chunk]:
        """What was held back; the answer is over."""

    @property
    def applied(self) -> dict[str, int]:
        """How often each obligation was carried out on the answer so far."""


class Gauge(Protocol):
    """Holds an answer back until it is known whether it is to be trusted; made anew each time."""

    def feed(self, chunk: Chunk) -> list[Chunk]:
        """What may go on to the caller now: nothing before it is known, nothing when it is low."""

    def close(self) -> list[Chunk]:
        """The answer is over: so too."""

    def release(self) -> list[Chunk]:
        """What was held back, because nothing better can be had; from now on everything goes on."""

    @property
    def low(self) -> bool:
        """Whether it is known that the answer is not to be trusted."""

    @property
    def confidence(self) -> float | None:
        """The calibrated probability that the answer is right, once known."""


class Sessions(Protocol):
    """The highest label that each tenant's session has had; shared by all workers."""

    async def label(self, tenant: str, session: str) -> Label:
        """PUBLIC for a session never seen. Raises CannotRecord when it cannot be known."""

    async def raised(self, tenant: str, session: str, label: Label) -> None:
        """At least this from now on, whatever others say meanwhile; durable on return.

        Raises CannotRecord.
        """

    async def lowered(self, tenant: str, session: str, seen: Label, label: Label) -> None:
        """This from now on, because policy says so of a session that is `seen`; durable on return.

        One that has risen meanwhile stays as it is. Raises CannotRecord.
        """


class Approvals(Protocol):
    """What waits for a person."""

    async def word(self, request: Request, decision: Decision, timeout_s: float) -> Approval | None:
        """What an operator said, yes or no; None where nobody did in time, which is a no."""


class Backends(Protocol):
    def prepare(self, deployment: Deployment, request: Request) -> Reply:
        """An exchange in the backend's wire, not yet begun: nothing is sent."""


class Current(Struct, frozen=True):
    """A snapshot, and the backends of just its deployments.

    A request that was decided on the one is dispatched over the other, whatever is loaded since.
    """

    snapshot: Snapshot
    backends: Backends


class Receipts(Protocol):
    async def decided(self, record: Decided) -> ReceiptRef:
        """Durable against kill -9 on return. Raises CannotRecord; then nothing may leave."""

    def ended(self, outcome: Outcome) -> None:
        """Synchronous, so that it also runs while a task is being cancelled. Never raises."""
