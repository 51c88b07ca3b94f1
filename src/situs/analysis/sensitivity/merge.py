"""Findings of two tiers as one list."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from situs.core.label import Finding


def merged(
    known: Sequence[Finding], names: Iterable[Finding]
) -> tuple[tuple[Finding, ...], list[str]]:
    """Both in order of place, and the kinds of the names that stay.

    Where a name touches what a detector of the first tier found, its longest piece that does not
    stays, if it is at least half of it: an e-mail address is not a person as well. Of names that
    touch, the earlier one stays.
    """
    taken: dict[int, list[Finding]] = {}
    for one in sorted(known, key=_place):
        taken.setdefault(one.part, []).append(one)
    added: list[Finding] = []
    ends: dict[int, int] = {}
    for one in sorted(names, key=_place):
        start = max(one.start, ends.get(one.part, 0))
        pieces = _free(taken.get(one.part, []), start, one.end)
        first, last = max(pieces, key=lambda piece: piece[1] - piece[0], default=(0, 0))
        if 2 * (last - first) >= one.end - one.start:
            added.append(replace(one, start=first, end=last))
            ends[one.part] = last
    order = sorted((*known, *added), key=_place)
    return tuple(order), [one.kind for one in added]


def _place(finding: Finding) -> tuple[int, int]:
    return finding.part, finding.start


def _free(known: list[Finding], start: int, end: int) -> Iterator[tuple[int, int]]:
    """What of `start:end` none of these covers; they are in order and do not overlap."""
    for one in known[bisect_right(known, start, key=lambda one: one.end) :]:
        if one.start >= end:
            break
        if start < one.start:
            yield start, one.start
        start = one.end
    if start < end:
        yield start, end
