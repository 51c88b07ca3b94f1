"""Everything that can be known before a request, swapped whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from situs.core.fleet import FleetView
from situs.core.label import Label
from situs.core.request import Objective

Evaluate = Callable[[bytes], Any]
"""A policy engine: JSON of the input document in, the verdict document (plain JSON values) out."""


class Policy(Struct, frozen=True):
    """A loaded policy: `digest` names its modules, `reads` the top-level input fields it uses."""

    evaluate: Evaluate
    digest: str
    reads: frozenset[str]


class Labels(Struct, frozen=True):
    """The table from finding kinds to the label they set as a floor, and the defaults."""

    floors: dict[str, Label]
    default: Label = Label.PUBLIC
    unread: Label = Label.INTERNAL


class Snapshot(Struct, frozen=True):
    """What `decide` reads besides the request."""

    fleet: FleetView
    policy: Policy
    labels: Labels
    objective: Objective = Objective.CHEAPEST_ADEQUATE
    prefer_owned: bool = True
