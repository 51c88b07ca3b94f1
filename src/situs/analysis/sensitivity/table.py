"""The detectors compiled: sets that say which rows can match; patterns, when one can, where."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import re2
from msgspec import Struct

from situs.analysis.sensitivity import (
    anywhere,
    business,
    contact,
    money,
    national,
    network,
    people,
    secrets,
    views,
    wallets,
)
from situs.analysis.sensitivity.detector import NUMBER, RUN, Detector
from situs.analysis.sensitivity.disguise import GROUP, WIDE
from situs.analysis.sensitivity.disguises import DISGUISES

DETECTORS: tuple[Detector, ...] = (
    *contact.DETECTORS,
    *money.DETECTORS,
    *secrets.DETECTORS,
    *people.DETECTORS,
    *national.DETECTORS,
    *anywhere.DETECTORS,
    *business.DETECTORS,
    *network.DETECTORS,
    *wallets.DETECTORS,
)

SPECIAL, ENCODED = -1, -2
"""Among the rows that match: the text has something to fold, or to decode."""

_NUMBER = -3
_WIDE = -5
SCATTERED = -4
"""There is a group of four digits: those of a card may be all over the request."""

DISGUISED = -10
"""The first disguise; those after it are lower."""

_MEMORY = 16 << 20
_PATTERNS = 2048


class Gate(Struct, frozen=True):
    """A set of patterns with the rows that each stands for; asked only `behind` what was found."""

    patterns: Any
    rows: tuple[int, ...]
    behind: int | None = None

    def matching(self, data: bytes) -> Sequence[int]:
        """The last pattern of a set matches everything. A set that ran out of memory matches
        nothing, so its absence shows the failure; then every pattern counts as matching."""
        matched = self.patterns.Match(data)
        if not matched:
            return self.rows
        if len(matched) == 1:
            return ()
        return [self.rows[index] for index in matched if index < len(self.rows)]


class Table(Struct, frozen=True):
    """Rows, and what says which of them can match."""

    rows: tuple[Detector, ...]
    gates: tuple[Gate, ...]

    def matching(self, data: bytes) -> list[int]:
        """Which rows can match, and `SPECIAL` and `ENCODED`; disguises last."""
        found: list[int] = []
        for gate in self.gates:
            if gate.behind is None or gate.behind in found:
                found.extend(gate.matching(data))
        wanted = [index for index in found if index not in (_NUMBER, _WIDE)]
        wanted.sort(key=DISGUISED.__ge__)
        return wanted


@cache
def standard() -> Table:
    """The table of all detectors that come with Situs.

    What is looked for at once costs the product of its patterns' states where it is read for the
    first time, and what is looked for apart costs one more pass. So every text is asked four sets
    of patterns that are alike, and what is rare stands behind what is rough.
    """
    rough = {RUN: ENCODED, NUMBER: _NUMBER, WIDE: _WIDE, GROUP: SCATTERED}
    apart: dict[tuple[bool, str | None], list[tuple[str, int]]] = {}
    for place, row in enumerate(DETECTORS):
        apart.setdefault((row.context is not None, row.rough), []).append((_gate(row), place))
    for place, one in enumerate(DISGUISES):
        apart.setdefault((one.rough in rough, one.rough), []).append((one.gate, DISGUISED - place))
    gates = (
        _gated(rows, None if behind is None else rough.get(behind))
        for (_, behind), rows in apart.items()
    )
    return Table(DETECTORS, (_gated([*rough.items(), (views.SPECIAL, SPECIAL)]), *gates))


def _gated(rows: Sequence[tuple[str, int]], behind: int | None = None) -> Gate:
    return Gate(_set([gate for gate, _ in rows]), tuple(index for _, index in rows), behind)


def extended(rows: Sequence[Detector]) -> Table:
    """The standard table and these rows, which have a set of their own: one more pass for them."""
    base = standard()
    places = tuple(range(len(base.rows), len(base.rows) + len(rows)))
    own = _gated([(_gate(row), place) for row, place in zip(rows, places, strict=True)])
    return Table((*base.rows, *rows), (*base.gates, own))


@lru_cache(_PATTERNS)
def compiled(pattern: str) -> Any:
    """In RE2 syntax; compiled at the first use, in about a tenth of a millisecond."""
    return re2.compile(pattern, _options())


def _gate(row: Detector) -> str:
    return row.context or row.gate or row.pattern


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return options


def _set(patterns: list[str]) -> Any:
    gate = re2.Set.SearchSet(_options())
    for pattern in (*patterns, r"\A"):
        gate.Add(pattern)
    gate.Compile()
    return gate
