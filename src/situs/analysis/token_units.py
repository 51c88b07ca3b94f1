"""Cuts a text where tokenizers do: words with the space before them, numbers, signs, white space.

The borders follow the pattern of OpenAI's cl100k_base, which most byte-pair tokenizers share;
Chinese characters and kana are runs of their own.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LETTER, DIGIT, SPACE, BREAK, SIGN, BLANK, WIDE, OUTSIDE = range(8)

_SPREAD = np.uint32(0x9E3779B1)
_BASE = 0x01000193
MOST = 8192
"""Characters that are cut at once."""


class Units(NamedTuple):
    """`padded` are the characters, digits all as 0, between two zeros and one.

    `hashes` are those of the units at `starts`.
    """

    padded: NDArray[np.uint32]
    starts: NDArray[np.intp]
    hashes: NDArray[np.uint32]

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Characters of each unit."""
        sizes = np.empty_like(self.starts)
        np.subtract(self.starts[1:], self.starts[:-1], out=sizes[:-1])
        sizes[-1:] = len(self.padded) - 3 - self.starts[-1:]
        return sizes


def _powers(base: int) -> NDArray[np.uint32]:
    found, power = [], 1
    for _ in range(MOST + 1):
        found.append(power)
        power = power * base % 2**32
    return np.array(found, np.uint32)


_POWERS = _powers(_BASE)
_INVERSES = _powers(pow(_BASE, -1, 2**32))


def kind_of(character: str) -> int:
    """What sort of character this is to a tokenizer."""
    if character == " ":
        return SPACE
    if character in "\r\n":
        return BREAK
    category = unicodedata.category(character)
    if category[0] in "LM":
        return WIDE if _is_wide(ord(character)) else LETTER
    if category[0] == "N":
        return DIGIT
    return BLANK if category[0] == "Z" or character in "\t\v\f" else SIGN


def _is_wide(code: int) -> bool:
    return 0x2E80 <= code < 0xA000 or 0xF900 <= code < 0xFB00 or code >= 0x20000


_ASCII = bytes(kind_of(chr(code)) if code < 128 else SIGN for code in range(256))
_ZEROS = bytes(0x30 if 0x30 <= code < 0x3A else code for code in range(256))


def kinds() -> NDArray[np.uint8]:
    """`kind_of` for the Basic Multilingual Plane and, last, what lies beyond; takes 20 ms."""
    found = bytearray(kind_of(chr(code)) for code in range(0x10000))
    return np.frombuffer(bytes(found), np.uint8)


def units(data: bytes, table: NDArray[np.uint8]) -> Units:
    """The units of a text in UTF-8 of at most `MOST` bytes; `table` is that of `kinds`."""
    if data.isascii():
        kind = np.frombuffer(data.translate(_ASCII), np.uint8)
        padded = np.zeros(len(data) + 3, np.uint32)
        codes = padded[2:-1]
        codes[:] = np.frombuffer(data.translate(_ZEROS), np.uint8)
    else:
        text = data.decode("utf-8", "replace").encode("utf-32-le", "replace")
        padded = np.zeros(len(text) // 4 + 3, np.uint32)
        codes = padded[2:-1]
        codes[:] = np.frombuffer(text, np.uint32)
        kind = table.take(codes, mode="clip")
        kind[codes >= 0x20000] = WIDE
        codes[(codes - np.uint32(0x30)) < 10] = 0x30
    if not len(codes):
        return Units(padded, np.zeros(0, np.intp), codes)
    starts = _borders(kind).nonzero()[0]
    sums = np.add.reduceat(codes * _POWERS[: len(codes)], starts, dtype=np.uint32)
    return Units(padded, starts, mixed(sums * _INVERSES.take(starts)))


def mixed(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """All bits depend on all, as good as reversibly: a step of MurmurHash3's finaliser."""
    hashes ^= hashes >> np.uint32(15)
    hashes *= _SPREAD
    hashes ^= hashes >> np.uint32(16)
    return hashes


def _border_rules() -> NDArray[np.bool_]:
    """Whether a unit starts, by the sorts of two characters before, the one, and one after.

    1. Where the sort of character changes.
    2. A space belongs to the word or the signs that follow.
    3. A single sign belongs to the word that follows, if no space is before it.
    4. Line breaks belong to the signs before them.
    """
    first, before, here, after = np.indices((8, 8, 8, 8))
    worded = np.isin(np.arange(8), (LETTER, SIGN, WIDE))
    start = before != here
    start |= (here == SPACE) & worded[after]
    start &= ~((before == SPACE) & worded[here])
    start &= ~((before == SIGN) & (here == LETTER) & (first != SIGN) & (first != SPACE))
    start &= ~((before == SIGN) & (here == BREAK))
    rules: NDArray[np.bool_] = start.ravel()
    return rules


_BORDERS = _border_rules()


def _borders(kind: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where units start."""
    padded = np.full(len(kind) + 3, OUTSIDE, np.uint8)
    padded[2:-1] = kind
    pairs = padded[:-1] << 3
    pairs |= padded[1:]
    fours = pairs[:-2].astype(np.uint16)
    fours <<= 6
    fours |= pairs[2:]
    return _BORDERS.take(fours)
