"""What the configuration may say about money: currencies, prices, owned hardware."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from situs.config.terms import Count, CurrencyCode, Day, Money, Words

_Rate = Annotated[float, Meta(ge=1e-9, le=1e9)]


class _Section(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Currency(_Section, frozen=True, kw_only=True):
    """The one currency of everything that Situs reckons and shows."""

    code: Annotated[CurrencyCode, Meta(description="What prices are in unless they say otherwise.")]
    rates: Annotated[
        dict[CurrencyCode, _Rate],
        Meta(description="Money of `code` for one of another currency that a price is in."),
    ] = {}
    dated: Annotated[
        Day | None, Meta(description="The day of the rates; required where there are some.")
    ] = None


class Hardware(_Section, frozen=True, kw_only=True):
    """What a machine of one's own costs; the prices of its tokens follow from it."""

    cost: Annotated[float, Meta(gt=0, description="Money that it took to buy.")]
    years: Annotated[float, Meta(ge=0.1, le=100, description="How long it is used.")]
    watts: Annotated[float, Meta(ge=0, description="What it draws while it computes.")]
    idle_watts: Annotated[
        Money | None, Meta(description="What it draws else; without it, the same.")
    ] = None
    tariff: Annotated[float, Meta(ge=0, description="Money per kWh.")]
    utilisation: Annotated[
        float, Meta(gt=0, le=1, description="The share of all hours in which it computes.")
    ]
    people_per_year: Annotated[
        float, Meta(ge=0, description="Money for those who look after it, and for its room.")
    ] = 0.0
    parallel: Annotated[
        Count | None,
        Meta(
            description="Requests that it answers at once, each with the speed that `speed` says; "
            "without it, the runtime's, else 1."
        ),
    ] = None


class Tier(_Section, frozen=True, kw_only=True):
    """What a request with a longer prompt costs, all of it; else as stated beside."""

    above: Annotated[int, Meta(ge=1, description="Prompts of more tokens than this.")]
    prompt: Annotated[float, Meta(ge=0, description="Per million prompt tokens.")]
    completion: Annotated[float, Meta(ge=0, description="Per million completion tokens.")]
    cached_prompt: Annotated[
        Money | None, Meta(description="Per million read from a cache; without it, as prompt.")
    ] = None
    cache_write: Annotated[
        Money | None, Meta(description="Per million written to a cache; without it, as prompt.")
    ] = None


class Price(_Section, frozen=True, kw_only=True):
    """Money per million tokens: stated, from the catalogue, or of owned hardware.

    What is stated counts before what the catalogue or the hardware says.
    """

    currency: Annotated[
        CurrencyCode | None,
        Meta(description="Of the money stated here; without it, that of `currency.code`."),
    ] = None
    catalogue: Annotated[
        Words | None,
        Meta(description="PROVIDER/MODEL, such as openai/gpt-4o-mini; see `situs models prices`."),
    ] = None
    hardware: Annotated[Hardware | None, Meta(description="What the machine itself costs.")] = None
    prompt: Annotated[Money | None, Meta(description="Per million prompt tokens.")] = None
    completion: Annotated[Money | None, Meta(description="Per million completion tokens.")] = None
    cached_prompt: Annotated[
        Money | None,
        Meta(description="Per million prompt tokens read from a cache; without it, as prompt."),
    ] = None
    cache_write: Annotated[
        Money | None,
        Meta(description="Per million prompt tokens written to a cache; without it, as prompt."),
    ] = None
    reasoning: Annotated[
        Money | None, Meta(description="Per million reasoning tokens; without it, as completion.")
    ] = None
    audio_prompt: Annotated[
        Money | None, Meta(description="Per million tokens of heard audio; without it, as prompt.")
    ] = None
    audio_completion: Annotated[
        Money | None,
        Meta(description="Per million tokens of spoken audio; without it, as completion."),
    ] = None
    request: Annotated[Money | None, Meta(description="For each request, beside its tokens.")] = (
        None
    )
    tiers: Annotated[
        tuple[Tier, ...], Meta(description="Prices of longer prompts, the shortest first.")
    ] = ()
