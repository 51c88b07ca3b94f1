"""The engine's syntax tree as plain JSON: names, paths, places and literals in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

Names = tuple[str, ...]
"""A path such as `("input", "principal", "tenant")`; `*` stands for a computed member."""

ANY: Final = "*"

KEYS: Final = "(keys)"
"""What `object.keys` gives of a path: `findings.(keys).*` is one kind of finding."""


class Place(Struct, frozen=True, order=True):
    line: int
    column: int


def path_of(node: dict[str, Any]) -> Names:
    return tuple(_segments(node))


def _segments(node: dict[str, Any]) -> Iterator[str]:
    [(kind, inside)] = node.items()
    if kind == "Var":
        yield inside["value"]
    elif kind == "RefDot":
        yield from _segments(inside["refr"])
        yield inside["field"][1]
    elif kind == "RefBrack":
        yield from _segments(inside["refr"])
        yield constant(inside["index"]) or ANY
    else:
        yield ANY


def path_or_any(node: dict[str, Any], *more: str) -> Names:
    path = path_or_none(node)
    return (*path, *more) if path else (ANY,)


def path_or_none(node: Any) -> Names | None:
    """The path that a node names, by way of `object.keys` too."""
    if root_or_none(node) is not None:
        return path_of(node)
    call = node.get("Call") if isinstance(node, dict) else None
    if isinstance(call, dict) and calls(call, "keys", 1):
        inner = path_or_none(call["params"][0])
        return (*inner, KEYS) if inner else None
    return None


def calls(call: dict[str, Any], name: str, arguments: int) -> bool:
    """Whether a call is of `object.NAME` with so many arguments."""
    given = root_or_none(call["fcn"]) is not None and len(call["params"]) == arguments
    return given and path_of(call["fcn"]) == ("object", name)


def static(path: Names) -> Names:
    return path[: path.index(ANY)] if ANY in path else path


def constant(node: dict[str, Any]) -> str | None:
    [(kind, inside)] = node.items()
    return str(inside["value"]) if kind in {"String", "RawString"} else None


def root_of(node: dict[str, Any]) -> dict[str, Any]:
    found = root_or_none(node)
    if found is None:
        raise ValueError("a name was expected")
    return found


def root_or_none(node: Any) -> dict[str, Any] | None:
    """The variable that `a.b[…].c` begins with."""
    if not isinstance(node, dict) or len(node) != 1:
        return None
    [(kind, inside)] = node.items()
    if kind == "Var":
        return dict(inside)
    return root_or_none(inside["refr"]) if kind in {"RefDot", "RefBrack"} else None


def variable(node: Any) -> str | None:
    """The name of a variable that stands alone."""
    if isinstance(node, dict) and isinstance(node.get("Var"), dict):
        return str(node["Var"]["value"])
    return None


def place_of(span: dict[str, int]) -> Place:
    return Place(span["line"], span["col"])


def text_of(source: bytes, span: dict[str, int]) -> str:
    return source[span["start"] : span["end"]].decode()
