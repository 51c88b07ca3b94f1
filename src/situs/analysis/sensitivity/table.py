"""The detectors compiled: sets that say which rows can match, patterns that say where."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
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
from situs.analysis.sensitivity.detector import Detector

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

_MEMORY = 64 << 20


class Table(Struct, frozen=True):
    """Rows, and what finds them; `gates` are sets with the indices of their rows."""

    rows: tuple[Detector, ...]
    gates: tuple[tuple[Any, tuple[int, ...]], ...]
    patterns: tuple[Any, ...]
    contexts: tuple[Any | None, ...]
    encoded: Any

    def matching(self, data: bytes) -> list[int]:
        """Which rows can match, and `SPECIAL` and `ENCODED`.

        The last pattern of a set matches everything. A set that ran out of memory matches nothing,
        so its absence shows the failure; then every pattern of the set counts as matching.
        """
        found: list[int] = []
        for gate, indices in self.gates:
            matched = gate.Match(data)
            if not matched:
                found.extend(indices)
            elif len(matched) > 1:
                found.extend(indices[index] for index in matched if index < len(indices))
        return found


@cache
def standard() -> Table:
    """The table of all detectors that come with Situs."""
    options = _options()
    gates = [row.context or row.gate or row.pattern for row in DETECTORS]
    return Table(
        DETECTORS,
        (
            (_set([*gates, views.SPECIAL], options), (*range(len(DETECTORS)), SPECIAL)),
            (_set([views.ENCODED], options), (ENCODED,)),
        ),
        tuple(re2.compile(row.pattern, options) for row in DETECTORS),
        tuple(row.context and re2.compile(row.context, options) for row in DETECTORS),
        re2.compile(views.WRAPPED, options),
    )


def extended(rows: Sequence[Detector]) -> Table:
    """The standard table and these rows, which have a set of their own: one more pass for them."""
    base, options = standard(), _options()
    places = tuple(range(len(base.rows), len(base.rows) + len(rows)))
    gates = [row.gate or row.pattern for row in rows]
    return Table(
        (*base.rows, *rows),
        (*base.gates, (_set(gates, options), places)),
        (*base.patterns, *(re2.compile(row.pattern, options) for row in rows)),
        (*base.contexts, *(None for _ in rows)),
        base.encoded,
    )


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return options


def _set(patterns: list[str], options: Any) -> Any:
    gate = re2.Set.SearchSet(options)
    for pattern in (*patterns, r"\A"):
        gate.Add(pattern)
    gate.Compile()
    return gate
