"""Rego modules as files: reading, naming, digest, and what can be wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from situs.errors import PolicyError

TEST_SUFFIX = "_test.rego"


class Module(Struct, frozen=True):
    """One file. `name` is its path below what was named, `shown` the path as the user wrote it."""

    name: str
    shown: str
    text: str


class Source(Struct, frozen=True):
    """A policy: its modules, and the facts that they find under `data` (a bundle's)."""

    modules: tuple[Module, ...]
    data: dict[str, Any] = {}
    revision: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 in hex. It is that of the modules where there is nothing else."""
        modules = digest(self.modules)
        if not self.data and not self.revision:
            return modules
        more = [modules, self.revision, self.data]
        return hashlib.sha256(msgspec.json.encode(more, order="sorted")).hexdigest()


class Problem(Struct, frozen=True, order=True):
    """One thing that is wrong; `line` and `column` count from 1, 0 means the whole file."""

    file: str
    line: int
    column: int
    what: str
    do: str = ""

    def __str__(self) -> str:
        place = ":".join([self.file, *(str(n) for n in (self.line, self.column) if n)])
        return f"{place}: {self.what}" + (f"; {self.do}" if self.do else "")


def refuse(problems: Iterable[Problem]) -> PolicyError:
    """One error that says everything at once, in the order of the files."""
    return PolicyError("\n".join(dict.fromkeys(str(one) for one in sorted(problems))))


def read_modules(paths: Sequence[Path], *, tests: bool = False) -> tuple[Module, ...]:
    """The policy's modules under `paths` (files or directories), or its tests.

    Tests of a file named itself are those of the same stem beside it. Raises PolicyError for what
    cannot be read and when no policy is found.
    """
    found: dict[Path, Module] = {}
    problems: list[Problem] = []
    for path in paths:
        problems += [] if tests else _misnamed(path)
        for file, name in _files(path, tests):
            try:
                text = file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as problem:
                problems.append(Problem(str(file), 0, 0, _unreadable(problem)))
            else:
                found.setdefault(file.resolve(), Module(name, str(file), text))
    if not (found or problems or tests):
        shown = ", ".join(str(path) for path in paths) or "no path given"
        problems.append(Problem(shown, 0, 0, "no policy here", "name a .rego file or a directory"))
    if problems:
        raise refuse(problems)
    return tuple(sorted(found.values(), key=lambda module: (module.name, module.shown)))


def digest(modules: Sequence[Module]) -> str:
    """SHA-256 (hex) over names and texts, each preceded by its length; the order is by name."""
    sha = hashlib.sha256()
    for name, text in sorted((module.name, module.text) for module in modules):
        for part in (name.encode(), text.encode()):
            sha.update(len(part).to_bytes(8, "big") + part)
    return sha.hexdigest()


def _files(path: Path, tests: bool) -> list[tuple[Path, str]]:
    if path.is_dir():
        inside = sorted(path.rglob("*.rego"))
        kept = [file for file in inside if file.name.endswith(TEST_SUFFIX) == tests]
        return [(file, file.relative_to(path).as_posix()) for file in kept]
    if path.name.endswith(TEST_SUFFIX):
        return [(path, path.name)] if tests else []
    if tests:
        beside = path.with_name(path.stem + TEST_SUFFIX)
        return [(beside, beside.name)] if beside.is_file() else []
    return [(path, path.name)]


def _misnamed(path: Path) -> list[Problem]:
    """Files in a directory that are meant to be of the policy, and would not be read."""
    inside = sorted(path.rglob("*")) if path.is_dir() else []
    return [
        Problem(str(file), 0, 0, "is not read", f"rename it to {file.stem}.rego")
        for file in inside
        if file.suffix != ".rego" and file.suffix.lower() == ".rego"
    ]


def _unreadable(problem: OSError | UnicodeDecodeError) -> str:
    if isinstance(problem, OSError):
        return f"cannot be read: {problem.strerror or type(problem).__name__}"
    return "is not UTF-8 text"
