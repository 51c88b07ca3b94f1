"""How much model a request needs, and how much one offers: the same five steps."""

from __future__ import annotations

from situs.core.ordered import Ordered


class CapabilityClass(Ordered):
    """Ordered: a higher class can do what a lower one can."""

    RULE = "rule"
    TINY = "tiny"
    SMALL = "small"
    MEDIUM = "medium"
    FRONTIER = "frontier"
