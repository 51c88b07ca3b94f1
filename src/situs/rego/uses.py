"""How the names in a rule stand there: bound to a variable, passed on, counted, indexed."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from situs.rego.tree import (
    Names,
    Place,
    constant,
    path_of,
    place_of,
    root_or_none,
    text_of,
    variable,
)


class Uses(Struct, frozen=True):
    """Each place is where a name begins.

    `bound` are those that a variable stands for, or runs over, from then on; `passed` those that
    are an argument, with the function and the position; `declared` are the variables themselves;
    `listed` stand in an array comprehension, which keeps what is there twice; `indexed` are
    collections of which one member is taken by a computed index, `keys` are those indexes that are
    names themselves, by where the collection's name begins: the index' name and its place.
    """

    bound: dict[Place, str]
    passed: dict[Place, tuple[Names, int]]
    declared: frozenset[Place]
    listed: frozenset[Place]
    indexed: tuple[tuple[Names, Place], ...]
    keys: dict[Place, tuple[Names, Place]]


def read_uses(source: bytes, node: Any) -> Uses:
    found = _Uses(source)
    found.look(node, listed=False)
    return Uses(
        found.bound,
        found.passed,
        frozenset(found.declared),
        frozenset(found.listed),
        tuple(found.indexed),
        found.keys,
    )


class _Uses:
    def __init__(self, source: bytes) -> None:
        self._source = source
        self.bound: dict[Place, str] = {}
        self.passed: dict[Place, tuple[Names, int]] = {}
        self.declared: set[Place] = set()
        self.listed: set[Place] = set()
        self.indexed: list[tuple[Names, Place]] = []
        self.keys: dict[Place, tuple[Names, Place]] = {}

    def look(self, node: Any, *, listed: bool) -> None:
        if isinstance(node, list):
            for one in node:
                self.look(one, listed=listed)
        elif isinstance(node, dict):
            for kind, inside in node.items():
                if isinstance(inside, dict):
                    self._note(kind, inside, listed)
                self.look(inside, listed=listed or kind == "ArrayCompr")

    def _note(self, kind: str, inside: dict[str, Any], listed: bool) -> None:
        if kind == "Var" and listed:
            self.listed.add(place_of(inside["span"]))
        elif kind == "SomeIn" and inside["key"] is None:
            self._bind(inside["value"], inside["collection"])
        elif kind == "Every" and not inside["key"]:
            self._stand(text_of(self._source, inside["value"]), inside["domain"])
        elif kind == "AssignExpr" and inside["op"] == "ColEq":
            self._bind(inside["lhs"], inside["rhs"])
        elif kind == "Call" and root_or_none(inside["fcn"]) is not None:
            for position, argument in enumerate(inside["params"]):
                root = root_or_none(argument)
                if root is not None:
                    place = place_of(root["span"])
                    self.passed[place] = path_of(inside["fcn"]), position
        elif kind == "RefBrack":
            self._index(inside)

    def _bind(self, name: Any, node: Any) -> None:
        to = variable(name)
        if to is not None:
            self.declared.add(place_of(name["Var"]["span"]))
            self._stand(to, node)

    def _stand(self, name: str, node: Any) -> None:
        root = root_or_none(node)
        if root is not None:
            self.bound[place_of(root["span"])] = name

    def _index(self, inside: dict[str, Any]) -> None:
        root = root_or_none(inside["refr"])
        computed = constant(inside["index"]) is None and variable(inside["index"]) != "_"
        if root is not None and computed:
            self.indexed.append((path_of(inside["refr"]), place_of(root["span"])))
            key = root_or_none(inside["index"])
            if key is not None:
                named = path_of(inside["index"]), place_of(key["span"])
                self.keys[place_of(root["span"])] = named
