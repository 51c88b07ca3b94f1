"""The lists of names as the tagger has them: a byte for each hash, a bit in it for each list."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from situs.analysis.sensitivity.names_tokens import LIST_BITS, Reader, places
from situs.learning.names_values import STREETS, TRADES, UNITS, Values, words

_KNOWN = 0.85
"""The share of names that is on a list: training must also meet names that are on none."""

_FORMS = """
inc llc ltd limited group plc gmbh ag sons corporation corp holdings partners sa spa bv ab oy pty
pvt technologies systems consulting university hospital bank ministry department foundation
association institute council
"""
_SIDES = "box po north south east west corner"


def lists(values: Values, seed: int = 5) -> NDArray[np.uint8]:
    """The table for `Reader`. Bits, from the lowest: given names, family names, large towns, towns,
    countries and regions, words of streets, words of companies."""
    draw = random.Random(seed)
    table = np.zeros(1 << LIST_BITS, np.uint8)
    reader = Reader(table)
    known = [
        _most(words(name for names in values.first for name in names), draw),
        _most(words(name for names in values.last for name in names), draw),
        _most(words(values.cities), draw),
        _most(words(values.towns), draw),
        words(values.countries) | words(values.regions),
        words(STREETS) | words(UNITS) | words(values.streets) | set(_SIDES.split()),
        words(TRADES) | set(_FORMS.split()),
    ]
    for bit, names in enumerate(known):
        hashes = reader.words(sorted(names))
        for probe in (0, 1):
            table[places(hashes, probe)] |= 1 << bit
    return table


def _most(names: Iterable[str], draw: random.Random) -> set[str]:
    return {name for name in sorted(names) if draw.random() < _KNOWN}
