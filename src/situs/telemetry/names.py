"""Every metric by name: its kind, its meaning, its labels. docs/reference/metrics.md lists them.

Names follow Prometheus' conventions (base units, `_total`). Where OpenTelemetry's semantic
conventions for generative AI have a counterpart, buckets are theirs.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

_TTFT = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_TPOT = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
_E2E = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


class Family(Struct, frozen=True, eq=False):
    """One metric: all the series that differ by labels only. Buckets are upper bounds.

    There is one object of each, so that a table by families is quick.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, meaning: str, *labels: str) -> Family:
    return Family(name, "counter", meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> Family:
    return Family(name, "gauge", meaning, labels)


REQUESTS = _counter(
    "situs_requests_total",
    "Requests that were decided and have ended, by the last deployment that was tried.",
    "wire",
    "deployment",
    "locus",
    "label",
    "status_class",
    "code",
    "stream",
)
ATTEMPTS = _counter(
    "situs_attempts_total", "Tries at a deployment, by how they ended.", "deployment", "end"
)
CASCADE = _counter(
    "situs_cascade_total",
    "Answers judged by a cascade: kept, or a better model was asked.",
    "deployment",
    "verdict",
)
TOKENS = _counter(
    "situs_tokens_total",
    "Tokens as backends reported them; cached_prompt is a part of prompt.",
    "deployment",
    "kind",
)
COST = _counter(
    "situs_cost_total", "Money spent, at the configured prices.", "deployment", "currency"
)
SAVED = _counter(
    "situs_saved_total", "Money not spent, against the cheapest adequate public cloud.", "currency"
)
OVERSPENT = _counter(
    "situs_overspent_total",
    "Money spent beyond what the cheapest adequate public cloud would have cost.",
    "currency",
)
BYTES_OUT = _counter("situs_bytes_out_total", "Bytes of request bodies sent.", "locus")
DENIED = _counter("situs_decisions_denied_total", "Requests that policy allowed nowhere.", "label")
ANALYSED = _counter(
    "situs_analysed_total",
    "Parts of analyses, by what they were found with.",
    "part",
    "tier",
)
ROUTED = _counter("situs_routed_total", "Requests found to be of a named route.", "route")
REFUSED = _counter("situs_refused_total", "Answers given before any decision.", "code")
RESTARTS = _counter("situs_worker_restarts_total", "Workers that died and were replaced.")
CUT = _counter(
    "situs_attempts_cut_total",
    "Attempts in flight at a worker that died: decided, and without an outcome.",
)
OBLIGATIONS = _counter(
    "situs_obligations_total",
    "How often what policy asks for was done: texts hidden, findings in answers, requests held.",
    "kind",
    "deployment",
)
SPANS_DROPPED = _counter("situs_spans_dropped_total", "Spans that could not be exported.")
MODES = _counter(
    "situs_mode_requests_total",
    "Requests that were served in a mode, by who was asked first.",
    "mode",
    "group",
    "status_class",
)
COPIES = _counter("situs_copies_total", "Copies of requests, by what became of them.", "result")
ROLLED_BACK = _gauge(
    "situs_pilot_rolled_back", "1 where a pilot did worse than its baseline and ended.", "scope"
)
PROBES = _counter(
    "situs_probes_total",
    "Questions of Situs' own to keep deployments warm and know their health.",
    "deployment",
    "result",
)
PROBE_COST = _counter("situs_probe_cost_total", "Money for probes.", "deployment", "currency")
TENANT_REQUESTS = _counter("situs_tenant_requests_total", "Requests of a tenant.", "tenant")
TENANT_TOKENS = _counter("situs_tenant_tokens_total", "Tokens of a tenant.", "tenant", "kind")
TENANT_COST = _counter("situs_tenant_cost_total", "Money spent for a tenant.", "tenant", "currency")
TTFT = Family(
    "situs_ttft_seconds",
    "histogram",
    "Time from sending to the first chunk of a stream.",
    ("deployment",),
    _TTFT,
)
TPOT = Family(
    "situs_tpot_seconds",
    "histogram",
    "Time for each token of a stream after the first.",
    ("deployment",),
    _TPOT,
)
DURATION = Family(
    "situs_duration_seconds",
    "histogram",
    "Time from a request's arrival to its end.",
    ("deployment", "stream"),
    _E2E,
)
OVERHEAD = Family(
    "situs_overhead_seconds",
    "histogram",
    "Time in Situs itself, without waiting for upstreams.",
    ("wire",),
    _OVERHEAD,
)
ANALYSIS = Family(
    "situs_analysis_seconds",
    "histogram",
    "Time that analysing a request took.",
    (),
    _OVERHEAD,
)
DEPLOYMENT_INFO = _gauge(
    "situs_deployment_info",
    "Always 1: the static facts of a deployment, to join on.",
    "deployment",
    "model",
    "locus",
    "kind",
    "jurisdiction",
    "owned",
)
HEALTH = _gauge(
    "situs_deployment_health", "1 for the state it is in, 0 for the others.", "deployment", "health"
)
IN_FLIGHT = _gauge("situs_in_flight", "Requests sent there and not ended.", "deployment")
WORKERS = _gauge("situs_workers", "Worker processes that serve.")
GENERATION = _gauge("situs_generation", "How many times the configuration was reloaded.")
RECORDING_PROBLEM = _gauge(
    "situs_receipts_problem", "1 while no receipt can be written, so that nothing leaves."
)
INDEX_LAG = _gauge("situs_index_lag_seconds", "Since the index last had every receipt.")
ANCHOR_AGE = _gauge(
    "situs_receipts_anchor_age_seconds",
    "Since the newest checkpoints were last anchored; there is none where they are not to be.",
)
HELD = _gauge("situs_approvals_waiting", "Requests that wait for a person's word.")
STARTED = _gauge("situs_start_time_seconds", "When it started, since the epoch.")
BUILD_INFO = _gauge("situs_build_info", "Always 1: which version this is.", "version")

FAMILIES = (
    REQUESTS,
    ATTEMPTS,
    CASCADE,
    TOKENS,
    COST,
    SAVED,
    OVERSPENT,
    BYTES_OUT,
    DENIED,
    ANALYSED,
    ROUTED,
    REFUSED,
    RESTARTS,
    CUT,
    OBLIGATIONS,
    SPANS_DROPPED,
    TTFT,
    TPOT,
    DURATION,
    OVERHEAD,
    ANALYSIS,
    DEPLOYMENT_INFO,
    HEALTH,
    IN_FLIGHT,
    MODES,
    COPIES,
    ROLLED_BACK,
    PROBES,
    PROBE_COST,
    WORKERS,
    GENERATION,
    RECORDING_PROBLEM,
    INDEX_LAG,
    ANCHOR_AGE,
    HELD,
    STARTED,
    BUILD_INFO,
)
TENANT_FAMILIES = (TENANT_REQUESTS, TENANT_TOKENS, TENANT_COST)
