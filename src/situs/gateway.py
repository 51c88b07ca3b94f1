"""The request path: receive, decide, transform, dispatch, record.

Read this file from top to bottom to know what happens to a request. It performs no I/O of its own:
the outside arrives through the ports of `core.ports`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from msgspec import Struct

from situs.core.decision import Decision
from situs.core.fleet import Deployment
from situs.core.ports import Backends, Chunk, Receipts, Situation
from situs.core.record import Decided, Outcome, ReceiptRef
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.decide import decide
from situs.dispatch.walk import Step, Walk
from situs.errors import NoCapacity, PlacementDenied, SitusError, StreamBroken
from situs.placement.estimates import cost_of, rented_cost


class Gateway:
    """Binds the decision to the outside world."""

    def __init__(
        self,
        situation: Situation,
        backends: Backends,
        receipts: Receipts,
        *,
        wall: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self.situation = situation
        self._backends = backends
        self._receipts = receipts
        self._wall = wall
        self._clock = clock

    def explain(self, request: Request) -> Decision:
        """The decision alone: nothing is sent, nothing is recorded."""
        return decide(request, self.situation.snapshot(), self._wall())

    async def handle(self, request: Request) -> Answer:
        """Serve one request; returns when the answer has begun, or cannot begin.

        The decision is written before anything is sent: no receipt, no dispatch (CannotRecord).
        Afterwards exactly one outcome is written, whatever happens; the caller must `close`.
        """
        started = self._clock()
        snapshot = self.situation.snapshot()
        decision = decide(request, snapshot, self._wall())
        receipt = await self._receipts.decided(Decided(request, decision))
        walk = Walk(request, steps(decision, snapshot), self._backends, self.situation, self._clock)
        answer = Answer(request, decision, receipt, walk, self._record(snapshot, started))
        try:
            if not decision.placement.ranked:
                raise refusal(decision)
            answer.first = await walk.begin()
        except SitusError as error:
            answer.error = error
            await answer.close()
        except BaseException:
            await answer.close()
            raise
        return answer

    def _record(self, snapshot: Snapshot, started: float) -> Callable[[Answer], Outcome]:
        def record(answer: Answer) -> Outcome:
            walk, now = answer.walk, self._clock()
            bill = money(answer, snapshot)
            outcome = Outcome(
                id=answer.request.id,
                at=self._wall(),
                status=answer.status,
                code=None if answer.error is None else answer.error.code,
                attempts=tuple(walk.attempts),
                usage=walk.usage,
                cost=bill.cost,
                saved=bill.saved,
                currency=bill.currency,
                overhead_s=max(0.0, now - started - walk.waited_s),
                duration_s=now - started,
            )
            self._receipts.ended(outcome)
            return outcome

        return record


class Answer:
    """An answer that has begun, or the error it ended in before it could.

    `outcome` is there after `close`. Headers are written from `decision`, `receipt` and `walk`.
    """

    def __init__(
        self,
        request: Request,
        decision: Decision,
        receipt: ReceiptRef,
        walk: Walk,
        record: Callable[[Answer], Outcome],
    ) -> None:
        self.request = request
        self.decision = decision
        self.receipt = receipt
        self.walk = walk
        self.first: Chunk | None = None
        self.error: SitusError | None = None
        self.outcome: Outcome | None = None
        self._record = record

    @property
    def status(self) -> int:
        """What the caller gets: once an answer has begun, an error cannot change it."""
        if self.first is not None:
            return self.walk.status
        return 499 if self.error is None else self.error.status

    @property
    def deployment(self) -> Deployment | None:
        return self.walk.deployment

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """The whole body. Raises StreamBroken if it breaks off after the first chunk."""
        if self.first is None:
            return
        yield self.first
        try:
            async with aclosing(self.walk.rest()) as rest:
                async for chunk in rest:
                    yield chunk
        except StreamBroken as error:
            self.error = error
            raise

    async def close(self) -> None:
        """Ends what is open and writes the outcome; safe to call twice.

        The outcome is written even while the task is being cancelled.
        """
        try:
            await self.walk.close()
        finally:
            if self.outcome is None:
                self.outcome = self._record(self)


def steps(decision: Decision, snapshot: Snapshot) -> list[Step]:
    """The ranking as places to try; nothing but what the decision ranked."""
    by_name = {d.name: d for d in snapshot.fleet.deployments}
    return [Step(by_name[c.deployment], c) for c in decision.placement.ranked]


def refusal(decision: Decision) -> SitusError:
    """Why nothing is left: policy's doing (403), or the filters' (503)."""
    if decision.policy.allowed:
        return _no_capacity(decision)
    label = decision.analysis.label.word
    reasons = sorted({e.code for e in decision.policy.exclusions})
    cause = decision.policy.error or ", ".join(reasons) or "the policy allowed nothing"
    return PlacementDenied(f"The request is {label} and policy allows it nowhere: {cause}.")


def _no_capacity(decision: Decision) -> NoCapacity:
    lacks: dict[str, list[str]] = {}
    for exclusion in decision.placement.exclusions:
        lacks.setdefault(exclusion.deployment, []).append(exclusion.code)
    told = "; ".join(f"{name}: {', '.join(codes)}" for name, codes in lacks.items())
    label = decision.analysis.label.word
    error = NoCapacity(f"The request is {label}; no allowed deployment can take it ({told}).")
    error.retry_after_s = 5
    return error


class Bill(Struct, frozen=True):
    """What a request cost and saved; None where no price or no usage is known."""

    cost: float | None = None
    saved: float | None = None
    currency: str | None = None


def money(answer: Answer, snapshot: Snapshot) -> Bill:
    """The bill from the reported usage; the saving is against renting (`rented_cost`)."""
    deployment, usage = answer.deployment, answer.walk.usage
    if deployment is None or deployment.price is None or usage is None:
        return Bill()
    size = answer.request.size
    cost = cost_of(deployment, usage, size)
    rented = rented_cost(snapshot.fleet, answer.decision.analysis, usage, size)
    saved = None if cost is None or rented is None else rented - cost
    return Bill(cost, saved, deployment.price.currency)
