"""Metrics in Prometheus' text format, counted from what was served."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from situs.core.fleet import Health
from situs.core.label import Label
from situs.core.record import End, Served
from situs.core.request import Wire
from situs.errors import PlacementDenied, SitusError
from situs.policy.judge import KNOWN_OBLIGATIONS
from situs.telemetry import names
from situs.telemetry.names import Family
from situs.telemetry.status import Status

SERIES = 2000
"""Label sets that a metric holds at most; what comes after counts under `other` for every label."""

TENANTS = 200
"""Tenants that are counted by name; those that come after count as `other`."""

NONE, OTHER = "none", "other"

_WIRES = frozenset(Wire)
_LABELS = frozenset(Label)
_CLASSES = frozenset({"2xx", "3xx", "4xx", "5xx"})
_PARTS = frozenset({"task", "route", "names"})
_GROUPS = frozenset({"pick", "baseline", "same"})
_RESULTS = frozenset({"sent", "full", "late", "changed", "failed"})
_OBLIGATIONS = KNOWN_OBLIGATIONS | {"restored"}
_TIERS = frozenset({"rule", "fast", "deep", "shed", "skipped"})

Labels = tuple[str, ...]


class _Histogram:
    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.sum = 0.0


class Metrics(Collector):
    """Owns every count. The values of its labels come from the configuration or a fixed set.

    Anything else becomes `other`, what does not apply `none`, so that no caller can add series.
    Safe to observe on one thread and render on another. With `by_tenant` it also counts tenants.
    """

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, status: Status, *, by_tenant: bool = False, series: int = SERIES) -> None:
        self._lock = Lock()
        self._most = series
        self._families = names.FAMILIES + (names.TENANT_FAMILIES if by_tenant else ())
        self._counts: dict[Family, dict[Labels, float]] = {f: {} for f in self._families}
        self._histograms: dict[Family, dict[Labels, _Histogram]] = {
            f: {} for f in self._families if f.buckets
        }
        self._tenants: set[str] | None = set() if by_tenant else None
        self._codes = frozenset(_codes(SitusError))
        self._process = ProcessCollector(registry=None)
        self._known: dict[str, frozenset[str]] = {}
        self._status = status
        self.set_status(status)

    def set_status(self, status: Status) -> None:
        """What is true now. Series of what is no longer configured are dropped."""
        known = {
            "deployment": frozenset(d.name for d in status.fleet.deployments),
            "locus": frozenset(d.locus.name for d in status.fleet.deployments),
            "currency": frozenset(d.price.currency for d in status.fleet.deployments if d.price),
            "route": frozenset(status.routes),
        }
        with self._lock:
            self._status = status
            if known != self._known:
                self._known = known
                self._forget()

    def observe(self, batch: Sequence[Served]) -> None:
        with self._lock:
            for served in batch:
                self._count(served)
                if self._tenants is not None:
                    self._count_tenant(served, self._tenants)

    def render(self) -> bytes:
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks for it."""
        with self._lock:
            counts = {f: dict(table) for f, table in self._counts.items()}
            histograms = {
                f: {labels: (list(h.counts), h.sum) for labels, h in table.items()}
                for f, table in self._histograms.items()
            }
            status = self._status
        counts.update(self._told(status))
        for family in self._families:
            if family.buckets:
                yield _histogram_of(family, histograms[family])
            else:
                yield _metric_of(family, counts[family])
        yield from self._process.collect()

    def _count(self, served: Served) -> None:
        outcome, wire = served.outcome, _of(served.wire, _WIRES)
        last = outcome.attempts[-1] if outcome.attempts else None
        place = NONE if last is None else self._one("deployment", last.deployment)
        locus = NONE if last is None else self._one("locus", last.locus)
        label, stream = _of(served.label, _LABELS), str(served.stream).lower()
        status = _of(f"{outcome.status // 100}xx", _CLASSES)
        code = NONE if outcome.code is None else _of(outcome.code, self._codes)
        self._count_attempts(served, place)
        if outcome.copy_of is not None:
            return  # nobody waited for it
        if (moded := outcome.moded) is not None:
            self._add(names.MODES, (moded.mode.value, _of(moded.group, _GROUPS), status))
        self._add(names.REQUESTS, (wire, place, locus, label, status, code, stream))
        if code == PlacementDenied.code:
            self._add(names.DENIED, (label,))
        if served.route is not None:
            self._add(names.ROUTED, (self._one("route", served.route),))
        self._time(names.DURATION, (place, stream), outcome.duration_s)
        self._time(names.OVERHEAD, (wire,), outcome.overhead_s)
        if outcome.analysis_s is not None:
            self._time(names.ANALYSIS, (), outcome.analysis_s)
        for part, tier in served.tiers.items():
            self._add(names.ANALYSED, (_of(part, _PARTS), _of(tier, _TIERS)))

    def _count_attempts(self, served: Served, place: str) -> None:
        for attempt in served.outcome.attempts:
            tried = self._one("deployment", attempt.deployment)
            self._add(names.ATTEMPTS, (tried, attempt.end.value))
            if attempt.confidence is not None or attempt.end is End.UNSURE:
                verdict = "escalated" if attempt.end is End.UNSURE else "kept"
                self._add(names.CASCADE, (tried, verdict))
            self._add(names.BYTES_OUT, (self._one("locus", attempt.locus),), attempt.bytes_out)
            for kind, times in attempt.obligations.items():
                self._add(names.OBLIGATIONS, (_of(kind, _OBLIGATIONS), tried), times)
        self._count_tokens(served, place)

    def _count_tokens(self, served: Served, place: str) -> None:
        outcome = served.outcome
        for kind, count in _tokens(served):
            self._add(names.TOKENS, (place, kind), count)
        currency = self._one("currency", outcome.currency or NONE)
        if outcome.cost is not None:
            self._add(names.COST, (place, currency), outcome.cost)
        if outcome.saved is not None:
            self._add(names.SAVED, (currency,), max(0.0, outcome.saved))
            self._add(names.OVERSPENT, (currency,), max(0.0, -outcome.saved))
        last = outcome.attempts[-1] if outcome.attempts else None
        if not served.stream or last is None or last.ttft_s is None:
            return
        self._time(names.TTFT, (place,), last.ttft_s)
        usage = outcome.usage
        if usage is not None and not usage.counted and usage.completion_tokens > 1:
            later = (last.duration_s - last.ttft_s) / (usage.completion_tokens - 1)
            self._time(names.TPOT, (place,), later)

    def _count_tenant(self, served: Served, tenants: set[str]) -> None:
        tenant = served.tenant
        if tenant not in tenants:
            if len(tenants) < TENANTS:
                tenants.add(tenant)
            else:
                tenant = OTHER
        self._add(names.TENANT_REQUESTS, (tenant,))
        for kind, count in _tokens(served):
            self._add(names.TENANT_TOKENS, (tenant, kind), count)
        if served.outcome.cost is not None:
            currency = self._one("currency", served.outcome.currency or NONE)
            self._add(names.TENANT_COST, (tenant, currency), served.outcome.cost)

    def _one(self, kind: str, value: str) -> str:
        return _of(value, self._known[kind])

    def _add(self, family: Family, labels: Labels, amount: float = 1) -> None:
        table = self._counts[family]
        labels = self._room(table, labels)
        table[labels] = table.get(labels, 0) + amount

    def _time(self, family: Family, labels: Labels, seconds: float) -> None:
        table = self._histograms[family]
        labels = self._room(table, labels)
        found = table.get(labels)
        if found is None:
            found = table[labels] = _Histogram(len(family.buckets))
        found.counts[bisect_left(family.buckets, seconds)] += 1
        found.sum += max(0.0, seconds)

    def _room(self, table: Mapping[Labels, object], labels: Labels) -> Labels:
        """The labels themselves, or `other` throughout when the table is full."""
        if labels in table or len(table) < self._most:
            return labels
        return (OTHER,) * len(labels)

    def _forget(self) -> None:
        """Drop the series with a value that is neither known nor fixed."""
        tables: list[tuple[Family, dict[Labels, float] | dict[Labels, _Histogram]]]
        tables = [*self._counts.items(), *self._histograms.items()]
        for family, table in tables:
            checked = [(i, self._known[x]) for i, x in enumerate(family.labels) if x in self._known]
            for labels in list(table):
                if any(labels[i] not in known | {NONE, OTHER} for i, known in checked):
                    del table[labels]

    def _told(self, status: Status) -> dict[Family, dict[Labels, float]]:
        """The values that are not counted here, but stand in the status."""
        fleet = list(zip(status.fleet.deployments, status.fleet.states, strict=True))
        refused: dict[Labels, float] = {}
        for code, count in status.refused.items():
            labels = (_of(code, self._codes),)
            refused[labels] = refused.get(labels, 0) + count
        facts = (
            (d.name, d.model.name, d.locus.name, d.locus.kind.value, d.locus.jurisdiction,
             str(d.locus.owned).lower())
            for d, _ in fleet
        )  # fmt: skip
        return {
            names.REFUSED: refused,
            names.RESTARTS: {(): status.restarts},
            names.CUT: {(): status.cut},
            names.COPIES: {
                (result,): count for result, count in status.copies.items() if result in _RESULTS
            },
            names.ROLLED_BACK: {(scope,): 1.0 for scope in status.rolled_back},
            names.SPANS_DROPPED: {(): status.spans_dropped},
            names.DEPLOYMENT_INFO: dict.fromkeys(facts, 1.0),
            names.HEALTH: {
                (d.name, health.value): float(state.health is health)
                for d, state in fleet
                for health in Health
            },
            names.IN_FLIGHT: {(d.name,): state.in_flight for d, state in fleet},
            names.PROBES: {
                (name, result): count
                for (name, result), count in status.probed.items()
                if name in {d.name for d, _ in fleet}
            },
            names.PROBE_COST: {
                (d.name, d.price.currency): status.probe_costs[d.name]
                for d, _ in fleet
                if d.price is not None and d.name in status.probe_costs
            },
            names.WORKERS: {(): status.workers},
            names.GENERATION: {(): status.generation},
            names.RECORDING_PROBLEM: {(): float(status.recording is not None)},
            names.INDEX_LAG: {(): status.index_lag_s},
            names.ANCHOR_AGE: {} if status.anchor_age_s is None else {(): status.anchor_age_s},
            names.HELD: {(): status.held},
            names.STARTED: {(): status.started_at},
            names.BUILD_INFO: {(status.version,): 1.0},
        }


def _codes(kind: type[SitusError]) -> Iterator[str]:
    yield kind.code
    for one in kind.__subclasses__():
        yield from _codes(one)


def _of(value: str, allowed: frozenset[str]) -> str:
    return value if value in allowed or value == NONE else OTHER


def _tokens(served: Served) -> Iterator[tuple[str, int]]:
    usage = served.outcome.usage
    if usage is not None:
        yield "prompt", usage.prompt_tokens
        yield "cached_prompt", usage.cached_prompt_tokens
        yield "completion", usage.completion_tokens


def _metric_of(family: Family, values: Mapping[Labels, float]) -> Metric:
    made: CounterMetricFamily | GaugeMetricFamily
    if family.kind == "counter":
        made = CounterMetricFamily(family.name, family.help, labels=family.labels)
    else:
        made = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in sorted(values.items()):
        made.add_metric(labels, value)
    return made


def _histogram_of(family: Family, values: Mapping[Labels, tuple[list[int], float]]) -> Metric:
    made = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    bounds = [*(str(float(bound)) for bound in family.buckets), "+Inf"]
    for labels, (counts, total) in sorted(values.items()):
        below, buckets = 0, []
        for bound, count in zip(bounds, counts, strict=True):
            below += count
            buckets.append((bound, float(below)))
        made.add_metric(labels, buckets, total)
    return made
