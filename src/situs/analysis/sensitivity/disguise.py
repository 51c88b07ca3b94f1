"""What a disguise is: one row, with a stretch of text and what it may stand for.

What that says is read as any text is. Only what nobody writes by chance counts then (`COUNTS`), and
what it finds covers the stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

COUNTS = frozenset({"card", "iban", "crypto_wallet", "credential", "private_key"})
"""Kinds that count in a disguise; all but the last two only if their check confirmed them."""

Read = Callable[[str], Iterator[str]]


class Disguise(Struct, frozen=True):
    """`gate` and `pattern` are RE2: a sign that is cheap to look for, and the stretches to read.

    The gate is asked only in a text that has the `rough` pattern; those of `ALONE` are asked
    together, apart from the others, whose states they would multiply. `reach` says how much of a
    stretch may stand for something: a pattern cannot count. Reading so many characters as `pace`
    says is a step. What is found in a row that `mends` is the thing itself in pieces: more of it
    than what else was found.
    """

    name: str
    gate: str
    pattern: str
    read: Read
    rough: str | None = None
    reach: Callable[[str], int] = len
    pace: int = 2
    mends: bool = False


WIDE = r"[\x{370}-\x{52f}\x{3007}\x{4e00}-\x{9fff}\x{e0020}-\x{e007e}]"
"""Rough: letters of Greek and Cyrillic, Chinese signs, tag characters."""

GROUP = "[0-9]{4}"
"""Rough: a group of digits as on a card."""

ALONE = ""
