"""Words that have an order."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Any


class Ordered(StrEnum):
    """A word in JSON, in configuration and on the screen; compared by its place among its kind."""

    @cached_property
    def rank(self) -> int:
        """Its place, from 0."""
        return type(self)._member_names_.index(self.name)

    def __lt__(self, other: Any) -> bool:
        return self.rank < self._rank_of(other)

    def __le__(self, other: Any) -> bool:
        return self.rank <= self._rank_of(other)

    def __gt__(self, other: Any) -> bool:
        return self.rank > self._rank_of(other)

    def __ge__(self, other: Any) -> bool:
        return self.rank >= self._rank_of(other)

    def _rank_of(self, other: Any) -> int:
        """Only its own kind has a place: comparing with a plain text is a mistake."""
        if type(other) is not type(self):
            raise TypeError(f"{type(self).__name__} has no order with {type(other).__name__}")
        rank: int = other.rank
        return rank
