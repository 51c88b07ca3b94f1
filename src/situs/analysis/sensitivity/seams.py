"""Where one text ends and the next begins: what was cut in two there is put together again."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from situs.analysis.sensitivity.money import is_scattered_card
from situs.analysis.sensitivity.views import BREAK

WINDOW = 64
"""Characters at either end of a text that are looked at; a text of twice as many is taken whole."""

_WHOLE = 2 * WINDOW
_DIGITS = re.compile(r"(?:(?<=[0-9])\.)?[0-9]+")
_SHORTEST_CARD, _LONGEST_CARD = 12, 19
_ASCII_DIGITS = b"0123456789"
_MOST = 1 << 16
"""Characters; in more text than that, nothing is put together that does not touch."""


def ends(texts: Sequence[str], order: Iterable[int]) -> list[str]:
    """The beginning and the end of each text, with a break for what is between them."""
    chosen = [texts[part] for part in order]
    return [
        text if len(text) <= _WHOLE else f"{text[:WINDOW]}{BREAK}{text[-WINDOW:]}"
        for text in chosen
    ]


class Seams:
    """The way back from `glue.join(ends(texts, order))` to the texts."""

    def __init__(self, texts: Sequence[str], order: Iterable[int], glue: str) -> None:
        self._at: list[int] = []
        self._source: list[tuple[int, int, int]] = []
        place = 0
        for part in order:
            size = len(texts[part])
            spans = [(0, size)] if size <= _WHOLE else [(0, WINDOW), (size - WINDOW, size)]
            for start, end in spans:
                place += len(BREAK) if start else 0
                self._at.append(place)
                self._source.append((part, start, end))
                place += end - start
            place += len(glue)

    def places(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Part, start and end of every piece of a text that `start:end` covers, in order."""
        found: list[tuple[int, int, int]] = []
        index = max(0, bisect_right(self._at, start) - 1)
        while index < len(self._at) and self._at[index] < end:
            part, first, last = self._source[index]
            shift = first - self._at[index]
            begin, stop = max(first, start + shift), min(last, end + shift)
            if begin < stop:
                found.append((part, begin, stop))
            index += 1
        return found


def scattered(texts: Sequence[str], order: Sequence[int]) -> list[tuple[int, int, int]]:
    """The groups of a card (part, start, end), if all digits of a request are these alone.

    Whatever stands between them; in this order of the parts, or as they come.
    """
    if sum(map(len, texts)) > _MOST or not _may_be_card(texts, order):
        return []
    for parts in dict.fromkeys((tuple(dict.fromkeys(order)), tuple(sorted(set(order))))):
        digits, groups = _groups(texts, parts)
        sizes = [end - start for _, start, end in groups]
        if len(groups) > 1 and is_scattered_card(digits, sizes):
            return groups
    return []


def _may_be_card(texts: Sequence[str], order: Sequence[int]) -> bool:
    """Whether there are as many digits as a card has: counted quickly, for most texts have fewer or
    more."""
    data = "".join(texts[part] for part in set(order)).encode("utf-8", "replace")
    return _SHORTEST_CARD <= len(data) - len(data.translate(None, _ASCII_DIGITS)) <= _LONGEST_CARD


def _groups(texts: Sequence[str], parts: Iterable[int]) -> tuple[str, list[tuple[int, int, int]]]:
    """All digits, and where they stand; none if they are too many, or a decimal fraction's."""
    digits = ""
    groups: list[tuple[int, int, int]] = []
    for part in parts:
        for match in _DIGITS.finditer(texts[part]):
            digits += match.group()
            if len(digits) > _LONGEST_CARD or match.group()[0] == ".":
                return "", []
            groups.append((part, *match.span()))
    return digits, groups
