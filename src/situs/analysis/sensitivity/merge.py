"""Findings of two tiers as one list."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from situs.core.label import Finding


def merged(
    known: Sequence[Finding], names: Iterable[Finding]
) -> tuple[tuple[Finding, ...], list[str]]:
    """Both in order of place, and the kinds of the names that stay.

    A name that touches what a detector of the first tier found goes: an e-mail address is not a
    person as well.
    """
    taken: dict[int, list[tuple[int, int]]] = {}
    for one in known:
        taken.setdefault(one.part, []).append((one.start, one.end))
    for spans in taken.values():
        spans.sort()
    added = [one for one in names if _free(taken.get(one.part, []), one.start, one.end)]
    order = sorted((*known, *added), key=lambda one: (one.part, one.start))
    return tuple(order), [one.kind for one in added]


def _free(spans: list[tuple[int, int]], start: int, end: int) -> bool:
    """Whether none of these spans, which are in order and do not overlap, touches `start:end`."""
    after = bisect_right(spans, (start, start))
    return not (
        (after < len(spans) and spans[after][0] < end)
        or (after > 0 and spans[after - 1][1] > start)
        or (after < len(spans) and spans[after][0] == start)
    )
