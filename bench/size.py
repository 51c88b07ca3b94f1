"""Lists the largest files and functions of `src`, and fails for those that are too large.

Exemptions stand in `pyproject.toml`, each with its reason, and must still be needed:

    [tool.situs.size]
    exempt = {"src/situs/a.py" = "reason", "src/situs/a.py:Class.function" = "reason"}
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

FILE_LINES = 400
FUNCTION_LINES = 50
PARAMETERS = 6


class Item(Struct, frozen=True):
    """A file (`parameters` is 0) or a function; `name` is what an exemption calls it."""

    name: str
    lines: int
    parameters: int
    is_file: bool

    @property
    def faults(self) -> list[str]:
        limit = FILE_LINES if self.is_file else FUNCTION_LINES
        found = []
        if self.lines > limit:
            found.append(f"{self.lines} lines (at most {limit})")
        if self.parameters > PARAMETERS:
            found.append(f"{self.parameters} parameters (at most {PARAMETERS})")
        return found


def measure(path: str, source: str) -> Iterator[Item]:
    """One item for the file and one for each function in it, methods and nested ones too."""
    yield Item(path, len(source.splitlines()), 0, is_file=True)
    yield from _functions(path, ast.parse(source), prefix="")


def _functions(path: str, node: ast.AST, prefix: str) -> Iterator[Item]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{child.name}"
            lines = (child.end_lineno or child.lineno) - child.lineno + 1
            yield Item(f"{path}:{name}", lines, _parameters(child), is_file=False)
            yield from _functions(path, child, f"{name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(path, child, f"{prefix}{child.name}.")
        else:
            yield from _functions(path, child, prefix)


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in every)


def complaints(items: list[Item], exempt: dict[str, str]) -> list[str]:
    """What is too large and not exempt, and which exemptions have no reason or no use."""
    faulty = {item.name: item.faults for item in items if item.faults}
    found = [
        f"{name}: {', '.join(faults)}" for name, faults in faulty.items() if name not in exempt
    ]
    for name, reason in exempt.items():
        if name not in faulty:
            found.append(f"{name}: exempt in pyproject.toml, but no longer too large (or gone)")
        elif not reason.strip():
            found.append(f"{name}: exempt in pyproject.toml without a reason")
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--list", action="store_true", help="list the largest instead of checking")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    options = parser.parse_args(arguments)
    project = tomllib.loads((options.root / "pyproject.toml").read_text(encoding="utf-8"))
    exempt = project.get("tool", {}).get("situs", {}).get("size", {}).get("exempt", {})
    items = [
        item
        for path in sorted((options.root / "src").rglob("*.py"))
        for item in measure(path.relative_to(options.root).as_posix(), path.read_text("utf-8"))
    ]
    if options.list:
        _show("files", [i for i in items if i.is_file])
        _show("functions", [i for i in items if not i.is_file])
        return 0
    found = complaints(items, exempt)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


def _show(title: str, items: list[Item], count: int = 15) -> None:
    lines = sorted(item.lines for item in items)
    if not lines:
        return
    print(f"{len(lines)} {title}, {sum(lines)} lines; median {lines[len(lines) // 2]}")
    for item in sorted(items, key=lambda i: -i.lines)[:count]:
        print(f"  {item.lines:5}  {item.name}")


if __name__ == "__main__":
    sys.exit(main())
