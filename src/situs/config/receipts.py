"""Settings of the record: how it is kept, and where its checkpoints are anchored."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from situs.config.terms import Count, Words


class Anchor(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keeps the newest checkpoints where the gateway cannot take them back."""

    to: Annotated[
        Words,
        Meta(
            description="A file that grows, git:REPOSITORY (paths begin at this file), or "
            "rfc3161:URL, a time-stamping service; it is told digests only, but it is an egress."
        ),
    ]
    every_min: Annotated[int, Meta(ge=1, le=1440, description="Minutes between two.")] = 10


class Receipts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the record is kept: how long its segments grow and stay, and what is durable when."""

    sync: Annotated[
        Literal["group", "before_dispatch"],
        Meta(
            description="Write a decision before dispatch and sync it to the disk with others "
            "(`group`: a killed process loses nothing, a power cut the last 0.2 s), or sync it "
            "before dispatch."
        ),
    ] = "group"
    anchor: Annotated[
        Anchor | None, Meta(description="Put the newest checkpoints somewhere else.")
    ] = None

    rotate_mb: Annotated[
        int, Meta(ge=1, le=4096, description="A segment ends at about so many MB.")
    ] = 64
    rotate_h: Annotated[
        int, Meta(ge=1, le=8760, description="A segment ends after so many hours, if it is used.")
    ] = 24
    keep_days: Annotated[
        Count | None,
        Meta(
            description="Segments whose last line is older are removed, and leave their signed "
            "roots; without it, all stay."
        ),
    ] = None
