"""One attempt at one deployment, from the place taken there to its note in the record."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress

from msgspec import Struct

from situs.core.cost import cost_of
from situs.core.decision import Candidate
from situs.core.fleet import Deployment
from situs.core.length import possible
from situs.core.ports import Backends, Chunk, Gauge, Mend, Reply, Situation
from situs.core.record import Attempt, End, Measured, Usage
from situs.core.request import Request
from situs.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    InvalidRequest,
    LowConfidence,
    StreamBroken,
)

LATE = 2.0
"""So many times what was expected are late, where nothing was learned of it."""

STOPPING = "the gateway is stopping"
"""The message of a cancellation that is the gateway's doing, not the caller's."""


def end_of(cause: BaseException) -> End:
    """What ended it: a model here that refuses the input, an answer that may not go on, the gateway
    (by stopping, or by an error of its own), or the caller, by leaving: that cancels the task, and
    is no Exception.
    """
    if isinstance(cause, InvalidRequest):
        return End.REFUSED
    if isinstance(cause, StreamBroken | BackendUnavailable):
        return End(cause.reason)
    if isinstance(cause, DeadlineExceeded):
        return End.DEADLINE
    own = isinstance(cause, Exception) or STOPPING in cause.args
    return End.STOPPED if own else End.CLIENT_GONE


_GIVEN_UP = frozenset({End.CLIENT_GONE, End.OUTRUN, End.DEADLINE, End.STOPPED})
_UNCOUNTED = frozenset({End.COMPLETE, End.REFUSED, End.TRUNCATED})


class Step(Struct, frozen=True):
    """One place to try, with what placement expected of it.

    `request` is what is sent there, all obligations carried out (`applied` says how often each),
    `mend` makes what its answer passes through, `gauge` what then holds it back until it is known
    whether it is to be trusted. It is late when it takes `late` times what was expected.
    """

    deployment: Deployment
    candidate: Candidate
    request: Request
    applied: dict[str, int] = {}
    mend: Callable[[], Mend] | None = None
    gauge: Callable[[], Gauge] | None = None
    late: float = LATE


class Try:
    """Sends a step and reads its answer; `attempt` is what is noted of it once it has ended."""

    def __init__(
        self, step: Step, backends: Backends, situation: Situation, clock: Callable[[], float]
    ) -> None:
        self.step = step
        self.hedge = False
        self.attempt: Attempt | None = None
        self.usage: Usage | None = None
        self.other_model = False
        self.first_chunk_at: float | None = None
        self.latest_at: float | None = None
        self.started = clock()
        self._backends = backends
        self._situation = situation
        self._clock = clock
        self._reply: Reply | None = None
        self._mend: Mend | None = None
        self._gauge: Gauge | None = None
        self._source: AsyncGenerator[Chunk] | None = None
        self._ready: deque[Chunk] = deque()
        self._whole = False
        self._bytes_in = 0

    @property
    def status(self) -> int:
        return 0 if self._reply is None else self._reply.status

    @property
    def bytes_out(self) -> int:
        return 0 if self._reply is None else self._reply.bytes_out

    @property
    def confidence(self) -> float | None:
        return None if self._gauge is None else self._gauge.confidence

    @property
    def applied(self) -> dict[str, int]:
        """How often each obligation was carried out there so far, on what was sent and came."""
        sent = self.step.applied
        return sent if self._mend is None else _added(sent, self._mend.applied)

    @property
    def until(self) -> float:
        """When it was last waited for: to its last chunk, or to its end."""
        if self.attempt is not None:
            return self.started + self.attempt.duration_s
        return self.latest_at or self._clock()

    async def first(self) -> Chunk:
        """The first chunk that goes on to the caller.

        Raises BackendUnavailable (LowConfidence where `released` has more), or StreamBroken.
        """
        step = self.step
        reply = self._reply = self._backends.prepare(step.deployment, step.request)
        await reply.open()
        self._mend = step.mend and step.mend()
        self._gauge = step.gauge and step.gauge()
        self._source = reply.chunks()
        while await self._more():
            if self._ready:
                return self._ready.popleft()
            if self._gauge is not None and self._gauge.low:
                raise LowConfidence("The answer is not to be trusted.")
        raise BackendUnavailable("The answer was empty.", reason=End.CUT)

    def released(self) -> Chunk:
        """The first chunk all the same, of an answer that is not to be trusted."""
        if self._gauge is not None:
            self._ready.extend(self._gauge.release())
        return self._ready.popleft()

    async def next(self) -> Chunk | None:
        """The chunk after that; None at the end. Raises as `first` does."""
        while not self._ready:
            if not await self._more():
                return None
        return self._ready.popleft()

    async def _more(self) -> bool:
        """Takes one chunk more, or the end, to `_ready` what may go on; False after the end."""
        source, mend, gauge = self._source, self._mend, self._gauge
        if source is None:
            return False
        try:
            chunk = await anext(source)
        except StopAsyncIteration:
            self._source = None
            came: Sequence[Chunk] = () if mend is None else mend.close()
        else:
            self._saw(chunk)
            came = (chunk,) if mend is None else mend.feed(chunk)
        for one in came:
            self._ready.extend((one,) if gauge is None else gauge.feed(one))
        if self._source is None and gauge is not None:
            self._ready.extend(gauge.close())
        return True

    async def end(self, end: End, retry_after_s: float | None = None) -> None:
        """Notes the attempt before anything is awaited, then lets go of the connection.

        `retry_after_s` is what a rate limit said, where it did.
        """
        if self.attempt is not None:
            return
        end = self._really(end)
        self.usage = self.usage or self._counted(end)
        ended_at = self.latest_at if self._whole else None
        self.attempt = self._noted(end, ended_at or self._clock())
        measured = self._measured(self.attempt)
        step = self.step
        self._situation.ended(step.deployment.name, step.request.id, end, measured, retry_after_s)
        if self._source is not None:
            with suppress(RuntimeError):
                await self._source.aclose()
        if self._reply is not None:
            await self._reply.close()

    def _saw(self, chunk: Chunk) -> None:
        self._bytes_in += len(chunk.data)
        self.latest_at = self._clock()
        self.first_chunk_at = self.first_chunk_at or self.latest_at
        self._whole = self._whole or chunk.last
        self.usage = chunk.usage or self.usage
        self.other_model = self.other_model or chunk.other_model

    def _really(self, end: End) -> End:
        """An answer that was already whole is complete, even if the caller left before its end."""
        if self.status >= 400 and self.first_chunk_at is not None:
            return End.REFUSED
        left = end in (End.CLIENT_GONE, End.STOPPED)
        return End.COMPLETE if left and self._whole else end

    def _counted(self, end: End) -> Usage | None:
        """What was used where nobody reports it: it had begun to answer, or was given up before.

        No more is known of a prompt than what was expected. What failed by itself before it began
        is not paid.
        """
        reply, step = self._reply, self.step
        begun = step.request.stream and self.first_chunk_at is not None
        if reply is None or not reply.bytes_out or end in _UNCOUNTED:
            return None
        if not begun and end not in _GIVEN_UP:
            return None
        return Usage(step.candidate.prompt_tokens, reply.pieces, counted=True)

    def _noted(self, end: End, now: float) -> Attempt:
        deployment, reply, usage = self.step.deployment, self._reply, self.usage
        first, bytes_out = self.first_chunk_at, self.bytes_out
        return Attempt(
            deployment=deployment.name,
            locus=deployment.locus.name,
            jurisdiction=deployment.locus.jurisdiction,
            model=deployment.model.name,
            weights=deployment.model.weights,
            end=end,
            peer=None if reply is None else reply.peer,
            status=None if reply is None or not reply.status else reply.status,
            bytes_out=bytes_out,
            bytes_in=self._bytes_in,
            ttft_s=None if first is None else first - self.started,
            duration_s=now - self.started,
            operator=deployment.locus.operator,
            obligations=self.applied,
            usage=usage,
            confidence=self.confidence,
            hedge=self.hedge,
            cost=None if usage is None else cost_of(deployment, usage, bytes_out),
            other_model=self.other_model,
        )

    def _measured(self, attempt: Attempt) -> Measured | None:
        """Only a stream shows when the first token came; a whole answer does not."""
        if attempt.ttft_s is None or self.status >= 400:
            return None
        step, usage = self.step, self.usage
        if usage is not None and not usage.counted:
            each, choices = step.request.max_completion_tokens, step.request.choices
            most = None if each is None else each * choices
            took_s = attempt.duration_s
            usage = possible(usage, attempt.bytes_out, attempt.bytes_in, took_s, most)
        return Measured(
            ttft_s=attempt.ttft_s if step.request.stream else None,
            duration_s=attempt.duration_s,
            expected_ttft_s=step.candidate.ttft_s,
            prompt_tokens=step.candidate.prompt_tokens,
            usage=None if usage is None or usage.counted else usage,
        )


def _added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in sorted({*one, *other})}
