"""Where patterns match in the bytes of a text, what is near it, and where that is in characters."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Any


def matches(pattern: Any, data: bytes) -> Iterator[tuple[int, int]]:
    place = 0
    while (match := pattern.search(data, place)) is not None:
        yield match.span()
        place = max(match.end(), place + 1)


class Near:
    """Answers whether a context word stands near a span: `reach` bytes before, or half as many
    after (at least 30)."""

    def __init__(self, words: Iterable[tuple[int, int]], reach: int) -> None:
        found = list(words)
        self._starts = [start for start, _ in found]
        self._ends = [end for _, end in found]
        self._reach = reach

    def covers(self, start: int, end: int) -> bool:
        before = bisect_right(self._ends, start) - 1
        if before >= 0 and start - self._ends[before] <= self._reach:
            return True
        after = bisect_left(self._starts, end)
        return after < len(self._starts) and self._starts[after] - end <= max(30, self._reach // 2)


class Chars:
    """Turns byte offsets, asked for in ascending order, into character offsets."""

    def __init__(self, text: str, data: bytes) -> None:
        self._data = data
        self._same = len(text) == len(data)
        self._byte = self._char = 0

    def __call__(self, offset: int) -> int:
        if self._same:
            return offset
        if offset < self._byte:
            self._byte = self._char = 0
        self._char += len(self._data[self._byte : offset].decode("utf-8"))
        self._byte = offset
        return self._char
