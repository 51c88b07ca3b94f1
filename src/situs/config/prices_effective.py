"""What each deployment costs in the end: stated, from the catalogue, or of owned hardware."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

from situs.config.prices import Hardware
from situs.config.prices import Price as Stated
from situs.config.prices_catalogue import CURRENCY, Catalogue, load_catalogue
from situs.config.tree import Config, Deployment, LlamaCpp, Speed
from situs.core.fleet import Price

_YEAR_S: Final = 365.25 * 24 * 3600
_MONEY: Final = frozenset(Price.__struct_fields__) - {"currency"}


class Origin(StrEnum):
    """Where a price comes from; `inferred`: the catalogue's, by address and model."""

    STATED = "stated"
    CATALOGUE = "catalogue"
    INFERRED = "inferred"
    HARDWARE = "hardware"
    NONE = "none"


class Effective(Struct, frozen=True):
    """The price in the file's currency; `entry` is the catalogue's, where it has one.

    `lacks` is a currency without a rate, or an entry that is not there: then there is no price.
    """

    origin: Origin
    price: Price | None = None
    entry: str | None = None
    lacks: str | None = None


def prices_of(config: Config) -> dict[str, Effective]:
    """By name of deployment. The catalogue is read only where a price could be from it."""
    asked = any(
        one.price.catalogue is not None if one.price else _may_infer(config, one)
        for one in config.deployments.values()
    )
    catalogue = load_catalogue() if asked else None
    code = currency_of(config)
    return {
        name: _effective(config, entry, catalogue, code)
        for name, entry in sorted(config.deployments.items())
    }


def currency_of(config: Config) -> str:
    """What all prices are in: said for the file, or else what the first stated price is in."""
    if config.currency is not None:
        return config.currency.code
    said = (one.price.currency for one in config.deployments.values() if one.price is not None)
    return next((code for code in said if code is not None), CURRENCY)


def rate_of(config: Config, code: str) -> float | None:
    """Money of the file's currency for one of `code`; None where nobody says."""
    if code == currency_of(config):
        return 1.0
    return None if config.currency is None else config.currency.rates.get(code)


def hardware_price(hardware: Hardware, speed: Speed, parallel: int) -> tuple[float, float]:
    """Money per million prompt tokens and completion tokens; docs/reference/prices.md.

    What a machine costs in a second goes to the share of seconds in which it computes.
    """
    idle = hardware.watts if hardware.idle_watts is None else hardware.idle_watts
    busy = hardware.utilisation
    kilowatts = (busy * hardware.watts + (1 - busy) * idle) / 1000
    yearly = hardware.cost / hardware.years + hardware.people_per_year
    second = (yearly / _YEAR_S + kilowatts * hardware.tariff / 3600) / busy
    read, written = speed.prompt_tokens_per_s, speed.completion_tokens_per_s * parallel
    return 1_000_000 * second / read, 1_000_000 * second / written


def _effective(
    config: Config, entry: Deployment, catalogue: Catalogue | None, code: str
) -> Effective:
    stated = entry.price or Stated()
    origin, name = _origin(config, entry, catalogue)
    given: dict[str, Any] = {}
    if name is not None and catalogue is not None:
        listed = catalogue.price(name)
        rate = rate_of(config, CURRENCY)
        if rate is None or listed is None:
            return Effective(origin, entry=name, lacks=CURRENCY if rate is None else name)
        given = _times(_money(listed), rate)
    own, rate = _money(stated), rate_of(config, stated.currency or code)
    if stated.hardware is not None:
        own = {**_hardware(stated.hardware, entry), **own}
    if own and rate is None:
        return Effective(origin, entry=name, lacks=stated.currency)
    if {"prompt", "completion"} & own.keys():
        given.pop("tiers", None)  # they are of prices that do not hold
    given |= _times(own, rate or 1.0)
    if not {"prompt", "completion"} <= given.keys():
        return Effective(origin, entry=name)
    return Effective(origin, msgspec.convert({"currency": code, **given}, Price), name)


def _origin(
    config: Config, entry: Deployment, catalogue: Catalogue | None
) -> tuple[Origin, str | None]:
    stated, endpoint = entry.price, entry.endpoint
    if stated is not None and stated.catalogue is not None:
        return Origin.CATALOGUE, stated.catalogue
    if stated is not None:
        return (Origin.STATED if stated.hardware is None else Origin.HARDWARE), None
    if endpoint is None or catalogue is None or not _may_infer(config, entry):
        return Origin.NONE, None
    name = catalogue.at(endpoint.url, endpoint.model or entry.model)
    return (Origin.NONE if name is None else Origin.INFERRED), name


def _may_infer(config: Config, entry: Deployment) -> bool:
    """Only of what others run: a machine of one's own costs what it costs."""
    locus = config.loci.get(entry.locus)
    return entry.price is None and entry.endpoint is not None and bool(locus and not locus.owned)


def _hardware(hardware: Hardware, entry: Deployment) -> dict[str, Any]:
    runtime = entry.runtime
    served = runtime.parallel if isinstance(runtime, LlamaCpp) else 1
    prompt, completion = hardware_price(hardware, entry.speed, hardware.parallel or served)
    return {"prompt": prompt, "completion": completion}


def _money(price: Stated | Price) -> dict[str, Any]:
    """The money that is said, by name."""
    plain: dict[str, Any] = msgspec.to_builtins(price)
    return {name: plain[name] for name in _MONEY if plain.get(name) not in (None, [], ())}


def _times(money: dict[str, Any], rate: float) -> dict[str, Any]:
    """In another currency."""
    return {name: _converted(name, value, rate) for name, value in money.items()}


def _converted(name: str, value: Any, rate: float) -> Any:
    if name == "tiers":
        return [_times(tier, rate) for tier in value]
    if value is None or name == "above" or rate == 1:
        return value
    return float(f"{value * rate:.12g}")  # what comes after is noise
