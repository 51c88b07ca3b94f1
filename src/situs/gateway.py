"""The request path: receive, decide, transform, dispatch, record.

Read this file from top to bottom to know what happens to a request. It performs no I/O of its own:
the outside arrives through the ports of `core.ports`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec.structs import replace

from situs.backends import template
from situs.core.decision import Analysis, Decision
from situs.core.fleet import Deployment
from situs.core.label import Label, highest
from situs.core.ports import Approvals, Chunk, Receipts, Sessions, Situation
from situs.core.record import Approval, Decided, End, Outcome, ReceiptRef
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.decide import deciding, judging
from situs.dispatch.attempt import Step, end_of
from situs.dispatch.budget import Budgets
from situs.dispatch.canaries import carry_canaries
from situs.dispatch.line import Line, urgency
from situs.dispatch.obliged import HOLD, obliged_steps
from situs.dispatch.refusal import refusal
from situs.dispatch.shadow import Heard, nowhere
from situs.dispatch.walk import Limits, Walk
from situs.errors import (
    CanaryFound,
    InternalError,
    NotApproved,
    ObligationUnmet,
    SitusError,
    StreamBroken,
)
from situs.placement.bill import Bill, Paid, bill
from situs.placement.modes import moded
from situs.placement.prefix import blocks_of

LONG = 32 * 1024
"""Bytes of a request from which on its analysis leaves the event loop."""

APPROVAL_S = 300.0
"""How long a request waits for a person, where the policy does not say."""

CLIENT_CLOSED_REQUEST = 499
"""The status on record when the caller left before an answer began (nginx's convention)."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Binds the decision to the outside world. `wall` and `clock` are seconds.

    `aside` does the work that a long request takes away from the event loop, which never blocks;
    `deep` does what the deep tier is asked for, or gives None where there is no time for it.
    `hurried`: there is more to do than can be done, and rules stand in for learned heads.
    `budgets` bound second attempts, who finds no place free waits in `line`. Pseudonyms are drawn
    from `secret`. `mirror` is told of answers that are to be compared with a copy.
    """

    situation: Situation
    receipts: Receipts
    wall: Callable[[], float]
    clock: Callable[[], float]
    aside: Callable[[Callable[[], Any]], Awaitable[Any]]
    deep: Callable[[Callable[[], Any]], Awaitable[Any | None]]
    hurried: Callable[[], bool]
    sessions: Sessions
    approvals: Approvals
    budgets: Budgets
    line: Line
    secret: bytes
    mirror: Callable[[Answer, Outcome], None] = nowhere

    async def explain(self, request: Request) -> Decision:
        """The decision alone: nothing is sent, nothing is recorded."""
        request = await self._remembered(request)
        decision, _ = await self._decide(request, self.situation.current().snapshot, False)
        return decision

    async def _remembered(self, request: Request) -> Request:
        """The request with what its session has touched so far. Raises CannotRecord."""
        session = request.ask.session
        if session is None or request.copy is not None:
            return request
        label = await self.sessions.label(request.principal.tenant, session)
        return replace(request, session_label=label) if label > Label.PUBLIC else request

    async def _remember(self, request: Request, decision: Decision) -> Label | None:
        """What its session has touched from now on; None where it names none.

        Raises CannotRecord; then nothing may leave.
        """
        session = request.ask.session
        if session is None:
            return None
        label, was = session_label(request, decision), request.session_label
        if request.copy is not None:
            return label
        if label > was:
            await self.sessions.raised(request.principal.tenant, session, label)
        elif label < was:
            await self.sessions.lowered(request.principal.tenant, session, was, label)
        return label

    async def _decide(
        self, request: Request, snapshot: Snapshot, hurried: bool, known: Analysis | None = None
    ) -> tuple[Decision, float]:
        """`decide`, with the event loop free meanwhile, and the seconds that analysing took."""
        aside = request.size > LONG
        blocks = await self.aside(partial(blocks_of, request)) if aside else None
        warm = self.situation.warm(request, blocks)
        if known is None:
            deciding_ = deciding(request, snapshot, self.wall(), hurried=hurried, warm=warm)
        else:
            deciding_ = judging(request, snapshot, self.wall(), known, warm=warm)
        analysis_s = 0.0
        try:
            work = next(deciding_)
            while True:
                began = self.clock()
                result: Any
                if work.asks is not None and snapshot.policy.ask is not None:
                    result = await snapshot.policy.ask(work.asks)
                elif work.deep:
                    result = await self.deep(work.run)
                elif aside:
                    result = await self.aside(work.run)
                else:
                    result = work.run()
                analysis_s += self.clock() - began
                work = deciding_.send(result)
        except StopIteration as done:
            return done.value, analysis_s

    async def _steps(self, answer: Answer) -> Sequence[Step]:
        """The ranking as places to try, with what is sent to each, and nothing else.

        Raises PlacementDenied, or why nothing is left.
        """
        request, decision, snapshot = answer.request, answer.decision, answer.snapshot
        if not decision.placement.ranked:
            raise refusal(request, decision, snapshot, self.situation.again_s)
        plan = partial(obliged_steps, request, decision, snapshot, self.secret)
        if decision.policy.obligations and request.size > LONG:
            steps, unmet = await self.aside(plan)
        else:
            steps, unmet = plan()
        if not steps:
            told = "; ".join(f"{name}: {code}" for name, code in unmet.items())
            label = decision.analysis.label
            raise ObligationUnmet(f"The request is {label}; what policy asks for fails ({told}).")
        if HOLD not in steps[0].applied or request.copy is not None:
            return [step for step in steps if HOLD not in step.applied]
        return await self._held(answer, steps)

    async def _stop_canaries(
        self, request: Request, steps: Sequence[Step], snapshot: Snapshot
    ) -> None:
        """Raises CanaryFound if a planted token would leave for a place that is not owned."""
        if not snapshot.canaries:
            return
        look = partial(carry_canaries, steps, snapshot.canaries)
        if await self.aside(look) if request.size > LONG else look():
            raise CanaryFound("The request would carry a canary token away; it stays here.")

    async def _held(self, answer: Answer, steps: Sequence[Step]) -> Sequence[Step]:
        """The steps, after a person said yes; without it those that need none.

        Raises NotApproved where all do, and where the terms it was judged on hold no more.
        """
        decision, first = answer.decision, steps[0].deployment.name
        owed = (one for one in decision.policy.obligations if one.deployment == first)
        limits = [one.limit for one in owed if one.kind == HOLD and one.limit]
        timeout_s, asked = min(limits, default=APPROVAL_S), self.clock()
        try:
            word = await self.approvals.word(answer.request, decision, timeout_s)
        finally:
            answer.held_s = self.clock() - asked
        answer.approval = word
        if terms_of(self.situation.current().snapshot) != terms_of(answer.snapshot):
            raise NotApproved("Policy or fleet changed while the request waited; nothing was sent.")
        if word is not None and word.approved:
            return steps
        free = [step for step in steps if HOLD not in step.applied]
        if not free:
            raise NotApproved(f"The request is {decision.analysis.label}; nobody approved it.")
        return free

    def _limits(self, request: Request, decision: Decision, started: float) -> Limits:
        given, urgent = request.ask.deadline_s, urgency(request, decision.analysis)
        patience_s = self.line.patience_s if given is None else given
        if request.copy is not None:  # it takes no place that others wait for
            until = None if given is None else started + given
            return Limits(until, retry=lambda: False, freed=self.line.look)
        self.budgets.earn()
        return Limits(
            deadline=None if given is None else started + given,
            retry=self.budgets.retries.spend,
            hedge=self.budgets.hedges.spend if decision.placement.hedge else None,
            wait=partial(self.line.wait, urgent, patience_s),
            freed=self.line.look,
            line_s=self.line.over_s,
        )

    async def handle(self, request: Request, known: Analysis | None = None) -> Answer:
        """Serve one request; returns when the answer has begun, or cannot begin.

        The decision is written before anything is sent: no receipt, no dispatch (CannotRecord).
        Afterwards exactly one outcome is written, whatever happens; the caller must `close`. Where
        the route of the request answers with a template, nothing is sent at all. A copy has the
        analysis of the original (`known`).
        """
        started = self.clock()
        current = self.situation.current()
        snapshot = current.snapshot
        request = await self._remembered(request)
        decision, analysis_s = await self._decide(request, snapshot, self.hurried(), known)
        session = await self._remember(request, decision)
        own = _own_answer(request, decision, snapshot)
        record = Decided(request, decision, snapshot.fleet, session)
        receipt = await self.receipts.decided(record)
        limits = self._limits(request, decision, started)
        walk = Walk((), current.backends, self.situation, self.clock, limits)
        answer = Answer(self, request, snapshot, decision, receipt, walk, started, analysis_s, own)
        if own:
            answer.first = own[0]
            return answer
        try:
            walk.steps = await self._steps(answer)
            await self._stop_canaries(request, walk.steps, snapshot)
            answer.first = await walk.begin()
            answer.heard = Heard() if decision.placement.copies else None
        except SitusError as error:
            answer.error = error.with_traceback(None)  # it would keep all of this alive in a cycle
            await answer.close()
        except BaseException as error:
            if isinstance(error, Exception):
                answer.error = InternalError("Situs failed to handle the request.")
            await answer.close(end_of(error))
            raise
        return answer


@dataclass(slots=True)
class Answer:
    """An answer that has begun, or the error that it ended in before it could.

    `own` are the chunks of one that Situs gives itself, `held_s` is how long a person took, and
    `approval` what was said. `heard` keeps what is to be compared with a copy, `billed` the last
    bill and what it is of.
    """

    gateway: Gateway
    request: Request
    snapshot: Snapshot
    decision: Decision
    receipt: ReceiptRef
    walk: Walk
    started: float
    analysis_s: float
    own: tuple[Chunk, ...] = ()
    first: Chunk | None = None
    error: SitusError | None = None
    recorded: bool = False
    held_s: float = 0.0
    approval: Approval | None = None
    heard: Heard | None = None
    billed: tuple[Paid, Bill] | None = None

    @property
    def status(self) -> int:
        """What the caller gets: once an answer has begun, an error cannot change it."""
        if self.first is not None:
            return 200 if self.own else self.walk.status
        return CLIENT_CLOSED_REQUEST if self.error is None else self.error.status

    @property
    def deployment(self) -> Deployment | None:
        """Where the answer comes from, or the last place that was tried."""
        return self.walk.deployment

    def overhead_s(self) -> float:
        """Seconds in Situs so far: all but waiting for upstreams, a place, or a person."""
        waited = self.walk.waited_s + self.walk.queued_s + self.held_s
        return max(0.0, self.gateway.clock() - self.started - waited)

    def bill(self) -> Bill:
        """What it cost and saved, as far as usage and prices are known."""
        paid = self.walk.paid
        if self.billed is None or self.billed[0] != paid:
            self.billed = paid, bill(paid, self.request, self.decision, self.snapshot)
        return self.billed[1]

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """The whole body. Raises StreamBroken if it breaks off after the first chunk."""
        if self.first is None:
            return
        yield self.first
        for own in self.own[1:]:
            yield own
        try:
            while (chunk := await self.walk.next()) is not None:
                if self.heard is not None:
                    self.heard.add(chunk)
                yield chunk
        except StreamBroken as error:
            self.error = error
            raise

    async def stop(self) -> StreamBroken:
        """End an answer that has begun because the gateway stops; the error to tell the caller."""
        error = StreamBroken("The gateway stopped before the answer was whole.", reason=End.STOPPED)
        self.error = error
        await self.close(End.STOPPED)
        return error

    async def close(self, end: End = End.CLIENT_GONE) -> None:
        """End what is open and write the outcome, even while being cancelled; idempotent."""
        try:
            await self.walk.close(end)
        finally:
            if not self.recorded:
                self.recorded = True
                outcome = self._outcome()
                self.gateway.receipts.ended(outcome)
                if self.heard is not None:
                    self.gateway.mirror(self, outcome)

    def _outcome(self) -> Outcome:
        paid, copy = self.bill(), self.request.copy
        return Outcome(
            id=self.request.id,
            at=self.gateway.wall(),
            status=self.status,
            code=None if self.error is None else self.error.code,
            attempts=tuple(self.walk.attempts),
            usage=self.walk.usage,
            cost=paid.cost,
            saved=None if copy else paid.saved,
            currency=paid.currency,
            overhead_s=self.overhead_s(),
            duration_s=self.gateway.clock() - self.started,
            analysis_s=self.analysis_s,
            approval=self.approval,
            moded=None if self.own else moded(self.decision.placement),
            copy_of=copy.of if copy else None,
        )


def terms_of(snapshot: Snapshot) -> tuple[str, str]:
    """What a verdict stands on: the digests of the policy, and of what it says the fleet is."""
    return snapshot.policy.digest, snapshot.fleet.digest


def session_label(request: Request, decision: Decision) -> Label:
    """The label of the request's session from now on: it only rises, unless policy lowers it.

    What the policy declassifies it to is never lower than what this request has by itself.
    """
    analysis, lowered = decision.analysis, decision.policy.declassify
    if lowered is None:
        return max(request.session_label, analysis.label)
    own = highest(reason.label for reason in analysis.reasons if reason.source != "session")
    return max(lowered, own)


def _own_answer(request: Request, decision: Decision, snapshot: Snapshot) -> tuple[Chunk, ...]:
    """What the template of the request's route says; nothing where a model is to answer."""
    text = snapshot.routes.answer(request, decision.analysis.routed)
    return () if text is None else template.chunks(request, text, decision.at)
