"""What a request costs at a deployment: tokens and bytes times prices."""

from __future__ import annotations

from collections.abc import Mapping

from situs.core.data import DataSet
from situs.core.decision import Analysis
from situs.core.fleet import Deployment, Locus
from situs.core.record import Usage
from situs.core.request import Request

_MB = 1_000_000


def expected_cost(
    deployment: Deployment,
    request: Request,
    analysis: Analysis,
    data: Mapping[str, DataSet],
    cached_tokens: int = 0,
) -> float | None:
    """Money for the tokens that are expected; None without a price.

    What a request takes along of data sets is paid for as what it sends.
    """
    sent = request.size
    if analysis.data:
        sent += round(moved_mb(deployment.locus, analysis, data) * _MB)
    usage = expected_usage(deployment, request, analysis, cached_tokens)
    return cost_of(deployment, usage, sent)


def expected_usage(
    deployment: Deployment, request: Request, analysis: Analysis, cached_tokens: int = 0
) -> Usage:
    """The tokens, as this deployment's tokenizer makes them; no more of them are in a cache."""
    prompt_tokens = analysis.tokens_by.get(deployment.model.family, analysis.prompt_tokens)
    completion_tokens = analysis.completion_tokens * request.choices
    return Usage(prompt_tokens, completion_tokens, min(cached_tokens, prompt_tokens))


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
