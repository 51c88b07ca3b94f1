"""The setting `labels.lists`: an organisation's own words and patterns."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from situs.config.routing import Keyword, Reference, Utterance
from situs.core.label import Label


class WordList(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Words and patterns that make a finding of the kind that the list is named for."""

    label: Annotated[Label, Meta(description="The least label of a request with such a finding.")]
    keywords: Annotated[
        tuple[Keyword, ...],
        Meta(description="Whole words or phrases; case does not count."),
    ] = ()
    patterns: Annotated[
        tuple[Utterance, ...],
        Meta(description="RE2 expressions; `(?i)` ignores case, `\\b` is the edge of a word."),
    ] = ()
    tenants: Annotated[
        tuple[Reference, ...], Meta(description="Whose requests are read for it; empty: all.")
    ] = ()
