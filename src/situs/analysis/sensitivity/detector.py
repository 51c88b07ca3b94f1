"""What a detector is: one row, with a pattern that proposes and a check that disposes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

from msgspec import Struct

Check = Callable[[str], bool | None]
"""True: confirmed (checksum, numbering plan). None: cannot say. False: a look-alike, drop it."""

Split = Callable[[str], Iterable[tuple[int, int]]]
"""Spans inside a match that may be the entity; overlapping ones in order of preference."""

Doubt = Callable[[str, str, str], bool]
"""Whether what stands before and behind speaks against a match: up to `AROUND` characters before,
the match, and as many behind. Then only a row with context may find it."""

AROUND = 80


class Detector(Struct, frozen=True):
    """One row of the table.

    `pattern` is in RE2 syntax; if it has a group, the first one is the entity. `score` holds until
    `check` confirms. With `context` (a pattern too) a match counts only near one of its matches: at
    most `reach` bytes after it, or half as many before it (at least 30). `again` looks for a
    further match inside a match of which nothing was kept. `gate` is a shorter pattern that every
    match of `pattern` contains: gates run over a text together, and counters and tails cost memory
    and time there. `rough` is a pattern that many rows share and every match of them contains too:
    without it in a text their gates are not asked. `cost` is what one check takes, in microseconds.
    `doubt` is asked about what the check lets pass.
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
    rough: str | None = None
    cost: int = 10
    doubt: Doubt | None = None


RUN = r"[A-Za-z0-9+/_\-]{18,}"
"""Rough: a run that may be a token or a wallet, or base64 or hexadecimal."""

NUMBER = r"[0-9](?:[^A-Za-z]{0,4}[0-9]){5}|(?i:[a-z]{2})[0-9]{2}"
"""Rough: six digits that no letter parts, or two letters before two digits."""

CONFIRMED = 0.99
"""The score of a finding that a check confirmed."""


def stdnum(module: str) -> Callable[[str], bool]:
    """`is_valid` of a module of python-stdnum, which is imported at the first use."""

    def check(text: str) -> bool:
        return bool(import_module(f"stdnum.{module}").is_valid(text))

    return check


def either(*checks: Check) -> Check:
    """The best that any of the checks says; one that fails says no."""

    def check(text: str) -> bool | None:
        best: bool | None = False
        for one in checks:
            said = _said(one, text)
            if said:
                return True
            best = None if said is None else best
        return best

    return check


def _said(check: Check, text: str) -> bool | None:
    try:
        return check(text)
    except Exception:
        return False


def has_digits(least: int) -> Check:
    """Cannot say more than that there are so many digits."""

    def check(text: str) -> bool | None:
        return None if sum(map(str.isdigit, text)) >= least else False

    return check


def numeral(sizes: str) -> str:
    """A pattern for one digit and `sizes` more, split by single spaces, dots, dashes or slashes."""
    return rf"\b[0-9](?:[ .\-/]?[0-9]){{{sizes}}}\b"


def words(*alternatives: str) -> str:
    """A context pattern: any of the alternatives, in any case, as whole words.

    The words of one alternative may also be joined as in the names of fields: `date_of_birth`,
    `dateOfBirth`, `customer_ssn`. RE2 knows the borders of ASCII words only; one that begins with
    another letter stands anywhere, for not every script writes words apart.
    """
    joined = [one.replace(" ", r"[ _\-]?") for one in alternatives]
    found = rf"(?i)(?:\b|_)(?:{'|'.join(one for one in joined if one[0].isascii())})(?:\b|_)"
    others = [one for one in joined if not one[0].isascii()]
    if not others:
        return found
    return "|".join(others if len(others) == len(joined) else (found, *others))
