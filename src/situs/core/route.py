"""Named kinds of requests: what a route is, and that a request was found to be of one."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class RoutedBy(StrEnum):
    """How a request came to its route."""

    ASKED = "asked"
    RULE = "rule"
    SAMPLES = "samples"


class Rule(Struct, frozen=True):
    """One rule of a route, for requests of a single turn: exactly one of the three is set.

    `exact` is compared without case and outer white space; `keywords` must all be there as words;
    `pattern` is an RE2 expression searched for in the text.
    """

    exact: str | None = None
    keywords: tuple[str, ...] = ()
    pattern: str | None = None


class Route(Struct, frozen=True):
    """A named kind of request.

    `samples` are utterances of it; `rules` decide before them. `deployments` is where it may go
    (empty: anywhere). `answer` is a template that answers a request which a rule matched, with no
    model at all; `{name}` stands for the pattern's group of that name.
    """

    name: str
    samples: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    deployments: frozenset[str] = frozenset()
    answer: str | None = None
    data: tuple[str, ...] = ()


class Routed(Struct, frozen=True):
    """The route of a request, and where that lets it go (`deployments`; empty: anywhere).

    `rule` is the position of the rule that matched, `score` is in [0, 1], `data` are the data sets
    that its requests draw on.
    """

    route: str
    by: RoutedBy
    score: float = 1.0
    rule: int | None = None
    deployments: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
