"""What a worker does with copies: sends them when it is idle, and keeps how they compare.

A copy goes the whole way of a request: judged anew on what the original was found to be, its
receipt before anything leaves, its obligations carried out. Only its session is not touched.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from situs.core.record import NO_LOG, UNLOGGED, Attempt, End, Outcome
from situs.core.request import Copy
from situs.dispatch.obliged import HOLD
from situs.dispatch.shadow import LONGEST, Heard, Original, Shadow, agreement
from situs.errors import StreamBroken
from situs.gateway import Answer, Gateway, terms_of
from situs.http.inference import new_id
from situs.stores.comparisons import Compared, add

_FULL = 0.5
"""A place of which so much is taken gets no copies."""


class Copies:
    """Owns the copies that wait in a worker. `gateway` must be set before the first request.

    `hurried`: there is more to do than can be done.
    """

    def __init__(self, data: Path, hurried: Callable[[], bool]) -> None:
        self._data = data
        self._hurried = hurried
        self.gateway: Gateway | None = None
        self.shadow = Shadow(self._send, self._idle, time.monotonic)

    def mirror(self, answer: Answer, outcome: Outcome) -> None:
        """Takes an answer that is over; never raises. See `gateway.Gateway.mirror`."""
        decision, heard = answer.decision, answer.heard
        last = outcome.attempts[-1] if outcome.attempts else None
        if heard is None or answer.first is None or last is None or last.end is not End.COMPLETE:
            return
        held = {one.deployment for one in decision.policy.obligations if one.kind == HOLD}
        data = answer.first.data + heard.data
        data = b"" if heard.over or len(data) > LONGEST else data
        for to in decision.placement.copies:
            if to != last.deployment and to not in held:
                terms = terms_of(answer.snapshot)
                self.shadow.offer(Original(answer.request, decision, outcome, data, to, terms))

    def counted(self) -> dict[str, int]:
        """What became of copies since it was asked last, by `Shadow.counts`."""
        counts, self.shadow.counts = self.shadow.counts, Counter()
        return dict(counts)

    def _idle(self, original: Original) -> bool:
        """Neither this process nor the place that is asked has much to do."""
        gateway = self.gateway
        if gateway is None or self._hurried() or len(gateway.line):
            return False
        fleet = gateway.situation.current().snapshot.fleet
        return any(
            one.name == original.to and state.in_flight < _FULL * one.max_in_flight
            for one, state in zip(fleet.deployments, fleet.states, strict=True)
        )

    async def _send(self, original: Original) -> str | None:
        gateway = self.gateway
        if gateway is None or terms_of(gateway.situation.current().snapshot) != original.terms:
            return "changed"
        copy = Copy(of=original.request.id, at=original.to)
        request = replace(original.request, id=new_id(), copy=copy, trace=None)
        heard = Heard()
        answer = await gateway.handle(request, original.decision.analysis)
        try:
            with suppress(StreamBroken):  # its end says so
                async with aclosing(answer.chunks()) as chunks:
                    async for chunk in chunks:
                        heard.add(chunk)
        finally:
            await answer.close(End.STOPPED)
        if attempts := answer.walk.attempts:
            said = b"" if heard.over else heard.data
            await gateway.aside(partial(self._keep, original, request.id, attempts[-1], said))
        return None

    def _keep(self, original: Original, id_: str, copied: Attempt, said: bytes) -> None:
        """Long texts take a moment to compare, and the database may be busy."""
        add(self._data, compared(original, id_, copied, said, time.time()))


def compared(original: Original, id_: str, copied: Attempt, said: bytes, now: float) -> Compared:
    """The numbers of an original and its copy, side by side."""
    analysis, policy = original.decision.analysis, original.decision.policy
    logged = all(one.kind != NO_LOG for one in policy.obligations)
    served = original.outcome.attempts[-1]
    whole = copied.end is End.COMPLETE
    alike = agreement(original.answer, said) if whole else None
    return Compared(
        id=id_,
        of=original.request.id,
        at=now,
        tenant=original.request.principal.tenant if logged else UNLOGGED,
        route=analysis.routed.route if logged and analysis.routed is not None else None,
        task=analysis.task if logged else UNLOGGED,
        served=served.deployment,
        copied=copied.deployment,
        end=copied.end.value,
        same=None if alike is None else alike.same,
        similarity=None if alike is None else round(alike.similarity, 4),
        ttft_s=served.ttft_s if original.request.stream else None,
        copied_ttft_s=copied.ttft_s if original.request.stream else None,
        e2e_s=served.duration_s,
        copied_e2e_s=copied.duration_s,
        cost=served.cost,
        copied_cost=copied.cost,
        currency=original.outcome.currency,
        tokens=served.usage.completion_tokens if served.usage else None,
        copied_tokens=copied.usage.completion_tokens if copied.usage else None,
        key=original.request.principal.key if logged else None,
        needs=analysis.needs.value if logged else None,
        model=served.model,
        copied_model=copied.model,
    )
