"""What a request costs at a deployment: tokens and bytes times prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from situs.core.data import DataSet
from situs.core.decision import Analysis
from situs.core.fleet import Deployment, Locus, Price, Tier
from situs.core.record import Usage
from situs.core.request import Request

_MB = 1_000_000


def expected_cost(
    deployment: Deployment,
    request: Request,
    analysis: Analysis,
    data: Mapping[str, DataSet],
    cached_tokens: int = 0,
    answer_tokens: int | None = None,
) -> float | None:
    """Money for the tokens that are expected (see `expected_usage`); None without a price.

    What a request takes along of data sets is paid for as what it sends.
    """
    sent = request.size
    if analysis.data:
        sent += round(moved_mb(deployment.locus, analysis, data) * _MB)
    usage = expected_usage(deployment, request, analysis, cached_tokens, answer_tokens)
    return cost_of(deployment, usage, sent)


def expected_usage(
    deployment: Deployment,
    request: Request,
    analysis: Analysis,
    cached_tokens: int = 0,
    answer_tokens: int | None = None,
) -> Usage:
    """The tokens, as this deployment's tokenizer makes them; no more of them are in a cache.

    `answer_tokens` are those of all choices; None: what the analysis expects of any model.
    """
    prompt_tokens = analysis.tokens_by.get(deployment.model.family, analysis.prompt_tokens)
    if answer_tokens is None:
        answer_tokens = analysis.completion_tokens * request.choices
    return Usage(prompt_tokens, answer_tokens, min(cached_tokens, prompt_tokens))


def moved_mb(locus: Locus, analysis: Analysis, data: Mapping[str, DataSet]) -> float:
    """What must be taken along of the data sets that the request draws on, to where no copy is."""
    if not analysis.data:
        return 0.0
    drawn = (data[name] for name in analysis.data if name in data)
    return sum(one.moved_mb for one in drawn if locus.name not in one.loci)


def cost_of(deployment: Deployment, usage: Usage, bytes_out: int) -> float | None:
    """Money for these tokens and for sending `bytes_out` bytes there; None without a price."""
    price = deployment.price
    if price is None:
        return None
    sent = bytes_out / _MB * deployment.locus.egress_price
    return _tokens(price, usage) / 1_000_000 + price.request + sent


class Rates(NamedTuple):
    """All that a request with nothing cached, stored or heard costs: money for a million prompt and
    completion tokens, for each request, and for each MB sent.
    """

    prompt: float
    completion: float
    request: float
    sent: float


def rates_of(deployment: Deployment) -> Rates | None:
    """None without a price. Where it goes by how long the prompt is, these are not all."""
    price = deployment.price
    if price is None:
        return None
    return Rates(price.prompt, price.completion, price.request, deployment.locus.egress_price)


def costs_of(
    rates: Sequence[Rates | None],
    prompts: Sequence[int],
    completions: Sequence[int],
    bytes_out: int,
) -> list[float | None]:
    """What `cost_of` says, for many at once: of so many tokens of prompt and completion at each."""
    mb = bytes_out / _MB
    if all(rates):
        return [
            (prompt * read + completion * written) / 1_000_000 + each + mb * sent
            for (read, written, each, sent), prompt, completion in zip(
                cast("Sequence[Rates]", rates), prompts, completions, strict=True
            )
        ]
    return [
        None
        if own is None
        else (prompt * own[0] + completion * own[1]) / 1_000_000 + own[2] + mb * own[3]
        for own, prompt, completion in zip(rates, prompts, completions, strict=True)
    ]


def _tokens(price: Price, usage: Usage) -> float:
    """Millionths of money for all tokens, each at the price of its kind."""
    rates = _rates(price, usage.prompt_tokens)
    cached = 0 if rates.cached_prompt is None else usage.cached_prompt_tokens
    stored, heard = usage.cache_write_tokens, usage.audio_prompt_tokens
    thought, spoken = usage.reasoning_tokens, usage.audio_completion_tokens
    prompt, completion = rates.prompt, rates.completion
    total = (usage.prompt_tokens - cached - stored - heard) * prompt
    total += (usage.completion_tokens - thought - spoken) * completion
    if cached:
        total += cached * _own(rates.cached_prompt, prompt)
    if stored:
        total += stored * _own(rates.cache_write, prompt)
    if heard:
        total += heard * _own(price.audio_prompt, prompt)
    if thought:
        total += thought * _own(price.reasoning, completion)
    if spoken:
        total += spoken * _own(price.audio_completion, completion)
    return total


def _rates(price: Price, prompt_tokens: int) -> Price | Tier:
    if not price.tiers:
        return price
    return next((one for one in reversed(price.tiers) if prompt_tokens > one.above), price)


def _own(price: float | None, whole: float) -> float:
    return whole if price is None else price
