"""Where one text ends and the next begins: what was cut in two there is put together again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from situs.analysis.sensitivity.views import BREAK

WINDOW = 64
"""Characters at either end of a text that are looked at; a text of twice as many is taken whole."""


class Seams:
    """Neighbouring texts in one, with `glue` between them, and the way back to the parts."""

    def __init__(self, texts: Sequence[str], order: Iterable[int], glue: str) -> None:
        pieces: list[str] = []
        self._at: list[int] = []
        self._source: list[tuple[int, int, int]] = []
        length = 0
        for part in order:
            text = texts[part]
            cut = max(WINDOW, len(text) - WINDOW)
            head, tail = text[:WINDOW], text[cut:]
            for piece, start in ((head, 0), (tail, cut)):
                if start == cut and cut > WINDOW:
                    pieces.append(BREAK)
                    length += len(BREAK)
                self._at.append(length)
                self._source.append((part, start, start + len(piece)))
                pieces.append(piece)
                length += len(piece)
            pieces.append(glue)
            length += len(glue)
        self.text = "".join(pieces)

    def places(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Part, start and end of every piece of a text that `start:end` covers, in order."""
        found: list[tuple[int, int, int]] = []
        index = max(0, bisect_right(self._at, start) - 1)
        while index < len(self._at) and self._at[index] < end:
            part, first, last = self._source[index]
            shift = first - self._at[index]
            begin, stop = max(first, start + shift), min(last, end + shift)
            if begin < stop:
                if found and found[-1][0] == part and found[-1][2] == begin:
                    found[-1] = (part, found[-1][1], stop)
                else:
                    found.append((part, begin, stop))
            index += 1
        return found
