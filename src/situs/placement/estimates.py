"""What a request would cost and how long it would take at a deployment."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from situs.core.cost import cost_of, expected_cost, expected_usage
from situs.core.decision import Analysis, Decision
from situs.core.fleet import Deployment, DeploymentState, FleetView, LocusKind
from situs.core.record import Usage
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.placement.latency import predict
from situs.placement.lengths import answer_tokens


class Estimate(Struct, frozen=True):
    """Expected money (None: no price is known) and seconds, for so many tokens of the answer."""

    cost: float | None
    ttft_s: float
    e2e_s: float
    completion_tokens: int = 0


UNKNOWN = Estimate(None, 0.0, 0.0)


def estimate(
    deployment: Deployment,
    state: DeploymentState,
    request: Request,
    analysis: Analysis,
    snapshot: Snapshot,
    cached_tokens: int = 0,
) -> Estimate:
    """Expected figures; see `placement.latency` for the times, `placement.lengths` for tokens."""
    answer = answer_tokens(deployment.model.name, request, analysis, snapshot.beliefs)
    usage = expected_usage(deployment, request, analysis, cached_tokens, answer)
    cached_tokens = usage.cached_prompt_tokens
    ttft_s, e2e_s, _ = predict(
        deployment, state, usage.prompt_tokens, cached_tokens, usage.completion_tokens
    )
    cost = expected_cost(deployment, request, analysis, snapshot.data, cached_tokens, answer)
    return Estimate(cost, ttft_s, e2e_s, answer)


class Bill(Struct, frozen=True):
    """What a request cost and saved; None where no price or no usage is known."""

    cost: float | None = None
    saved: float | None = None
    currency: str | None = None


def bill(
    paid: Sequence[tuple[Deployment, Usage, int]],
    request: Request,
    decision: Decision,
    fleet: FleetView,
) -> Bill:
    """The bill from what places reported (with the bytes sent there): every attempt that did is
    paid.

    The saving is against renting: the cheapest adequate public-cloud deployment of the fleet that
    serves this at all, allowed or not, with the last usage; None without one.
    """
    if not paid or any(deployment.price is None for deployment, _, _ in paid):
        return Bill()
    costs = [cost_of(*one) for one in paid]
    cost = sum(one for one in costs if one is not None)
    last, usage, _ = paid[-1]
    rented = [
        there
        for other in fleet.deployments
        if other.locus.kind is LocusKind.PUBLIC_CLOUD
        and request.wire.service in other.model.serves
        and other.model.capability >= decision.analysis.needs
        and (there := cost_of(other, usage, request.size)) is not None
    ]
    saved = min(rented) - cost if rented else None
    return Bill(cost, saved, None if last.price is None else last.price.currency)
