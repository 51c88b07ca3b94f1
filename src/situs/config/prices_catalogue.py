"""The catalogue of providers' prices that ships with Situs; docs/decisions/0014-prices.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources

import msgspec
from msgspec import Struct

from situs.config.problems import nearest
from situs.core.fleet import Price

CURRENCY = "USD"
"""All of it is in this one."""


class Entry(Struct, frozen=True):
    """A model's price, without its currency, and the other names that the provider has for it."""

    price: dict[str, float | list[dict[str, float]]]
    names: tuple[str, ...] = ()


class _Provider(Struct, frozen=True):
    at: str
    models: dict[str, Entry]


class Catalogue(Struct, frozen=True):
    """`dated` is the last day that it knows of, as YYYY-MM-DD."""

    source: str
    dated: str
    licence: str
    providers: dict[str, _Provider]

    def names(self) -> Iterator[str]:
        """Every entry, as PROVIDER/MODEL."""
        for name, provider in self.providers.items():
            yield from (f"{name}/{model}" for model in provider.models)

    def price(self, name: str) -> Price | None:
        """That of PROVIDER/MODEL; None for one that is not there."""
        provider, _, model = name.partition("/")
        known = self.providers.get(provider)
        entry = None if known is None else _entry(known, model)
        return None if entry is None else _price(entry[1])

    def close_to(self, name: str) -> str | None:
        """The entry that was probably meant."""
        provider, _, model = name.partition("/")
        known = self.providers.get(provider)
        if known is None:
            meant = nearest(provider, self.providers)
            if meant is None or _entry(self.providers[meant], model) is None:
                return None
            return f"{meant}/{model}"
        close = nearest(model, known.models)
        return close and f"{provider}/{close}"

    def at(self, url: str, model: str) -> str | None:
        """The one entry for this name of a model at this address; None where there are several."""
        found = [
            f"{name}/{entry[0]}"
            for name, provider in self.providers.items()
            if _stands_at(url, provider.at) and (entry := _entry(provider, model)) is not None
        ]
        return found[0] if len(found) == 1 else None


def load_catalogue() -> Catalogue:
    """Reads a quarter of a megabyte; nothing is fetched, ever."""
    data = (resources.files("situs.config") / "prices.json").read_bytes()
    return msgspec.json.decode(data, type=Catalogue)


def _entry(provider: _Provider, model: str) -> tuple[str, Entry] | None:
    if model in provider.models:
        return model, provider.models[model]
    found = list(_called(provider, model))
    return found[0] if len(found) == 1 else None


def _called(provider: _Provider, model: str) -> Iterator[tuple[str, Entry]]:
    return ((name, entry) for name, entry in provider.models.items() if model in entry.names)


def _stands_at(url: str, pattern: str) -> bool:
    """The pattern ends where a part of the address does: no host that only begins like it."""
    match = re.match(pattern, url)
    if match is None:
        return False
    return match[0].endswith("/") or url[match.end() :][:1] in ("", "/", ":")


def _price(entry: Entry) -> Price:
    return msgspec.convert({"currency": CURRENCY, **entry.price}, Price, strict=False)
