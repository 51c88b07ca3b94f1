"""Data sets that requests draw on, and where they lie."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from situs.core.label import Label


class Leaves(StrEnum):
    """How far what is taken from a data set may go."""

    ANYWHERE = "anywhere"
    JURISDICTION = "jurisdiction"
    NEVER = "never"


class DataSet(Struct, frozen=True):
    """A declared data set.

    `loci` are those where a copy lies, `jurisdiction` is the law it is under (ISO 3166-1 alpha-2).
    `size_mb` is how large it is, `moved_mb` how much of it a request typically takes along.
    `leaves` is how far that may go: `never` means to other loci.
    """

    name: str
    label: Label
    loci: tuple[str, ...]
    jurisdiction: str
    leaves: Leaves = Leaves.JURISDICTION
    size_mb: float = 0.0
    moved_mb: float = 0.0
