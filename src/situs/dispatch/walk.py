"""One request's walk: attempt, fail over before the first byte, stay after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from situs.core.fleet import Deployment
from situs.core.ports import Backends, Chunk, Situation
from situs.core.record import Attempt, End, Usage
from situs.dispatch.attempt import Step, Try, end_of
from situs.dispatch.refusal import retry_after
from situs.errors import (
    AnswerStopped,
    BackendUnavailable,
    DeadlineExceeded,
    LowConfidence,
    NoCapacity,
    NodesExhausted,
    SitusError,
    StreamBroken,
)
from situs.placement.trust import as_strict

T = TypeVar("T")


def _always() -> bool:
    return True


def _unknown() -> None:
    return None


class Limits(Struct, frozen=True):
    """What a walk may do. `deadline` is when it must be over, by the walk's clock.

    `retry` and `hedge` take one from a budget that all requests share, and say False when it is
    spent; without `hedge` no second place is asked beside the first. `wait` is given what takes a
    place, and says what it took, or None: without it, who finds none free does not wait. `line_s`
    is how long those who wait will take, where that is known.
    """

    deadline: float | None = None
    retry: Callable[[], bool] = _always
    hedge: Callable[[], bool] | None = None
    wait: Callable[[Callable[[], Try | None]], Awaitable[Try | None]] | None = None
    freed: Callable[[], None] | None = None
    line_s: Callable[[], float | None] = _unknown


_NO_LIMITS = Limits()


class Walk:
    """Tries the steps in order and remembers every attempt.

    `begin` returns once a deployment has sent its first chunk and commits to it; `next` gives
    what follows. `close` is safe at any time and ends what is still open as `client_gone`.
    Policy has allowed every step, so failing over cannot reach what the decision excluded. `steps`
    may be set until it begins. `queued_s` is how long it waited for a place, `present` the attempt
    whose answer the caller gets, or the last one.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        backends: Backends,
        situation: Situation,
        clock: Callable[[], float],
        limits: Limits = _NO_LIMITS,
    ) -> None:
        self.steps = steps
        self.queued_s = 0.0
        self._backends = backends
        self._situation = situation
        self._clock = clock
        self._limits = limits
        self._tries: list[Try] = []
        self._unsure: Try | None = None
        self.present: Try | None = None

    @property
    def attempts(self) -> list[Attempt]:
        """Those that are over, in the order in which they began, but for the present one: last."""
        tries = sorted(self._tries, key=lambda one: one is self.present)
        return [one.attempt for one in tries if one.attempt is not None]

    @property
    def waited_s(self) -> float:
        """Seconds spent on upstreams so far, to the last chunk; what overlaps counts once."""
        waited, until = 0.0, float("-inf")
        for one in self._tries:
            waited += max(0.0, one.until - max(one.started, until))
            until = max(until, one.until)
        return waited

    @property
    def tried(self) -> int:
        """How many deployments were tried, the present one included."""
        return len(self._tries)

    @property
    def detour(self) -> str | None:
        """What happened on the way to the present one: `escalated`, `hedged` or `failover`."""
        present = self.present
        if present is None or present is self._tries[0]:
            return None
        before = self._tries[: self._tries.index(present)]
        ends = {one.attempt.end for one in before if one.attempt is not None}
        if End.UNSURE in ends:
            return "escalated"
        return "hedged" if ends <= {End.OUTRUN} else "failover"

    @property
    def deployment(self) -> Deployment | None:
        """Where the request is now, or was last."""
        return None if self.present is None else self.present.step.deployment

    @property
    def applied(self) -> dict[str, int]:
        """How often each obligation was carried out there so far, on what was sent and came."""
        return {} if self.present is None else self.present.applied

    @property
    def usage(self) -> Usage | None:
        return None if self.present is None else self.present.usage

    @property
    def paid(self) -> list[tuple[Deployment, Usage, int]]:
        """Every usage that is known, for each is paid, and the bytes sent; the present one last."""
        tries = sorted(self._tries, key=lambda one: one is self.present)
        return [(o.step.deployment, o.usage, o.bytes_out) for o in tries if o.usage is not None]

    @property
    def status(self) -> int:
        return 0 if self.present is None else self.present.status

    @property
    def first_chunk_at(self) -> float | None:
        return None if self.present is None else self.present.first_chunk_at

    async def begin(self) -> Chunk:
        """The first chunk of the first deployment that answers, and is to be trusted.

        Where none is, the best one that was there is used all the same. Raises NodesExhausted when
        none answered, NoCapacity when none was free, DeadlineExceeded when time is up, and
        AnswerStopped when policy stops what one says; an attempt that the caller cancels ends
        there.
        """
        while (tried := await self._place()) is not None:
            try:
                return await self._answered(tried)
            except (AnswerStopped, DeadlineExceeded):
                raise
            except (BackendUnavailable, StreamBroken):
                continue
        if self._unsure is not None:
            self.present = self._unsure
            return self._unsure.released()
        raise self._exhausted()

    async def next(self) -> Chunk | None:
        """The chunk after that; None at the end. Raises StreamBroken when it breaks off."""
        chosen = self.present
        if chosen is None:
            return None
        try:
            chunk = await self._in_time(chosen.next())
        except (BackendUnavailable, DeadlineExceeded) as error:
            reason = end_of(error)
            await chosen.end(reason)
            raise StreamBroken(
                f"The answer broke off ({reason}) after it had begun.", reason=reason
            ) from error
        if chunk is None:
            await chosen.end(End.COMPLETE)
        return chunk

    async def close(self, end: End = End.CLIENT_GONE) -> None:
        """Ends what is still open, by default because the caller has gone. Records, then closes."""
        for one in self._tries:
            await one.end(end)
        if self._limits.freed is not None:
            self._limits.freed()

    async def _place(self) -> Try | None:
        """The next place, waiting for it where not one was free.

        Nobody waits for a better place than one that has answered.
        """
        again = bool(self._tries) and self._unsure is None
        if not self._left or (again and not self._limits.retry()):
            return None
        tried = self._start()
        if tried is None and self._unsure is None and self._limits.wait is not None:
            began = self._clock()
            try:
                tried = await self._in_time(self._limits.wait(self._start))
            finally:
                self.queued_s += self._clock() - began
        return tried

    @property
    def _left(self) -> list[Step]:
        """What was not tried."""
        if not self._tries:
            return list(self.steps)
        return [step for step in self.steps if all(step is not one.step for one in self._tries)]

    def _start(self, beside: Try | None = None) -> Try | None:
        """The next place that is free; `beside` another it must be as trusted as that one is."""
        for step in self._left:
            if beside is not None and not _may_stand_in(beside.step, step):
                continue
            if self._unsure is not None and not better(self._unsure.step, step):
                continue
            if self._situation.began(step.deployment.name):
                tried = Try(step, self._backends, self._situation, self._clock)
                tried.hedge = beside is not None
                self._tries.append(tried)  # so that it is ended, whatever happens
                self.present = tried
                self._situation.sent(step.deployment.name, step.request)
                return tried
        return None

    async def _answered(self, tried: Try) -> Chunk:
        """The first chunk of `tried`, or of one that was asked beside it because it was late."""
        if self._limits.hedge is None or not self._left:
            chunk = await self._first(tried)
        else:
            self.present, chunk = await self._raced(tried, self._limits.hedge)
        await self._unsure_no_more()
        return chunk

    async def _unsure_no_more(self) -> None:
        """A better place has answered, and what was held back of a lesser one is not needed."""
        if self._unsure is not None:
            await self._unsure.end(End.UNSURE)

    async def _first(self, tried: Try) -> Chunk:
        """Ends what fails, but not what is only unsure: it may have to do."""
        try:
            return await self._in_time(tried.first())
        except LowConfidence:
            await self._unsure_no_more()
            self._unsure = tried
            raise
        except BaseException as error:
            wait_s = error.retry_after_s if isinstance(error, SitusError) else None
            await tried.end(end_of(error), wait_s)
            raise

    async def _raced(self, tried: Try, may_hedge: Callable[[], bool]) -> tuple[Try, Chunk]:
        running = {asyncio.ensure_future(self._first(tried)): tried}
        failed: SitusError = BackendUnavailable("It did not answer.", reason=End.TIMEOUT)
        wait_s: float | None = _late_s(tried.step)
        end = End.OUTRUN
        try:
            while running:
                done, _ = await asyncio.wait(
                    running, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
                )
                wait_s = None
                for task in done:
                    one = running.pop(task)
                    try:
                        return one, task.result()
                    except (AnswerStopped, DeadlineExceeded):
                        raise
                    except (BackendUnavailable, StreamBroken) as error:
                        failed = error
                if not done and may_hedge() and (other := self._start(beside=tried)):
                    running[asyncio.ensure_future(self._first(other))] = other
            raise failed
        except asyncio.CancelledError as error:
            end = end_of(error)
            raise
        finally:
            for task, one in running.items():
                await one.end(end)
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _in_time(self, wanted: Awaitable[T]) -> T:
        """Raises DeadlineExceeded when time is up before it is here."""
        if self._limits.deadline is None:
            return await wanted
        try:
            async with asyncio.timeout(self._limits.deadline - self._clock()):
                return await wanted
        except TimeoutError:
            raise DeadlineExceeded("The answer was not whole when the time was up.") from None

    def _exhausted(self) -> SitusError:
        """Why no answer begins, and when it is worth while to ask again."""
        failure: SitusError
        line_s = None
        if self._tries:
            tried = ", ".join(f"{a.deployment} ({a.end})" for a in self.attempts)
            failure = NodesExhausted(f"Every allowed deployment was tried and failed: {tried}.")
        else:
            failure, line_s = NoCapacity("Every allowed deployment is busy."), self._limits.line_s()
        again_s = min(map(self._again_s, self.steps), default=None)
        failure.retry_after_s = retry_after(again_s if line_s is None else line_s)
        return failure

    def _again_s(self, step: Step) -> float:
        """When it may be tried; of what is full, when a place is likely to be free."""
        again_s = self._situation.again_s([step.deployment.name])
        return step.candidate.e2e_s / step.deployment.max_in_flight if again_s is None else again_s


def _late_s(step: Step) -> float:
    """When nothing having come is a reason to ask another."""
    expected = step.candidate
    return step.late * (expected.ttft_s if step.request.stream else expected.e2e_s)


def _may_stand_in(one: Step, other: Step) -> bool:
    """Whether the other place is no less trusted, and good enough if the first is."""
    strict = as_strict(one.deployment.locus, other.deployment.locus)
    return strict and other.candidate.adequate >= one.candidate.adequate


def better(lesser: Step, other: Step) -> bool:
    """Whether the other place's answers are expected to be better."""
    mine, theirs = lesser.candidate.quality, other.candidate.quality
    if mine is None or theirs is None:
        return other.deployment.model.capability > lesser.deployment.model.capability
    return theirs > mine
