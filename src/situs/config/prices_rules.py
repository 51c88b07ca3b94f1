"""What must hold of prices: one source, one currency, nothing at an owned place for nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final

import msgspec

from situs.config.prices import Currency, Price, Tier
from situs.config.prices_catalogue import CURRENCY, load_catalogue
from situs.config.prices_effective import Effective, Origin, currency_of, prices_of
from situs.config.problems import Path, Report
from situs.config.terms import is_day
from situs.config.tree import Config, Deployment
from situs.core.request import Service

MOST: Final = 1e9
"""Money per million tokens, or for a request: no currency and no machine is as dear as that."""


def check_prices(config: Config, report: Report) -> None:
    if not report.sound(("currency",)):
        return  # what would be said of prices then, may be untrue
    for name, deployment in config.deployments.items():
        path = ("deployments", name, "price")
        if deployment.price is not None and report.sound(path):
            _check_stated(deployment.price, path, config, report)
            _check_tiers(deployment.price.tiers, (*path, "tiers"), report)
    if not report.sound(("deployments",)):
        return
    found = prices_of(config)
    for name, deployment in config.deployments.items():
        path = ("deployments", name, "price")
        _check_found(found[name], path, config, report)
        _check_most(found[name], path, report)
        _check_owned(deployment, found[name], path, config, report)
    _check_currency(config, found, report)


def _check_stated(price: Price, path: Path, config: Config, report: Report) -> None:
    both = price.prompt is not None and price.completion is not None
    if price.hardware is not None and price.catalogue is not None:
        report.add((*path, "catalogue"), "a second source beside hardware; keep one of them")
    elif price.hardware is not None and both:
        report.add((*path, "hardware"), "has no effect: prompt and completion are stated")
    elif price.hardware is None and price.catalogue is None:
        for field in ("prompt", "completion"):
            if getattr(price, field) is None:
                report.add((*path, field), "missing; or name a `catalogue` entry, or `hardware`")
    if price.catalogue is None and price.currency is None and config.currency is None:
        report.add((*path, "currency"), "missing; state it here, or `currency.code` for the file")
    listed = price.catalogue is not None and price.currency is not None
    if listed and price == Price(catalogue=price.catalogue, currency=price.currency):
        report.add((*path, "currency"), f"has no effect: the catalogue is in {CURRENCY}")


def _check_tiers(tiers: tuple[Tier, ...], path: Path, report: Report) -> None:
    for index, (one, other) in enumerate(pairwise(tiers), 1):
        if other.above <= one.above:
            report.add((*path, str(index), "above"), "not more than that of the tier before")


def _check_found(found: Effective, path: Path, config: Config, report: Report) -> None:
    """An inferred price that cannot be had is none; one that is asked for must be there."""
    if found.lacks is None or found.origin is Origin.INFERRED:
        return
    if found.lacks == found.entry:
        what = "no such entry in the catalogue; `situs models prices --all` lists them"
        close = load_catalogue().close_to(found.lacks)
        report.add((*path, "catalogue"), what, nearest=close)
        return
    listed = found.lacks == CURRENCY and found.origin is Origin.CATALOGUE
    what = f"a second currency beside {currency_of(config)}; give its rate under `currency.rates`"
    report.add((*path, "catalogue" if listed else "currency"), what)


def _check_most(found: Effective, path: Path, report: Report) -> None:
    if found.price is None:
        return
    plain = msgspec.structs.asdict(found.price)
    money = [plain.pop(name) for name in plain.keys() - {"currency", "tiers"}]
    for tier in found.price.tiers:
        money += msgspec.structs.astuple(tier)[1:]
    if not all(0 <= one <= MOST for one in money if one is not None):
        at = (*path, "hardware") if found.origin is Origin.HARDWARE else path
        report.add(at, f"comes to more than {MOST:.0f} in {found.price.currency}")


def _check_owned(
    deployment: Deployment, found: Effective, path: Path, config: Config, report: Report
) -> None:
    locus = config.loci.get(deployment.locus)
    if locus is None or not locus.owned or not report.sound(path):
        return
    price = found.price
    if price is None:
        report.add(path, "missing; an owned machine has a price too: state its amortised cost")
        return
    model = config.models.get(deployment.model)
    writes = model is None or model.serves != (Service.EMBEDDINGS,)
    for field in ("prompt", "completion", "cached_prompt", "cache_write", "reasoning"):
        if getattr(price, field) == 0 and (writes or field != "completion"):
            what = "0 at an owned locus; state the machine's amortised cost"
            report.add((*path, field), what)
    for index, tier in enumerate(price.tiers):
        if 0 in (tier.prompt, tier.completion, tier.cached_prompt, tier.cache_write):
            what = "0 at an owned locus; state the machine's amortised cost"
            report.add((*path, "tiers", str(index)), what)


def _check_currency(config: Config, found: dict[str, Effective], report: Report) -> None:
    """Egress has a currency too."""
    if config.currency is not None:
        _check_rates(config, config.currency, found, report)
    elif not any(one.price for one in found.values()):
        for name, locus in config.loci.items():
            if locus.egress_price > 0:
                what = "in which currency? State `currency.code`"
                report.add(("loci", name, "egress_price"), what)


def _tomorrow() -> date:
    """The latest day that is anywhere on earth, by this machine's clock."""
    return datetime.now(UTC).date() + timedelta(days=1)


def _check_rates(
    config: Config, currency: Currency, found: dict[str, Effective], report: Report
) -> None:
    """Rates have a day, and each is needed."""
    if currency.dated is not None and not is_day(currency.dated):
        report.add(("currency", "dated"), "there is no such day")
    elif currency.dated is not None and date.fromisoformat(currency.dated) > _tomorrow():
        report.add(("currency", "dated"), "a day yet to come; of which day are the rates?")
    if currency.rates and currency.dated is None:
        report.add(("currency", "dated"), "missing; say of which day the rates are")
    if currency.dated is not None and not currency.rates:
        report.add(("currency", "dated"), "has no effect without rates; remove it")
    needed = {one.price.currency for one in config.deployments.values() if one.price is not None}
    if any(one.entry is not None for one in found.values()):
        needed.add(CURRENCY)
    for code in currency.rates:
        if code == currency.code or code not in needed:
            report.add(("currency", "rates", code), "no price needs it; remove it")
