"""About how many tokens a text has for a family of models, without its tokenizer.

Units (words with the space before them, signs, numbers) that are frequent have their mean count in
a table. For the others the chance that a token begins at a character is learned from it and its
neighbours, and summed. Both are learned by `learning.tokens` from texts and real tokenizers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from situs.analysis.token_families import UNKNOWN, family_of
from situs.analysis.token_units import MOST, Units, kinds, mixed, units

SLOT_BITS = 18
"""Of the table of units."""

PLACE_BITS = (13, 16, 16, 17, 17)
"""Of the tables of characters: alone, after another, before another, between two, after two."""

COUNTS = np.concatenate((np.arange(128) / 32, 4 + np.arange(128) / 4)).astype(np.float32)
"""What a byte in the table of units means: small counts more finely than large ones."""

CHANCE_STEP = 40
"""The table of characters counts in so many parts of a token."""

Counts = Callable[[bytes, Sequence[str]], list[float]]

_SHIFTS = np.array([[32 - bits] for bits in PLACE_BITS], np.uint32)
_OFFSETS = np.array(
    [[sum(2**b for b in PLACE_BITS[:row])] for row in range(len(PLACE_BITS))], np.intp
)
_AROUND = np.arange(4).reshape(4, 1)
_SPREADS = np.array([[0x165667B1], [0x85EBCA6B], [0xC2B2AE35], [0x27D4EB2F]], np.uint32)


def counter(
    arrays: Mapping[str, Any], settings: Mapping[str, Any]
) -> Callable[[bytes, str], float]:
    """A function from a text in UTF-8 and a family, or a model's name, to tokens."""
    many = counters(arrays, settings)
    return lambda data, family: many(data, (family,))[0]


def counters(arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> Counts:
    """The same for several families at once, which costs little more than for one."""
    families: dict[str, int] = {name: row for row, name in enumerate(settings["families"])}
    widest = [families[name] for name in settings[UNKNOWN]]
    keys: NDArray[np.uint16] = arrays["keys"]
    known: NDArray[np.uint8] = arrays["known"]
    weights: NDArray[np.int8] = arrays["weights"]
    table = kinds()

    @lru_cache(maxsize=1024)
    def rows_of(family: str) -> list[int]:
        name = family if family in families else family_of(family)
        return [families[name]] if name in families else widest

    def count(data: bytes, wanted: Sequence[str]) -> list[float]:
        asked = [rows_of(family) for family in wanted]
        totals = dict.fromkeys((row for rows in asked for row in rows), 0.0)
        for piece in pieces(data):
            found = units(piece, table)
            slots, missing = look_up(found, keys)
            for row in totals:
                totals[row] += float(np.add.reduce(COUNTS.take(known[row].take(slots))))
            if missing.any():
                places = neighbourhoods(found, characters(found, missing))
                for row in totals:
                    totals[row] += (
                        int(np.add.reduce(weights[row].take(places), None, np.int64)) / CHANCE_STEP
                    )
        return [max(0.0, *(totals[row] for row in rows)) for rows in asked]

    return count


def pieces(data: bytes) -> Iterator[bytes]:
    """A long text in parts that end between two characters."""
    at = 0
    while at < len(data):
        end = at + MOST
        while at < end < len(data) and data[end] & 0xC0 == 0x80 and end > at + MOST - 4:
            end -= 1
        yield data[at:end]
        at = end


def look_up(found: Units, keys: NDArray[np.uint16]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The slots of the units that are in the table, and which units are not."""
    slots = slots_of(found.hashes)
    hit = keys.take(slots) == found.hashes.astype(np.uint16)
    return slots[hit], ~hit


def slots_of(hashes: NDArray[np.uint32]) -> NDArray[np.intp]:
    return (hashes >> np.uint32(32 - SLOT_BITS)).astype(np.intp)


def characters(found: Units, missing: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The places of the characters of some units."""
    return np.repeat(missing, found.sizes).nonzero()[0]


def neighbourhoods(found: Units, at: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows in the table of weights for some characters: one for each of `PLACE_BITS`."""
    first, before, here, after = found.padded.take(at + _AROUND) * _SPREADS
    hashes = np.empty((len(PLACE_BITS), len(at)), np.uint32)
    hashes[0] = here
    pair = np.add(here, before, out=hashes[1])
    np.bitwise_xor(here, after, out=hashes[2])
    np.bitwise_xor(pair, after, out=hashes[3])
    np.bitwise_xor(pair, first, out=hashes[4])
    places = (mixed(hashes) >> _SHIFTS).astype(np.intp)
    places += _OFFSETS
    return places
