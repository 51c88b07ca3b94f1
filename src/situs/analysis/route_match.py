"""Matches a text, short or long, with the samples of routes: first fast, then closer if unsure.

Of a long text its first and last sentence, its head and its tail are compared, each by itself, and
the best counts. The deep tier reads both sentences and what the fast tier liked best.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from situs.analysis.features import see
from situs.analysis.route_features import WINDOW, readable, windows
from situs.analysis.route_samples import Index
from situs.analysis.route_tier import Say
from situs.core.heads import Seen

LONG = 0.75
"""What a part of a long text must reach: there are several, and any could be like a sample."""


class Match(Struct, frozen=True):
    """`name` is the route, None if the text is of none; `nearest` is the best one in any case.

    `score` is a probability on the scale of the nearest route's limit: from 0.5 on it is found, in
    a part of a long text from `LONG` on.
    """

    name: str | None
    nearest: str
    score: float
    tier: str = "fast"


class First(Struct, frozen=True):
    """What the fast tier says; `unsure` are texts whose vectors would help to know better."""

    match: Match
    unsure: tuple[str, ...] = ()


def first(index: Index, text: str, seen: Seen | None = None, always: bool = False) -> First:
    """The fast tier; `seen` are the features of `text`, if they are there already.

    With `always` it is unsure of everything that can be read; what cannot is of no route.
    """
    parts = windows(text)
    whole = len(parts) == 1
    parts = [part for part in parts if readable(part)]
    if not parts:
        nearest = index.look(see(text[:WINDOW]))[0].route
        return First(Match(None, index.routes[nearest], 0.0))
    looks = [seen] if whole and seen is not None else [see(part) for part in parts]
    said = [index.look(look) for look in looks]
    best = max(range(len(parts)), key=lambda place: _rank(said[place][0]))
    say, sure = said[best]
    match = _match(index, say, "fast", len(parts) > 1)
    settled = sure if match.name is not None else all(one for _, one in said)
    if index.deep is None or (settled and not always):
        return First(match)
    return First(match, tuple(dict.fromkeys((parts[best], *parts[:2]))))


def closer(index: Index, texts: Sequence[str], vectors: Sequence[Any]) -> Match:
    """The deep tier, for the texts that `first` was unsure of and their vectors."""
    said = [index.closer(see(text), vector) for text, vector in zip(texts, vectors, strict=True)]
    tier = "fast" if index.deep is None else "deep"
    return _match(index, max(said, key=_rank), tier, len(texts) > 1)


def _rank(say: Say) -> tuple[bool, float]:
    return say.found, say.probability


def _match(index: Index, say: Say, tier: str, long: bool) -> Match:
    nearest = index.routes[say.route]
    found = say.found and (not long or say.probability >= LONG)
    return Match(nearest if found else None, nearest, round(say.probability, 6), tier)
