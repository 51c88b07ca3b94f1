"""The section `routes` of the configuration."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from situs.config.aims import Aims

Utterance = Annotated[str, Meta(min_length=1, max_length=1000)]
Keyword = Annotated[str, Meta(min_length=1, max_length=200)]
Reference = Annotated[str, Meta(min_length=1, max_length=64)]


class Rule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sure sign of a route, in requests of a single turn: exactly one of the three."""

    exact: Annotated[
        Utterance | None, Meta(description="The whole text; case and outer space do not count.")
    ] = None
    keywords: Annotated[
        tuple[Keyword, ...], Meta(description="Words or phrases that must all be there.")
    ] = ()
    pattern: Annotated[
        Utterance | None,
        Meta(description="An RE2 expression to be found in the text; `(?i)` ignores case."),
    ] = None


class Route(Aims, frozen=True, kw_only=True):
    """A named kind of request, known by rules, by samples, or both."""

    samples: Annotated[
        tuple[Utterance, ...], Meta(description="What such requests say, ten or so of them.")
    ] = ()
    rules: Annotated[
        tuple[Rule, ...], Meta(description="Decide before samples; the first that matches wins.")
    ] = ()
    deployments: Annotated[
        tuple[Reference, ...],
        Meta(description="Where such requests may go; empty: anywhere that policy allows."),
    ] = ()
    data: Annotated[
        tuple[Reference, ...],
        Meta(description="The data sets, by name, that such requests draw on."),
    ] = ()
    answer: Annotated[
        Annotated[str, Meta(min_length=1, max_length=4000)] | None,
        Meta(
            description="Situs answers with this where a rule matched. `{NAME}` is the group of "
            "that name in the rule's pattern; `{{` and `}}` are braces."
        ),
    ] = None
