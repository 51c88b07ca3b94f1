"""What heads see of a text: hashed words, pairs of words and runs of bytes, in one pass of numpy.

No tokenizer: the bytes themselves are hashed, so typos, any script and code cost nothing extra.
The hash of n-grams instead of a vocabulary follows Weinberger et al., Feature Hashing (2009).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from situs.core.heads import Seen

Hashes = NDArray[np.uint32]

HEAD, TAIL, WINDOW, WINDOWS = 2048, 1024, 256, 4
"""Characters read of a long text: its head, its tail, and windows spread evenly between them."""

_MOST = HEAD + TAIL + WINDOW * WINDOWS

_SPREAD = np.uint32(0x9E3779B1)
_THREE, _FOUR, _FIVE = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35), np.uint32(0x27D4EB2F)
_LAST, _PAIR = np.uint32(0x165667B1), np.uint32(0x9E3779B9)
_NONE: Hashes = np.zeros(0, np.uint32)

_IN_WORD = np.zeros(256, np.bool_)
_IN_WORD[[*b"abcdefghijklmnopqrstuvwxyz0123456789_'"]] = True
_IN_WORD[0x80:] = True


def _powers(base: int, count: int) -> Hashes:
    found, power = [], 1
    for _ in range(count):
        found.append(power)
        power = power * base % 2**32
    return np.array(found, np.uint32)


_BASE = 0x01000193
_POWERS = _powers(_BASE, 4 * _MOST + 2)
_INVERSES = _powers(pow(_BASE, -1, 2**32), 4 * _MOST + 2)


def see(text: str) -> Seen:
    """The features of a text, of a long one those of `excerpt`."""
    whole = len(text) <= _MOST
    return Seen(text if whole else "\n".join(excerpt(text)), whole, _hashed)


def _hashed(text: str) -> tuple[Hashes, Hashes, tuple[Hashes, Hashes, Hashes]]:
    """Words, pairs of them, and runs of bytes."""
    data = b" " + text.casefold()[: 2 * _MOST].encode("utf-8", "replace")[: 4 * _MOST] + b" "
    words = _words(data)
    pairs = (words[:-1] * _PAIR) ^ words[1:] if len(words) > 1 else _NONE
    return words * _SPREAD, pairs * _SPREAD, _pieces(data)


def excerpt(text: str) -> Iterator[str]:
    """Head, windows and tail of a text that is too long to be read whole; the same each time."""
    yield text[:HEAD]
    step = (len(text) - HEAD - TAIL) // WINDOWS
    for place in range(WINDOWS):
        start = HEAD + place * step + (step - WINDOW) // 2
        yield text[start : start + WINDOW]
    yield text[-TAIL:]


def rows(hashes: Hashes, bits: int) -> NDArray[np.intp]:
    """The places of hashes in a table of 2**bits rows; the high bits are the best mixed."""
    return (hashes >> np.uint32(32 - bits)).astype(np.intp)


def summed(table: NDArray[np.int8], places: NDArray[np.intp]) -> NDArray[np.float32]:
    """The sum of these rows of a table; exact, for below 2**17 rows it fits a float's mantissa.

    As a product with ones it takes a quarter of the time of `sum`.
    """
    found: NDArray[np.float32] = table.take(places, axis=0).astype(np.float32)
    return np.ones(len(places), np.float32) @ found


def _pieces(data: bytes) -> tuple[Hashes, Hashes, Hashes]:
    """Runs of 3, 4 and 5 bytes, hashed."""
    size = len(data)
    if size < 5:
        return _NONE, _NONE, _NONE
    four = np.ndarray(size - 3, "<u4", data, strides=(1,))
    three = four & np.uint32(0xFFFFFF)
    last = np.frombuffer(data, np.uint8, size - 4, 4).astype(np.uint32)
    five = (four[:-1] * _FIVE) ^ (last * _LAST)
    return _mixed(three * _THREE), _mixed(four * _FOUR), _mixed(five)


def _mixed(hashes: Hashes) -> Hashes:
    """The high bits depend on all: the last step of MurmurHash3's finaliser."""
    hashes ^= hashes >> np.uint32(15)
    hashes *= _SPREAD
    return hashes


def _words(data: bytes) -> Hashes:
    """A polynomial hash for each word, from differences of one running sum."""
    octets = np.frombuffer(data, np.uint8)
    inside = _IN_WORD[octets]
    borders = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    if not len(borders):
        return _NONE
    starts, ends = borders[0::2], borders[1::2]
    sums = np.zeros(len(data) + 1, np.uint32)
    np.cumsum(octets * _POWERS[: len(data)], out=sums[1:])
    return (sums[ends] - sums[starts]) * _INVERSES[starts]
