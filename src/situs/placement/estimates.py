"""What a request would cost and how long it would take at a deployment."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from situs.core.data import DataSet
from situs.core.decision import Analysis, Decision
from situs.core.fleet import Deployment, DeploymentState, Locus, LocusKind
from situs.core.record import Usage
from situs.core.request import Request
from situs.core.snapshot import Snapshot

_MB = 1_000_000


class Estimate(Struct, frozen=True):
    """Expected money (None: no price is known) and seconds."""

    cost: float | None
    ttft_s: float
    e2e_s: float


def estimate(
    deployment: Deployment,
    state: DeploymentState,
    request: Request,
    analysis: Analysis,
    data: Mapping[str, DataSet],
) -> Estimate:
    """Expected figures from the configured speed, corrected by what was measured.

    TTFT = (fixed part + prompt tokens / prefill speed) x slowness x (1 + in flight / limit);
    E2E adds completion tokens / decode speed under the same load. What a request takes along of
    data sets is paid for as what it sends.
    """
    speed = deployment.speed
    prompt_tokens = analysis.tokens_by.get(deployment.model.family, analysis.prompt_tokens)
    load = 1.0 + state.in_flight / deployment.max_in_flight
    prefill_s = speed.ttft_s + prompt_tokens / speed.prompt_tokens_per_s
    ttft_s = prefill_s * state.slowness * load
    completion_tokens = analysis.completion_tokens * request.choices
    decode_s = completion_tokens / speed.completion_tokens_per_s
    usage = Usage(prompt_tokens, completion_tokens)
    sent = request.size + round(moved_mb(deployment.locus, analysis, data) * _MB)
    return Estimate(cost_of(deployment, usage, sent), ttft_s, ttft_s + decode_s * load)


def moved_mb(locus: Locus, analysis: Analysis, data: Mapping[str, DataSet]) -> float:
    """What must be taken along of the data sets that the request draws on, to where no copy is."""
    drawn = (data[name] for name in analysis.data if name in data)
    return sum(one.moved_mb for one in drawn if locus.name not in one.loci)


def cost_of(deployment: Deployment, usage: Usage, bytes_out: int) -> float | None:
    """Money for these tokens and for sending `bytes_out` bytes there; None without a price."""
    price = deployment.price
    if price is None:
        return None
    cached_price = price.prompt if price.cached_prompt is None else price.cached_prompt
    fresh = usage.prompt_tokens - usage.cached_prompt_tokens
    tokens = (
        fresh * price.prompt
        + usage.cached_prompt_tokens * cached_price
        + usage.completion_tokens * price.completion
    )
    return tokens / 1_000_000 + bytes_out / _MB * deployment.locus.egress_price


class Bill(Struct, frozen=True):
    """What a request cost and saved; None where no price or no usage is known."""

    cost: float | None = None
    saved: float | None = None
    currency: str | None = None


def bill(
    deployment: Deployment | None,
    usage: Usage | None,
    request: Request,
    decision: Decision,
    snapshot: Snapshot,
) -> Bill:
    """The bill from the reported usage.

    The saving is against renting: the cheapest adequate public-cloud deployment of the fleet that
    serves this at all, allowed or not; None without one.
    """
    if deployment is None or deployment.price is None or usage is None:
        return Bill()
    cost = cost_of(deployment, usage, request.size)
    rented = [
        there
        for other in snapshot.fleet.deployments
        if other.locus.kind is LocusKind.PUBLIC_CLOUD
        and request.wire.service in other.model.serves
        and other.model.capability >= decision.analysis.needs
        and (there := cost_of(other, usage, request.size)) is not None
    ]
    saved = min(rented) - cost if rented and cost is not None else None
    return Bill(cost, saved, deployment.price.currency)
