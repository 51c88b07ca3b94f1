"""Where one text ends and the next begins: what was cut in two there is put together again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from situs.analysis.sensitivity.views import BREAK

WINDOW = 64
"""Characters at either end of a text that are looked at; a text of twice as many is taken whole."""

_WHOLE = 2 * WINDOW


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
