"""One request's walk: attempt, fail over before the first byte, stay after it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress

from msgspec import Struct

from situs.core.decision import Candidate
from situs.core.fleet import Deployment
from situs.core.ports import Backends, Chunk, Mend, Reply, Situation
from situs.core.record import Attempt, End, Usage
from situs.core.request import Request
from situs.errors import (
    AnswerStopped,
    BackendUnavailable,
    InvalidRequest,
    NoCapacity,
    NodesExhausted,
    StreamBroken,
)

STOPPING = "the gateway is stopping"
"""The message of a cancellation that is the gateway's doing, not the caller's."""


def end_of(cause: BaseException) -> End:
    """What ended it: a model here that refuses the input, an answer that may not go on, the gateway
    (by stopping, or by an error of its own), or the caller, by leaving: that cancels the task, and
    is no Exception.
    """
    if isinstance(cause, InvalidRequest):
        return End.REFUSED
    if isinstance(cause, StreamBroken):
        return End(cause.reason)
    own = isinstance(cause, Exception) or STOPPING in cause.args
    return End.STOPPED if own else End.CLIENT_GONE


class Step(Struct, frozen=True):
    """One place to try, with what placement expected of it.

    `request` is what is sent there, all obligations carried out (`applied` says how often each),
    `mend` makes what its answer passes through.
    """

    deployment: Deployment
    candidate: Candidate
    request: Request
    applied: dict[str, int] = {}
    mend: Callable[[], Mend] | None = None


class Walk:
    """Tries the steps in order and remembers every attempt.

    `begin` returns once a deployment has sent its first chunk and commits to it; `rest` yields
    what follows. `close` is safe at any time and ends what is still open as `client_gone`.
    Policy has allowed every step, so failing over cannot reach what the decision excluded. `steps`
    may be set until it begins.
    """

    def __init__(
        self,
        request: Request,
        steps: Sequence[Step],
        backends: Backends,
        situation: Situation,
        clock: Callable[[], float],
    ) -> None:
        self.attempts: list[Attempt] = []
        self.usage: Usage | None = None
        self.first_chunk_at: float | None = None
        self._request = request
        self.steps = steps
        self._backends = backends
        self._situation = situation
        self._clock = clock
        self._tried = 0
        self._step: Step | None = None
        self._reply: Reply | None = None
        self._mend: Mend | None = None
        self._chunks: AsyncGenerator[Chunk] | None = None
        self._started = 0.0
        self._latest_at: float | None = None
        self._whole = False
        self._bytes_in = 0

    @property
    def waited_s(self) -> float:
        """Seconds spent on upstreams so far: finished attempts, and this one to its last chunk."""
        waited = sum(attempt.duration_s for attempt in self.attempts)
        if self._is_open:
            waited += (self._latest_at or self._clock()) - self._started
        return waited

    @property
    def tried(self) -> int:
        """How many deployments were tried, the present one included."""
        return self._tried

    @property
    def deployment(self) -> Deployment | None:
        """Where the request is now, or was last."""
        return None if self._step is None else self._step.deployment

    @property
    def applied(self) -> dict[str, int]:
        """How often each obligation was carried out there so far, on what was sent and came."""
        if self._step is None:
            return {}
        return _added(self._step.applied, {} if self._mend is None else self._mend.applied)

    @property
    def status(self) -> int:
        return 0 if self._reply is None else self._reply.status

    async def begin(self) -> Chunk:
        """The first chunk of the first deployment that answers.

        Raises NodesExhausted when none did, NoCapacity when none was free, AnswerStopped when
        policy stops what one says; an attempt that the caller cancels ends there.
        """
        retry_after_s: int | None = None
        for step in self.steps:
            if not self._situation.began(step.deployment.name):
                continue
            self._start(step)
            try:
                return await self._first_chunk(step)
            except (BackendUnavailable, StreamBroken) as error:
                retry_after_s = error.retry_after_s or retry_after_s
                await self._end(End(error.reason))
                if isinstance(error, AnswerStopped):
                    raise
            except BaseException as error:
                await self._end(end_of(error))
                raise
        if not self.attempts:
            busy = NoCapacity("Every allowed deployment is busy.")
            busy.retry_after_s = 1
            raise busy
        tried = ", ".join(f"{a.deployment} ({a.end})" for a in self.attempts)
        failure = NodesExhausted(f"Every allowed deployment was tried and failed: {tried}.")
        failure.retry_after_s = retry_after_s or 5
        raise failure

    async def rest(self) -> AsyncGenerator[Chunk]:
        """The chunks after the first. Raises StreamBroken when the upstream breaks off."""
        if self._chunks is None:
            return
        try:
            async with aclosing(self._chunks) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BackendUnavailable as error:
            await self._end(End(error.reason))
            raise StreamBroken(
                f"The answer broke off ({error.reason}) after it had begun.", reason=error.reason
            ) from error
        await self._end(End.COMPLETE)

    async def close(self, end: End = End.CLIENT_GONE) -> None:
        """Ends what is still open, by default because the caller has gone. Records, then closes."""
        await self._end(end)

    async def _first_chunk(self, step: Step) -> Chunk:
        reply = self._reply = self._backends.prepare(step.deployment, step.request)
        await reply.open()
        self._mend = step.mend and step.mend()
        self._chunks = self._arriving(reply)
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            raise BackendUnavailable("The answer was empty.", reason=End.CUT) from None
        self.first_chunk_at = self._latest_at
        return chunk

    async def _arriving(self, reply: Reply) -> AsyncGenerator[Chunk]:
        """What comes from there, mended where that is owed."""
        async with aclosing(reply.chunks()) as chunks:
            async for chunk in chunks:
                self._saw(chunk)
                if self._mend is None:
                    yield chunk
                else:
                    for one in self._mend.feed(chunk):
                        yield one
        if self._mend is not None:
            for one in self._mend.close():
                yield one

    def _start(self, step: Step) -> None:
        self._tried += 1
        self._step = step
        self._reply = self._chunks = self._mend = None
        self._started, self._bytes_in = self._clock(), 0

    def _saw(self, chunk: Chunk) -> None:
        self._bytes_in += len(chunk.data)
        self._latest_at = self._clock()
        self._whole = self._whole or chunk.last
        self.usage = chunk.usage or self.usage

    async def _end(self, end: End) -> None:
        """Notes the attempt before anything is awaited, then lets go of the connection."""
        step = self._step
        if step is None or not self._is_open:
            return
        end = self._really(end)
        ended_at = self._latest_at if self._whole else None
        self.attempts.append(self._attempt(step, end, ended_at or self._clock()))
        self._situation.ended(step.deployment.name, end, self._ttft_ratio(step))
        if self._chunks is not None:
            with suppress(RuntimeError):
                await self._chunks.aclose()
        if self._reply is not None:
            await self._reply.close()

    @property
    def _is_open(self) -> bool:
        """An attempt has begun and not been noted."""
        return self._tried > len(self.attempts)

    def _really(self, end: End) -> End:
        """An answer that was already whole is complete, even if the caller left before its end."""
        if self.status >= 400 and self.first_chunk_at is not None:
            return End.REFUSED
        left = end in (End.CLIENT_GONE, End.STOPPED)
        return End.COMPLETE if left and self._whole else end

    def _attempt(self, step: Step, end: End, now: float) -> Attempt:
        deployment, reply = step.deployment, self._reply
        first = self.first_chunk_at
        return Attempt(
            deployment=deployment.name,
            locus=deployment.locus.name,
            jurisdiction=deployment.locus.jurisdiction,
            model=deployment.model.name,
            weights=deployment.model.weights,
            end=end,
            peer=None if reply is None else reply.peer,
            status=None if reply is None or not reply.status else reply.status,
            bytes_out=0 if reply is None else reply.bytes_out,
            bytes_in=self._bytes_in,
            ttft_s=None if first is None else first - self._started,
            duration_s=now - self._started,
            operator=deployment.locus.operator,
            obligations=self.applied,
        )

    def _ttft_ratio(self, step: Step) -> float | None:
        """Only a stream shows when the first token came; a whole answer does not."""
        if self.first_chunk_at is None or not self._request.stream or self.status >= 400:
            return None
        return (self.first_chunk_at - self._started) / max(step.candidate.ttft_s, 1e-3)


def _added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in sorted({*one, *other})}
