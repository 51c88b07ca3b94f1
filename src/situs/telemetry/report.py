"""The last minute in figures, and the document that `GET /situs/v1/status` answers with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from msgspec import Struct, field

from situs.core.fleet import Condition, Deployment, DeploymentState
from situs.core.record import Served
from situs.errors import PlacementDenied
from situs.telemetry.status import Status

_STEP = math.log(1.05)
_LEAST_S = 1e-6


class Spread(Struct, frozen=True):
    """The middle and the slow end, in seconds within 3 percent; None where nothing was measured."""

    p50: float | None = None
    p95: float | None = None


class Figures(Struct, frozen=True):
    """What was served in the window. `errors` are answers of 500 and above; money is per hour."""

    requests: int
    errors: int
    rps: float
    tokens_per_s: float
    cost_per_h: float
    saved_per_h: float
    ttft_s: Spread
    overhead_s: Spread
    in_flight: int


class DeploymentReport(Struct, frozen=True):
    """One deployment: its facts, its state, and what it served last.

    `why` it is not well, for how many seconds, and in how many it is tried again, where known.
    """

    name: str
    model: str
    locus: str
    kind: str
    jurisdiction: str
    owned: bool
    health: str
    max_in_flight: int
    figures: Figures
    why: str = ""
    for_s: float = 0.0
    again_s: float | None = None


class StatusReport(Struct, frozen=True):
    """How the system is: now, and over the last `window_s` seconds. `at` is wall time.

    `url` is where it listens; "" of a version that does not say so. `revision` is what the bundle
    that the policy came in calls itself; "" where it came in none. `tiers` counts, for each part
    of an analysis, what it was found by.
    """

    at: float
    version: str
    uptime_s: float
    window_s: float
    generation: int
    policy: str
    workers: int
    currency: str | None
    denied: int
    refused: int
    labels: dict[str, int]
    total: Figures
    deployments: tuple[DeploymentReport, ...]
    problems: tuple[str, ...]
    url: str = ""
    analysis_s: Spread = Spread()
    tiers: dict[str, dict[str, int]] = {}
    revision: str = ""


class _Tally(Struct):
    """What was counted. Times lie in steps of 5 percent, so that their number does not matter."""

    requests: int = 0
    errors: int = 0
    denied: int = 0
    tokens: int = 0
    cost: float = 0.0
    saved: float = 0.0
    ttft: Counter[int] = field(default_factory=Counter)
    overhead: Counter[int] = field(default_factory=Counter)
    analysis: Counter[int] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    tiers: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, served: Served) -> None:
        outcome = served.outcome
        usage, last = outcome.usage, outcome.attempts[-1] if outcome.attempts else None
        if outcome.copy_of is not None:  # nobody waited for it
            self.cost += outcome.cost or 0.0
            return
        self.requests += 1
        self.errors += outcome.status >= 500
        self.denied += outcome.code == PlacementDenied.code
        self.tokens += 0 if usage is None else usage.completion_tokens
        self.cost += outcome.cost or 0.0
        self.saved += outcome.saved or 0.0
        self.overhead[_step(outcome.overhead_s)] += 1
        if outcome.analysis_s is not None:
            self.analysis[_step(outcome.analysis_s)] += 1
        self.labels[served.label] += 1
        self.tiers.update(served.tiers.items())
        if served.stream and last is not None and last.ttft_s is not None:
            self.ttft[_step(last.ttft_s)] += 1

    def add(self, other: _Tally) -> None:
        for name in ("requests", "errors", "denied", "tokens", "cost", "saved"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("ttft", "overhead", "analysis", "labels", "tiers"):
            getattr(self, name).update(getattr(other, name))

    def figures(self, span_s: float, in_flight: int) -> Figures:
        return Figures(
            requests=self.requests,
            errors=self.errors,
            rps=self.requests / span_s,
            tokens_per_s=self.tokens / span_s,
            cost_per_h=self.cost / span_s * 3600,
            saved_per_h=self.saved / span_s * 3600,
            ttft_s=_spread(self.ttft),
            overhead_s=_spread(self.overhead),
            in_flight=in_flight,
        )


class Window:
    """Counts what ended in the last `span_s` whole seconds; its size depends on nothing else.

    Times are wall time in seconds. What ended before the window (receipts read again after a
    restart) does not count, and what seems to end later than now ends now.
    """

    def __init__(self, started_at: float, span_s: int = 60) -> None:
        self._started_at = started_at
        self._span_s = span_s
        self._seconds: dict[int, dict[str | None, _Tally]] = {}

    def add(self, batch: Iterable[Served], now: float) -> None:
        self._trim(now)
        for served in batch:
            second = math.floor(min(served.outcome.at, now))
            if second <= math.floor(now) - self._span_s:
                continue
            tallies = self._seconds.setdefault(second, {})
            attempts = served.outcome.attempts
            place = attempts[-1].deployment if attempts else None
            tallies.setdefault(place, _Tally()).count(served)

    def report(self, now: float, status: Status) -> StatusReport:
        self._trim(now)
        span_s = min(max(now - self._started_at, 1.0), float(self._span_s))
        sums = self._sums()
        total = _Tally()
        for tally in sums.values():
            total.add(tally)
        fleet = list(zip(status.fleet.deployments, status.fleet.states, strict=True))
        prices = [d.price for d, _ in fleet if d.price is not None]
        return StatusReport(
            at=now,
            version=status.version,
            uptime_s=max(0.0, now - status.started_at),
            window_s=span_s,
            generation=status.generation,
            policy=status.policy,
            revision=status.revision,
            workers=status.workers,
            currency=prices[0].currency if prices else None,
            denied=total.denied,
            refused=sum(status.refused.values()),
            labels=dict(total.labels),
            total=total.figures(span_s, sum(state.in_flight for _, state in fleet)),
            deployments=tuple(
                _deployment(
                    d, state, sums.get(d.name, _Tally()).figures(span_s, state.in_flight), status
                )
                for d, state in fleet
            ),
            problems=tuple(_problems(status)),
            url=status.url,
            analysis_s=_spread(total.analysis),
            tiers=_by_part(total.tiers),
        )

    def _sums(self) -> dict[str | None, _Tally]:
        sums: dict[str | None, _Tally] = {}
        for tallies in self._seconds.values():
            for place, tally in tallies.items():
                sums.setdefault(place, _Tally()).add(tally)
        return sums

    def _trim(self, now: float) -> None:
        first = math.floor(now) - self._span_s
        for second in [s for s in self._seconds if s <= first]:
            del self._seconds[second]


def _deployment(
    deployment: Deployment, state: DeploymentState, figures: Figures, status: Status
) -> DeploymentReport:
    condition = status.conditions.get(deployment.name) or Condition(state.health)
    return DeploymentReport(
        name=deployment.name,
        model=deployment.model.name,
        locus=deployment.locus.name,
        kind=deployment.locus.kind.value,
        jurisdiction=deployment.locus.jurisdiction,
        owned=deployment.locus.owned,
        health=condition.health.value,
        max_in_flight=deployment.max_in_flight,
        figures=figures,
        why=condition.why,
        for_s=condition.for_s,
        again_s=condition.again_s,
    )


def _by_part(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (part, tier), count in sorted(counts.items()):
        found.setdefault(part, {})[tier] = count
    return found


def _problems(status: Status) -> Iterator[str]:
    if status.recording is not None:
        yield f"receipts: {status.recording}"
    yield from status.problems


def _step(seconds: float) -> int:
    return round(math.log(max(seconds, _LEAST_S) / _LEAST_S) / _STEP)


def _spread(steps: Counter[int]) -> Spread:
    if not steps:
        return Spread()
    ordered = sorted(steps.items())
    return Spread(_quantile(ordered, 0.5), _quantile(ordered, 0.95))


def _quantile(ordered: Sequence[tuple[int, int]], share: float) -> float:
    """The least step that `share` of all do not exceed (nearest rank)."""
    wanted = math.ceil(share * sum(count for _, count in ordered))
    up_to = accumulate(count for _, count in ordered)
    step = next(step for (step, _), seen in zip(ordered, up_to, strict=True) if seen >= wanted)
    return _LEAST_S * math.exp(step * _STEP)
