"""What a Rego module says, read from the engine's syntax tree: rules, references, calls.

The tree is JSON of nodes such as `{"RefDot": {"span": …, "refr": …, "field": …}}`. Whatever is
not understood here is looked through, so a reference or a call cannot hide in a new kind of node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

Names = tuple[str, ...]
"""A path such as `("input", "principal", "tenant")`; `*` stands for a computed member."""

ANY: Final = "*"
_KEYWORDS: Final = {("rego",), ("future",)}


class Place(Struct, frozen=True, order=True):
    line: int
    column: int


class Reference(Struct, frozen=True):
    path: Names
    at: Place


class Call(Struct, frozen=True):
    """`path` is None when the function is computed."""

    path: Names | None
    arguments: int
    at: Place


class Rule(Struct, frozen=True):
    """One clause. `kind` is `set`, `value`, `function` or `default`; `name` is below the package.

    `locals` are the variables it declares, `items` those that run over a collection of `input`,
    with the path of what they are bound to.
    """

    name: Names
    kind: str
    parameters: int
    at: Place
    references: tuple[Reference, ...]
    calls: tuple[Call, ...]
    replaces: tuple[Place, ...]
    locals: frozenset[str]
    items: dict[str, Names]


class Syntax(Struct, frozen=True):
    """One module; `imports` maps each alias to the path it stands for."""

    file: str
    package: Names
    at: Place
    imports: dict[str, Reference]
    rules: tuple[Rule, ...]


def read_syntax(file: str, text: str, tree: dict[str, Any]) -> Syntax:
    source = text.encode()
    package = _path(tree["package"]["refr"])
    imports: dict[str, Reference] = {}
    for one in tree["imports"]:
        path = _path(one["refr"])
        if path[:1] in _KEYWORDS:
            continue
        alias = _text(source, one["as"]) if one.get("as") else path[-1]
        imports[alias] = Reference(path, _place(one["span"]))
    return Syntax(
        file=file,
        package=package,
        at=_place(tree["package"]["span"]),
        imports=imports,
        rules=tuple(_rule(source, imports, rule) for rule in tree["rules"]),
    )


def _rule(source: bytes, imports: dict[str, Reference], node: dict[str, Any]) -> Rule:
    [(kind, rule)] = node.items()
    if kind == "Default":
        head, name = rule, rule["refr"]
    else:
        [(kind, head)] = rule["head"].items()
        name = head["refr"]
    walk = _Walk(source)
    for argument in head.get("args") or ():
        walk.bind(argument)
    for part in (head.get("key"), head.get("assign"), head.get("value"), rule.get("bodies")):
        walk.look(part)
    walk.look_into_brackets(name)
    known = {alias: one.path for alias, one in imports.items()}
    items = {
        variable: path
        for variable, paths in walk.bound.items()
        if len(bound := {_expand(path, known) for path in paths}) == 1
        for path in bound
        if path[0] == "input"
    }
    return Rule(
        name=_static(_path(name)),
        kind={"Set": "set", "Func": "function", "Default": "default"}.get(kind, "value"),
        parameters=len(head.get("args") or ()),
        at=_place(_root(name)["span"]),
        references=tuple(walk.references),
        calls=tuple(walk.calls),
        replaces=tuple(walk.replaces),
        locals=frozenset(walk.locals),
        items=items,
    )


class _Walk:
    """Looks through one rule and collects what it finds."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self.references: list[Reference] = []
        self.calls: list[Call] = []
        self.replaces: list[Place] = []
        self.locals: set[str] = set()
        self.bound: dict[str, set[Names]] = {}

    def look(self, node: Any) -> None:
        if isinstance(node, list):
            for one in node:
                self.look(one)
        elif isinstance(node, dict):
            for kind, inside in node.items():
                self._look(kind, inside, node)

    def _look(self, kind: str, inside: Any, node: dict[str, Any]) -> None:
        if kind == "Call":
            root = _root_or_none(inside["fcn"])
            place = _place((root or inside)["span"])
            path = _path(inside["fcn"]) if root else None
            computed = path is None or ANY in path
            self.calls.append(Call(None if computed else path, len(inside["params"]), place))
            self.look_into_brackets(inside["fcn"])
            self.look(inside["params"])
        elif kind in {"Var", "RefDot", "RefBrack"} and isinstance(inside, dict):
            self._refer(node)
        elif kind == "with_mods":
            self.replaces += [_place(one["span"]) for one in inside]
            self.look(inside)
        else:
            self._declare(kind, inside)
            self.look(inside)

    def _refer(self, node: dict[str, Any]) -> None:
        root = _root_or_none(node)
        if root is None:  # a member of something that is no name, such as f(x).y
            self.look_into_brackets(node)
        elif root["value"] != "_":
            self.references.append(Reference(_path(node), _place(root["span"])))
            self.look_into_brackets(node)

    def look_into_brackets(self, node: dict[str, Any]) -> None:
        """The expressions in `a[…].b[…]`, and what it all begins with if that is no name."""
        [(kind, inside)] = node.items()
        if kind == "RefDot":
            self.look_into_brackets(inside["refr"])
        elif kind == "RefBrack":
            self.look_into_brackets(inside["refr"])
            if _constant(inside["index"]) is None:
                self.look(inside["index"])
        elif kind != "Var":
            self.look(node)

    def bind(self, pattern: Any, path: Names = (ANY,)) -> None:
        """Every variable of a pattern is local; a lone one stands for `path`."""
        if isinstance(pattern, dict) and isinstance(pattern.get("Var"), dict):
            name = pattern["Var"]["value"]
            self.locals.add(name)
            self.bound.setdefault(name, set()).add(path)
        elif isinstance(pattern, dict):
            for inside in pattern.values():
                self.bind(inside)
        elif isinstance(pattern, list):
            for inside in pattern:
                self.bind(inside)

    def _declare(self, kind: str, inside: Any) -> None:
        if kind == "SomeIn":
            self.bind(inside["key"])
            self.bind(inside["value"], _path_or_any(inside["collection"], ANY))
        elif kind == "SomeVars":
            for span in inside["vars"]:
                self.bind(self._variable(span))
        elif kind == "Every":
            if inside["key"]:
                self.bind(self._variable(inside["key"]))
            self.bind(self._variable(inside["value"]), _path_or_any(inside["domain"], ANY))
        elif kind == "AssignExpr" and inside["op"] == "ColEq":
            self.bind(inside["lhs"], _path_or_any(inside["rhs"]))

    def _variable(self, span: dict[str, int]) -> dict[str, Any]:
        return {"Var": {"value": _text(self._source, span)}}


def expand(path: Names, rule: Rule, imports: dict[str, Reference]) -> Names:
    """The path a reference stands for once aliases and items are put in their place."""
    root = path[0]
    if root in rule.items:
        return rule.items[root] + path[1:]
    if root in rule.locals and root not in {"input", "data"}:
        return (ANY,)
    return _expand(path, {alias: one.path for alias, one in imports.items()})


def _expand(path: Names, imports: dict[str, Names]) -> Names:
    return imports[path[0]] + path[1:] if path[0] in imports else path


def _path(node: dict[str, Any]) -> Names:
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
        yield _constant(inside["index"]) or ANY
    else:
        yield ANY


def _path_or_any(node: dict[str, Any], *more: str) -> Names:
    return (*_path(node), *more) if _root_or_none(node) else (ANY,)


def _static(path: Names) -> Names:
    return path[: path.index(ANY)] if ANY in path else path


def _constant(node: dict[str, Any]) -> str | None:
    [(kind, inside)] = node.items()
    return str(inside["value"]) if kind in {"String", "RawString"} else None


def _root(node: dict[str, Any]) -> dict[str, Any]:
    root = _root_or_none(node)
    if root is None:
        raise ValueError("a name was expected")
    return root


def _root_or_none(node: Any) -> dict[str, Any] | None:
    if not isinstance(node, dict) or len(node) != 1:
        return None
    [(kind, inside)] = node.items()
    if kind == "Var":
        return dict(inside)
    return _root_or_none(inside["refr"]) if kind in {"RefDot", "RefBrack"} else None


def _place(span: dict[str, int]) -> Place:
    return Place(span["line"], span["col"])


def _text(source: bytes, span: dict[str, int]) -> str:
    return source[span["start"] : span["end"]].decode()
