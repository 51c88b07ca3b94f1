"""What the names tagger sees of a text: tokens, and for each the rows of a table to add up.

A token is a run of letters and digits, or a run of one other character; line ends and tabs are
tokens, spaces are not. All of it is arithmetic on code points, so offsets are those of the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Numbers = NDArray[np.intp]
Hashes = NDArray[np.uint32]

WORD_BITS, AFFIX_BITS, LIST_BITS = 15, 12, 19
SHAPES, PLACES, LISTS = 1024, 64, 256
LANES = 6
"""Rows a token has: word, beginning, ending, shape, place, lists."""

_STARTS = (
    1,
    1 + (1 << WORD_BITS),
    1 + (1 << WORD_BITS) + (1 << AFFIX_BITS),
    1 + (1 << WORD_BITS) + (2 << AFFIX_BITS),
    1 + (1 << WORD_BITS) + (2 << AFFIX_BITS) + SHAPES,
    1 + (1 << WORD_BITS) + (2 << AFFIX_BITS) + SHAPES + PLACES,
)
ROWS = _STARTS[-1] + LISTS
"""Rows of the table; row 0 is zero and stands for nothing."""

_SPACE, _OTHER, _LOWER, _UPPER, _DIGIT, _LETTER = range(6)
_KNOWN = 0x3000
"""Code points below it are looked up; those above are letters of scripts without case, or signs."""

_SPREAD, _AGAIN = np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B)
_MIXED = 0.02
"""Below this share of capitals (or of small letters) a text is of one case."""


class Tokens(Struct, frozen=True):
    """The tokens of all texts in order.

    `start` and `end` are code points within the text that `part` names; `rows` is tokens x LANES;
    `word` is false for runs of signs.
    """

    part: Numbers
    start: Numbers
    end: Numbers
    rows: Numbers
    word: NDArray[np.bool_]


class Reader:
    """Turns texts into tokens; owns the tables of characters and the lists of names.

    `lists` has a byte for each hash, and in it a bit for each list that has a word of that hash.
    """

    def __init__(self, lists: Any) -> None:
        self._lists = np.asarray(lists, np.uint8)
        self._kind, self._fold = _characters()
        self._power = np.array([pow(0x01000193, place, 2**32) for place in range(32)], np.uint32)

    def read(self, texts: Sequence[str]) -> Tokens:
        """The tokens of texts, in one pass; no token reaches over the border of two."""
        texts = texts or ("",)
        points = np.frombuffer("\0".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
        sizes = np.fromiter(map(len, texts), np.intp, len(texts)) + 1
        begins = np.cumsum(sizes) - sizes
        points = np.append(points, np.uint32(0))
        kind, fold = self._look(points)
        kind[begins - 1] = _SPACE
        edges = _edges(points, kind, begins)
        kept = np.flatnonzero(kind[edges[:-1]] != _SPACE)
        start, end = edges[kept], edges[kept + 1]
        part = np.searchsorted(begins, start, "right") - 1
        rows = np.empty((len(start), LANES), np.intp)
        if len(start):
            inside = np.arange(len(points)) - np.repeat(edges[:-1], np.diff(edges))
            np.minimum(inside, 31, out=inside)
            summed = np.add.reduceat(fold * self._power[inside], edges[:-1], dtype=np.uint32)
            classes = np.left_shift(1, kind, dtype=np.uint8)
            seen = np.bitwise_or.reduceat(classes, edges[:-1])[kept]
            self._affixes(rows, summed[kept], fold, start, end)
            capital = kind[start] == _UPPER
            capitals = np.add.reduceat(kind == _UPPER, edges[:-1], dtype=np.intp)[kept]
            shape = ((seen >> 1).astype(np.intp) * 2 + capital) * 2 + (capitals > capital)
            rows[:, 3] = shape * 8 + _lengths(end - start)
            before = np.append(2, (start[1:] == end[:-1]).astype(np.intp))
            before[1:][part[1:] != part[:-1]] = 2
            rows[:, 4] = (before * 4 + _cases(kind, begins)[part]) * 2 + capital
            rows += np.array(_STARTS)
        return Tokens(part, start - begins[part], end - begins[part], rows, kind[start] > _OTHER)

    def words(self, texts: list[str]) -> Hashes:
        """The hash of each text that is one word, as `read` has it."""
        found = np.zeros(len(texts), np.uint32)
        for place, text in enumerate(texts):
            points = np.array([ord(char) for char in text], np.uint32)
            inside = np.minimum(np.arange(len(points)), 31)
            found[place] = np.add.reduce(
                self._look(points)[1] * self._power[inside], dtype=np.uint32
            )
        return found

    def _look(self, points: Hashes) -> tuple[NDArray[np.uint8], Hashes]:
        low = np.minimum(points, _KNOWN)
        kind, fold = self._kind[low], self._fold[low]
        if len(points) and int(points.max()) >= _KNOWN:
            high = points >= _KNOWN
            far = points[high]
            fold[high] = far
            signs = (
                (far < 0x3040)
                | ((far >= 0xD800) & (far < 0xF900))
                | ((far >= 0xFE10) & (far < 0xFE70))
                | (far >= 0x1F000)
            )
            kind[high] = np.where(signs | ((far >= 0xFF00) & (far < 0xFF10)), _OTHER, _LETTER)
        return kind, fold

    def _affixes(
        self, rows: Numbers, hashes: Hashes, fold: Hashes, start: Numbers, end: Numbers
    ) -> None:
        rows[:, 0] = mixed(hashes) >> np.uint32(32 - WORD_BITS)
        last, size = end - 1, end - start
        first = fold[start]
        second = np.where(size > 1, fold[np.minimum(start + 1, last)], 0)
        third = np.where(size > 2, fold[np.minimum(start + 2, last)], 0)
        rows[:, 1] = _three(first, second, third) >> np.uint32(32 - AFFIX_BITS)
        final = fold[last]
        second = np.where(size > 1, fold[np.maximum(last - 1, start)], 0)
        third = np.where(size > 2, fold[np.maximum(last - 2, start)], 0)
        rows[:, 2] = _three(final, second, third) >> np.uint32(32 - AFFIX_BITS)
        rows[:, 5] = self._lists[places(hashes, 0)] & self._lists[places(hashes, 1)]


def mixed(hashes: Hashes) -> Hashes:
    """The high bits depend on all others."""
    found = hashes * _SPREAD
    found ^= found >> np.uint32(15)
    return found * _AGAIN


def places(hashes: Hashes, probe: int) -> Numbers:
    """Where the lists keep a word; it is on a list only if both places (probe 0 and 1) say so."""
    spread = mixed(hashes ^ np.uint32(0x5BD1E995 * (probe + 1) & 0xFFFFFFFF))
    return (spread >> np.uint32(32 - LIST_BITS)).astype(np.intp)


def _three(first: Hashes, second: Hashes, third: Hashes) -> Hashes:
    joined = first * np.uint32(0x27D4EB2F)
    joined ^= second * np.uint32(0x165667B1)
    joined += third * np.uint32(0xC2B2AE35)
    return mixed(joined)


def _edges(points: Hashes, kind: NDArray[np.uint8], begins: Numbers) -> Numbers:
    """Where a run of word characters or of one sign begins or ends, or a text."""
    change = np.empty(len(points) + 1, np.bool_)
    word = kind > _OTHER
    np.not_equal(word[1:], word[:-1], out=change[1:-1])
    change[1:-1] |= ~word[1:] & (points[1:] != points[:-1])
    change[begins] = True
    change[begins - 1] = True
    change[-2:] = True
    return np.flatnonzero(change)


def _lengths(sizes: Numbers) -> Numbers:
    """One to six as they are, seven to nine as one, more as none."""
    return np.where(sizes < 7, sizes, np.where(sizes < 10, 7, 0))


def _cases(kind: NDArray[np.uint8], begins: Numbers) -> Numbers:
    """For each text: 0 all small, 1 all capitals, 2 mixed, 3 hardly a letter.

    In a text of one case a capital says nothing.
    """
    upper = np.add.reduceat(kind == _UPPER, begins, dtype=np.intp)
    lower = np.add.reduceat(kind == _LOWER, begins, dtype=np.intp)
    case = np.where(upper < _MIXED * lower, 0, np.where(lower < _MIXED * upper, 1, 2))
    return np.where(upper + lower < 3, 3, case)


def _characters() -> tuple[NDArray[np.uint8], Hashes]:
    """Class and folded form (small letter, no accent) of each known code point, and of the rest."""
    kind = np.full(_KNOWN + 1, _OTHER, np.uint8)
    fold = np.arange(_KNOWN + 1, dtype=np.uint32)
    for point in range(_KNOWN):
        char = chr(point)
        if char in "\n\t":
            continue
        if char.isspace():
            kind[point] = _SPACE
        elif char.isdigit():
            kind[point] = _DIGIT
        elif char.isalpha() or unicodedata.combining(char):
            kind[point] = _UPPER if char.isupper() else _LOWER if char.islower() else _LETTER
        elif unicodedata.category(char) in ("Mc", "Mn"):
            kind[point] = _LETTER
        fold[point] = ord(unicodedata.normalize("NFKD", char.lower())[0])
    return kind, fold
