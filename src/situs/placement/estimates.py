"""What a request would cost and how long it would take at a deployment."""

from __future__ import annotations

from msgspec import Struct

from situs.core.cost import expected_cost, expected_usage
from situs.core.decision import Analysis
from situs.core.fleet import Deployment, DeploymentState
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
