"""Prints what changed between two result files, with the spread of each side.

python -m bench.compare before.jsonl after.jsonl
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

FACTS = frozenset({"at", "commit", "python", "cpu", "cpus", "busy", "machine", "rounds"})
"""Where and when a row was measured: not what, and not a figure."""

MUST_MATCH = ("workload", "cpu", "python")
"""Rows that differ in one of these compare apples with pears; that is said."""

Row = dict[str, Any]


class Change(Struct, frozen=True):
    """One figure on both sides. `certain`: the two ranges do not touch."""

    what: str
    figure: str
    before: float
    after: float
    before_range: tuple[float, float]
    after_range: tuple[float, float]

    @property
    def certain(self) -> bool:
        return (
            self.before_range[1] < self.after_range[0] or self.after_range[1] < self.before_range[0]
        )

    @property
    def percent(self) -> float:
        return 100 * (self.after - self.before) / self.before if self.before else float("nan")


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def subject(row: Row) -> str:
    """What a row is about: its words, facts and the workload's digest left out."""
    skipped = FACTS | {"workload"}
    words = [str(v) for k, v in row.items() if isinstance(v, str) and k not in skipped]
    return " ".join(words)


def changes(before: Iterable[Row], after: Iterable[Row]) -> list[Change]:
    """Every figure that both sides have, subject by subject."""
    old, new = _grouped(before), _grouped(after)
    found = []
    for what in old:
        if what not in new:
            continue
        for figure in _figures(old[what][0]):
            one, other = _spread(old[what], figure), _spread(new[what], figure)
            if one and other:
                found.append(Change(what, figure, one[0], other[0], one[1:], other[1:]))
    return found


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(subject(row), []).append(row)
    return groups


def _figures(row: Row) -> list[str]:
    return [
        key
        for key, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and key not in FACTS
    ]


def _spread(rows: list[Row], figure: str) -> tuple[float, float, float] | None:
    """Median, least and greatest; a row's own `FIGURE_range` widens it."""
    values = [row[figure] for row in rows if isinstance(row.get(figure), int | float)]
    if not values:
        return None
    ends = [end for row in rows for end in row.get(f"{figure}_range", [])]
    return statistics.median(values), min([*values, *ends]), max([*values, *ends])


def warnings(before: list[Row], after: list[Row]) -> list[str]:
    found = []
    for key in MUST_MATCH:
        one = {row.get(key) for row in before}
        other = {row.get(key) for row in after}
        if one != other:
            found.append(f"{key} differs: {sorted(map(str, one))} and {sorted(map(str, other))}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    given = parser.parse_args()
    before, after = read(given.before), read(given.after)
    for line in warnings(before, after):
        print(f"careful: {line}", file=sys.stderr)
    last = ""
    for change in changes(before, after):
        if change.what != last:
            last = change.what
            print(last)
        one, other = change.before_range, change.after_range
        print(
            f"  {change.figure:24} {change.before:12.6g} [{one[0]:.6g}..{one[1]:.6g}]"
            f" -> {change.after:12.6g} [{other[0]:.6g}..{other[1]:.6g}]"
            f" {change.percent:+7.1f} %{'' if change.certain else '  (ranges overlap)'}"
        )


if __name__ == "__main__":
    main()
