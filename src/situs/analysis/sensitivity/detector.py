"""What a detector is: one row, with a pattern that proposes and a check that disposes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

from msgspec import Struct

Check = Callable[[str], bool | None]
"""True: confirmed (checksum, numbering plan). None: cannot say. False: a look-alike, drop it."""

Split = Callable[[str], Iterable[tuple[int, int]]]
"""Spans inside a match that may be the entity; overlapping ones in order of preference."""


class Detector(Struct, frozen=True):
    """One row of the table.

    `pattern` is in RE2 syntax; if it has a group, the first one is the entity. `score` holds until
    `check` confirms. With `context` (a pattern too) a match counts only near one of its matches: at
    most `reach` bytes after it, or 30 before it. `again` looks for a further match inside a match
    of which nothing was kept. `gate` is a shorter pattern that every match of `pattern` contains:
    all gates run over every text at once, and counters and tails cost memory and time there.
    `cost` is what one check takes, in microseconds.
    """

    name: str
    kind: str
    pattern: str
    score: float
    check: Check | None = None
    split: Split | None = None
    context: str | None = None
    reach: int = 60
    again: bool = False
    gate: str | None = None
    cost: int = 10


CONFIRMED = 0.99
"""The score of a finding that a check confirmed."""


def stdnum(module: str) -> Callable[[str], bool]:
    """`is_valid` of a module of python-stdnum, which is imported at the first use."""

    def check(text: str) -> bool:
        return bool(import_module(f"stdnum.{module}").is_valid(text))

    return check


def words(*alternatives: str) -> str:
    """A context pattern: any of the alternatives, in any case, as whole words."""
    return r"(?i)\b(?:" + "|".join(alternatives) + r")\b"
