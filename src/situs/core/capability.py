"""How much model a request needs, and how much one offers: the same five steps."""

from __future__ import annotations

from enum import IntEnum


class CapabilityClass(IntEnum):
    """Ordered: a higher class can do what a lower one can."""

    RULE = 0
    TINY = 1
    SMALL = 2
    MEDIUM = 3
    FRONTIER = 4

    @property
    def word(self) -> str:
        return self.name.lower()
