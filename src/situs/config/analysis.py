"""The section `analysis` of the configuration."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from situs.core.heads import FindsNames
from situs.learning.versions import REFERENCE

_HEADS = (
    "capability",
    "complexity",
    "confidence",
    "encoder",
    "length",
    "names",
    "routes",
    "task",
    "tokens",
)
Head = Annotated[
    str,
    Meta(pattern=f"^({'|'.join(_HEADS)})$", extra={"expected": f"one of {', '.join(_HEADS)}"}),
]
Version = Annotated[
    str,
    Meta(
        pattern=REFERENCE,
        extra={
            "expected": "a version such as trained-1, or with 12 or more digits of its digest, "
            "trained-1@0123456789ab"
        },
    ),
]


class Analysis(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How requests are understood."""

    learned: Annotated[
        bool,
        Meta(
            description="Trained heads say task, complexity, length and tokens; without them key "
            "words and a rule do, for a fraction of the processor time."
        ),
    ] = True
    names: Annotated[
        FindsNames,
        Meta(
            description="Whether persons, addresses and organisations are looked for: `auto` does "
            "where they could change where the request may run."
        ),
    ] = FindsNames.AUTO
    deep: Annotated[bool, Meta(description="Ask an encoder where the fast tier is unsure.")] = True
    deep_budget_ms: Annotated[
        float,
        Meta(gt=0, le=10_000, description="A request waits so long for it, then goes without."),
    ] = 25.0
    artefacts: Annotated[
        dict[Head, Version],
        Meta(
            description="Versions of your own (`situs train`) that answer instead of those of the "
            "package, by head; `situs artefacts list` shows both."
        ),
    ] = {}
