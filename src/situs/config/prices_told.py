"""Prices in words and rows: for `situs models prices` and `situs doctor`."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Final

from msgspec import Struct

from situs.config.prices_catalogue import CURRENCY, load_catalogue
from situs.config.prices_effective import Origin, currency_of, prices_of
from situs.config.tree import Config
from situs.core.fleet import Price

STALE_DAYS: Final = 180
"""Older prices and rates are doubted: providers change theirs several times a year."""

_LISTED: Final = frozenset({Origin.CATALOGUE, Origin.INFERRED})


class Row(Struct, frozen=True):
    """What a deployment, or an entry of the catalogue, costs; `because` where nobody knows."""

    name: str
    origin: Origin
    price: Price | None
    entry: str | None = None
    because: str | None = None


class Told(Struct, frozen=True):
    """All prices, in one currency, and what the catalogue is that some may be from."""

    currency: str
    catalogue: str
    dated: str
    prices: tuple[Row, ...]


def told(config: Config) -> Told:
    """The deployments by name."""
    catalogue, code = load_catalogue(), currency_of(config)
    rows = tuple(
        Row(name, found.origin, found.price, found.entry, _because(found.lacks, code))
        for name, found in prices_of(config).items()
    )
    return Told(code, catalogue.source, catalogue.dated, rows)


def all_told() -> Told:
    """Every entry of the catalogue, as it is there."""
    catalogue = load_catalogue()
    rows = tuple(
        Row(name, Origin.CATALOGUE, catalogue.price(name), name) for name in catalogue.names()
    )
    return Told(CURRENCY, catalogue.source, catalogue.dated, rows)


def doubts(config: Config, today: date) -> tuple[str, str]:
    """Where prices come from, and what to do; the latter is empty where nothing is too old."""
    found = prices_of(config)
    counts = Counter(one.origin for one in found.values())
    because = ", ".join(f"{counts[origin]} {origin}" for origin in Origin if counts[origin])
    dated: list[tuple[str, str, str]] = []
    if any(one.origin in _LISTED for one in found.values()):
        do = "Upgrade Situs, or state prices yourself."
        dated.append(("the catalogue", load_catalogue().dated, do))
    if config.currency is not None and config.currency.dated is not None:
        dated.append(("the rates", config.currency.dated, "Set currency.rates and dated anew."))
    for what, day, _ in dated:
        because += f"; {what} of {day}"
    old = [do for _, day, do in dated if (today - date.fromisoformat(day)).days > STALE_DAYS]
    if any(date.fromisoformat(day) > today for _, day, _ in dated):
        return f"{because}: yet to come", "Correct the day, or the clock of this machine."
    return because + (f", over {STALE_DAYS} days ago" if old else ""), " ".join(old)


def _because(lacks: str | None, code: str) -> str | None:
    return None if lacks is None else f"in {lacks}, and no rate from there to {code}"
