"""The section `data` of the configuration."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from situs.config.terms import Country, Name
from situs.core.data import Leaves
from situs.core.label import Label


class DataSet(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Data that requests draw on, such as what a retrieval step puts into prompts."""

    label: Annotated[Label, Meta(description="The least label of requests that draw on it.")]
    jurisdiction: Annotated[Country, Meta(description="The law that it is under.")]
    loci: Annotated[tuple[Name, ...], Meta(description="The loci where a copy of it lies.")] = ()
    leaves: Annotated[
        Leaves,
        Meta(
            description="How far what is taken from it may go: `anywhere`, to loci of its "
            "`jurisdiction`, or `never` to another locus than its own."
        ),
    ] = Leaves.JURISDICTION
    size_mb: Annotated[float, Meta(ge=0, description="How large it is.")] = 0.0
    moved_mb: Annotated[
        float,
        Meta(ge=0, description="How much of it a request takes along to a locus without a copy."),
    ] = 0.0
