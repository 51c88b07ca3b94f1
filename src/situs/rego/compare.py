"""What a rule compares: fields with literals, with named sets of literals, with each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from situs.rego.tree import (
    ANY,
    KEYS,
    Names,
    Place,
    calls,
    constant,
    path_of,
    path_or_none,
    place_of,
    root_or_none,
    text_of,
    variable,
)

_KINDS: Final = {
    "String": "string",
    "RawString": "string",
    "Number": "number",
    "Bool": "boolean",
    "Null": "null",
}
_OPERATORS: Final = {"Eq": "==", "Ne": "!=", "Lt": "<", "Le": "<=", "Gt": ">", "Ge": ">="}
_PICKS: Final = frozenset({"max", "min", "sort"})
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Literal(Struct, frozen=True):
    """`kind` is `string`, `number`, `boolean` or `null`."""

    kind: str
    text: str
    at: Place


class Literals(Struct, frozen=True):
    """`form` is `one` (any of `members`), `set`, `array` or `object` (then `members` are keys)."""

    form: str
    members: tuple[Literal, ...]


class Comparison(Struct, frozen=True):
    """`path operator other`. `operator` is `==` … `>=`, `=`, `in`, `has`, or `key` of what follows.

    Or it is `max`, `min` or `sort`, of it among others. `other` is literals or a path; `at` is
    where `other` stands. `negated`: it stands after `not`.
    """

    path: Names
    operator: str
    other: Literals | Names
    at: Place
    negated: bool = False


class Condition(Struct, frozen=True):
    """A name that stands alone where something must hold, or, `negated`, must not."""

    path: Names
    at: Place
    negated: bool


def comparisons(node: Any, *, negated: bool = False) -> Iterator[Comparison]:
    """All of a tree, both ways round."""
    if isinstance(node, list):
        for one in node:
            yield from comparisons(one)
    elif isinstance(node, dict):
        for kind, inside in node.items():
            if isinstance(inside, dict):
                found = _compared(kind, inside)
                yield from (replace(one, negated=True) for one in found) if negated else found
            yield from comparisons(
                inside, negated=kind == "NotExpr" or (negated and kind == "expr")
            )


def conditions(node: Any) -> Iterator[Condition]:
    """All of a tree."""
    if isinstance(node, list):
        for one in node:
            yield from conditions(one)
    elif isinstance(node, dict):
        for kind, inside in node.items():
            if kind == "literal" and inside.keys() & {"Expr", "NotExpr"}:
                [(how, said)] = inside.items()
                root = root_or_none(said["expr"])
                if root is not None:
                    path = path_of(said["expr"])
                    yield Condition(path, place_of(root["span"]), how == "NotExpr")
            yield from conditions(inside)


def _compared(kind: str, inside: dict[str, Any]) -> Iterator[Comparison]:
    if kind == "BoolExpr" or (kind == "AssignExpr" and inside["op"] == "Eq"):
        operator = _OPERATORS.get(inside["op"], "") if kind == "BoolExpr" else "="
        turned = _TURNED.get(operator, operator)
        yield from _one(inside["lhs"], operator, inside["rhs"])
        yield from _one(inside["rhs"], turned, inside["lhs"])
    elif kind == "Membership":
        yield from _one(inside["value"], "in", inside["collection"])
        yield from _one(inside["collection"], "has", inside["value"])
    elif kind == "RefBrack":
        yield from _one(inside["index"], "key", inside["refr"])
        if constant(inside["index"]) is None:  # a literal one is part of the path
            yield from _keyed(inside["refr"], inside["index"])
    elif kind == "BinExpr" and inside["op"] == "Intersection":
        yield from _shared(inside["lhs"], inside["rhs"])
        yield from _shared(inside["rhs"], inside["lhs"])
    elif kind == "Call" and len(inside["params"]) == 1 and variable(inside["fcn"]) in _PICKS:
        yield from _picked(variable(inside["fcn"]) or "", inside["params"][0])
    elif kind == "Call" and calls(inside, "get", 3) and variable(inside["params"][1]) is not None:
        yield from _keyed(inside["params"][0], inside["params"][1])


def _picked(operator: str, node: dict[str, Any]) -> Iterator[Comparison]:
    """What `max`, `min` and `sort` choose from, where it is written out."""
    [(kind, inside)] = node.items()
    among = [inside["term"]] if kind in {"SetCompr", "ArrayCompr"} else inside.get("items", ())
    for one in among if kind in {"Set", "Array", "SetCompr", "ArrayCompr"} else ():
        path, root = path_or_none(one), root_or_none(one)
        if path is not None and root is not None:
            yield Comparison(path, operator, Literals("one", ()), place_of(root["span"]))


def _shared(node: Any, other: Any) -> Iterator[Comparison]:
    """`object.keys(…) & {…}`: each key, as if it were looked for in the set."""
    path = path_or_none(node)
    if path is not None and path[-1] == KEYS:
        yield from _with((*path, ANY), "in", other)


def _keyed(node: Any, key: Any) -> Iterator[Comparison]:
    """`node[key]`: the key, as if it were compared with those that there are."""
    path = path_or_none(node)
    if path is not None:
        yield from _with((*path, KEYS, ANY), "==", key)


def _one(node: Any, operator: str, other: Any) -> Iterator[Comparison]:
    path = path_or_none(node)
    if operator and path is not None:
        yield from _with(path, operator, other)


def _with(path: Names, operator: str, other: Any) -> Iterator[Comparison]:
    found = literals(other)
    root = root_or_none(other)
    if found is not None:
        at = found.members[0].at if found.members else Place(0, 0)
        yield Comparison(path, operator, found, at)
    elif root is not None:
        yield Comparison(path, operator, path_of(other), place_of(root["span"]))


def named_literals(source: bytes, node: Any) -> dict[str, Literals]:
    """Local names of literals: `kinds := {…}`, `some kind in {…}`, `every kind in {…}`."""
    found: dict[str, list[Literals | None]] = {}
    for name, said in _named(source, node):
        found.setdefault(name, []).append(said)
    return {name: one for name, [one, *more] in found.items() if one is not None and not more}


def _named(source: bytes, node: Any) -> Iterator[tuple[str, Literals | None]]:
    if isinstance(node, list):
        for one in node:
            yield from _named(source, one)
    elif isinstance(node, dict):
        for kind, inside in node.items():
            name: str | None = None
            said: Literals | None = None
            if kind == "AssignExpr" and inside["op"] == "ColEq":
                name, said = variable(inside["lhs"]), literals(inside["rhs"])
            elif kind == "SomeIn":
                name, said = variable(inside["value"]), _member(inside["collection"])
            elif kind == "Every":
                name, said = text_of(source, inside["value"]), _member(inside["domain"])
            if name is not None:
                yield name, said
            yield from _named(source, inside)


def _member(node: Any) -> Literals | None:
    said = literals(node)
    return Literals("one", said.members) if said and said.form in {"set", "array"} else None


def literals(node: Any) -> Literals | None:
    """A literal, or the literals in a set, in an array or among the keys of an object."""
    if not isinstance(node, dict) or len(node) != 1:
        return None
    [(kind, inside)] = node.items()
    if kind in _KINDS:
        return Literals("one", tuple(_read([node])))
    if kind in {"Set", "Array"}:
        return Literals(kind.lower(), tuple(_read(inside["items"])))
    if kind == "Object":
        return Literals("object", tuple(_read(key for _, key, _ in inside["fields"])))
    return None


def _read(nodes: Iterable[Any]) -> Iterator[Literal]:
    for node in nodes:
        [(kind, inside)] = node.items()
        if kind in _KINDS:
            value, at = inside["value"], place_of(inside["span"])
            text = msgspec.json.encode(value).decode()
            if _KINDS[kind] == "string":  # its place begins after the quotation mark
                text, at = f'"{value}"', Place(at.line, at.column - 1)
            yield Literal(_KINDS[kind], text, at)
