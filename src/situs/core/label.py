"""Sensitivity labels and the findings that raise them."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from situs.core.ordered import Ordered


class Label(Ordered):
    """Ordered: labels only rise."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    @classmethod
    def parse(cls, word: str) -> Label:
        """Raises ValueError for anything but the four words (any case)."""
        try:
            return cls(word.strip().lower())
        except ValueError:
            raise ValueError(
                "not a label; use public, internal, confidential or restricted"
            ) from None


def highest(labels: Iterable[Label]) -> Label:
    return max(labels, default=Label.PUBLIC)


class Finding(Struct, frozen=True):
    """One detected entity; never its text.

    `part` is the index into the request's texts, `start` and `end` are character offsets there.
    `checked` says that a validator (a checksum, a numbering plan) confirmed it.
    """

    kind: str
    part: int
    start: int
    end: int
    score: float
    detector: str
    checked: bool = False


class LabelReason(Struct, frozen=True):
    """Why a label is at least `label`: `source` is `finding`, `declared`, `default`, `unread`,
    `session` (what the conversation has touched) or `data` (a data set that it draws on).
    """

    label: Label
    source: str
    detail: str
