"""One thing that is wrong in a configuration, and how it is said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from msgspec import Struct

from situs.errors import ConfigError

Path = tuple[str, ...]
"""Keys from the root of the document; list items by their index."""

_SHOWN = 50
_WORDY = 32
_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")


class Mark(Struct, frozen=True):
    """A place in a file; both count from 1."""

    line: int
    column: int


class Problem(Struct, frozen=True):
    """`what` never holds a value from the file, only names of keys."""

    file: str
    line: int
    column: int
    path: str
    what: str
    nearest: str | None = None

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.file}:{self.line}: {place}{self.what}{hint}"


class Report:
    """Collects problems; keeps where each path stands, so that later checks can point at it."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.positions: dict[Path, Mark] = {}
        self._found: list[tuple[Path, Problem]] = []

    def add(
        self, path: Path, what: str, *, nearest: str | None = None, mark: Mark | None = None
    ) -> None:
        """Without a mark, the problem stands at the closest known ancestor of `path`."""
        at = mark or self.position(path)
        self._found.append(
            (path, Problem(self.file, at.line, at.column, dotted(path), what, nearest))
        )

    def position(self, path: Path) -> Mark:
        for length in range(len(path), -1, -1):
            if path[:length] in self.positions:
                return self.positions[path[:length]]
        return Mark(1, 1)

    def below(self, section: str) -> frozenset[str]:
        """The names that stand directly under a section of the file."""
        return frozenset(path[1] for path in self.positions if path[:1] == (section,) and path[1:])

    def sound(self, path: Path) -> bool:
        """No problem was found at or below `path`."""
        return not any(found[: len(path)] == path for found, _ in self._found)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """In the order of the file."""
        return tuple(sorted((p for _, p in self._found), key=lambda p: (p.line, p.column)))


def dotted(path: Path) -> str:
    """`a.b.c`; a part that is not like a name, and may be a pasted secret, is not shown."""
    return ".".join(part if _NAME.fullmatch(part) or _is_wordy(part) else "…" for part in path)


def _is_wordy(part: str) -> bool:
    """Letters of any script: what someone takes for a name, such as `büro`."""
    return len(part) <= _WORDY and all(c.isalnum() or c in "_-" for c in part)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    close = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def as_error(problems: Sequence[Problem]) -> ConfigError:
    """One error whose message has a line for each problem."""
    lines = [str(problem) for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"and {len(problems) - _SHOWN} more")
    return ConfigError("\n".join(lines))
