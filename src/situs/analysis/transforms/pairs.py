"""What stands for what in one request: each value that was found, and other ways to write it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from situs.analysis.transforms.pseudonyms import SECRET, WORDED, Pseudonyms
from situs.analysis.transforms.shapes import stretches
from situs.analysis.transforms.swap import Pair, escaped, joins

REDACT: Final = "redact"
PSEUDONYMISE: Final = "pseudonymise"

ATTEMPTS: Final = 4
"""In the later half of them everything is replaced within words, too."""

TELLING: Final = 4
"""Characters from which on a text is rarely there by chance."""

_LONG = 6
_ESCAPES: Final[tuple[Callable[[str], str], ...]] = (
    escaped,
    partial(escaped, ascii_only=True),
    partial(quote, safe="", errors="replace"),
)
_GAPS = re.compile(r"[\s.\-_/()]+")
_ORDINARY = frozenset("Will May Can Has Was The Are But Not All New You And For".split())  # noqa: SIM905
"""Words that begin a sentence more often than they are a name."""


class Value(Struct, frozen=True):
    """What was found, the characters beside it in each place, and what is to stand for it.

    That is a placeholder, or what is drawn from the key.
    """

    text: str
    kind: str
    sides: frozenset[tuple[str, str]]
    placeholder: str | None
    key: bytes


def pairs_of(values: Sequence[Value], invent: Pseudonyms, attempt: int) -> Iterator[Pair]:
    """The values themselves first: of several pairs for one text the first holds.

    Raises Unchangeable where nothing can be invented.
    """
    found: list[tuple[Value, Pair]] = []
    for one in values:
        if attempt:
            one = replace(one, key=hmac.digest(one.key, str(attempt).encode(), "sha256"))
        here = one.placeholder or invent.of(one.kind, one.text, one.key)
        joined = any(
            joins(before, text[:1]) or joins(text[-1:], behind)
            for before, behind in one.sides
            for text in (one.text, here)
        )
        pair = Pair(
            there=one.text,
            here=here,
            bounded=attempt < ATTEMPTS // 2 and not joined,
            loose=one.kind not in SECRET,
            inflects=one.kind in WORDED and _inflects(one.text, here),
            why=PSEUDONYMISE if one.placeholder is None else REDACT,
        )
        found.append((one, pair))
        yield pair
    for one, pair in found:
        yield from _variants(one, pair)
    for one, pair in found:
        if one.kind == "person" or (one.kind in WORDED and not one.placeholder):
            yield from _words(one, pair, invent)


def _inflects(text: str, here: str) -> bool:
    """Whether both are long enough to be themselves with an ending, too."""
    return len(text) > TELLING and len(here) > _LONG


def _variants(value: Value, pair: Pair) -> Iterator[Pair]:
    """The same value in another case, without gaps, or escaped as in JSON or in a URL."""
    text, here, redacts = pair.there, pair.here, pair.why == REDACT
    if pair.loose and len(text) >= _LONG:
        cases = [str.upper] if value.kind in WORDED and " " not in text else [str.upper, str.lower]
        for case in cases:
            yield replace(pair, there=case(text), here=here if redacts else case(here))
    close = _GAPS.sub("", text)
    if sum(map(str.isdecimal, close)) >= _LONG:
        yield replace(pair, there=close, here=here if redacts else _GAPS.sub("", here))
    for escape in _ESCAPES:
        if escape(text) != text:
            yield replace(pair, there=escape(text), here=here if redacts else escape(here))


def _words(value: Value, pair: Pair, invent: Pseudonyms) -> Iterator[Pair]:
    """The words of a name: they may stand alone in the answer, those of a person's anywhere."""
    words = [one for kind, one in stretches(pair.there) if kind == "letters"]
    for one in words if len(words) > 1 else ():
        great = one[0] != one[0].lower() and len(one) > 2 and one not in _ORDINARY
        if not great or not (value.placeholder or invent.knows(one, value.key)):
            continue
        here = value.placeholder or invent.word(one, value.key)
        made = replace(
            pair,
            there=one,
            here=here,
            bounded=True,
            inflects=_inflects(one, here),
            answers=value.kind != "person",
        )
        yield made
        yield replace(made, there=one.upper(), here=value.placeholder or here.upper())
