"""What a Rego module says, read from the engine's syntax tree: rules, references, calls.

The tree is JSON of nodes such as `{"RefDot": {"span": …, "refr": …, "field": …}}`. Whatever is
not understood here is looked through, so a reference or a call cannot hide in a new kind of node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from situs.rego.compare import (
    Comparison,
    Condition,
    Literals,
    comparisons,
    conditions,
    literals,
    named_literals,
)
from situs.rego.heads import Element, read_element
from situs.rego.scope import Lone, lone_variables
from situs.rego.tree import (
    ANY,
    KEYS,
    Names,
    Place,
    calls,
    constant,
    path_of,
    path_or_any,
    path_or_none,
    place_of,
    root_of,
    root_or_none,
    static,
    text_of,
    variable,
)
from situs.rego.uses import Uses, read_uses

_KEYWORDS: Final = {("rego",), ("future",)}


class Reference(Struct, frozen=True):
    path: Names
    at: Place


class Call(Struct, frozen=True):
    """`path` is None when the function is computed; an argument that is no name is `*`.

    `literals` are the arguments that are one literal.
    """

    path: Names | None
    arguments: tuple[Names, ...]
    literals: dict[int, Literals]
    at: Place


class Rule(Struct, frozen=True):
    """One clause. `kind` is `set`, `value`, `function` or `default`; `name` is below the package.

    `locals` are the variables it declares, `items` those that run over a collection of `input`,
    with the path of what they are bound to, `members` those that run over something with a name.
    `parameters` are names too, `*` for a pattern.
    `matches` are the literals among them.
    `literals` are the local names of some, `value` what the clause is where it holds, `element`
    what it adds to a set.
    """

    name: Names
    kind: str
    parameters: Names
    at: Place
    references: tuple[Reference, ...]
    calls: tuple[Call, ...]
    replaces: tuple[Place, ...]
    locals: frozenset[str]
    items: dict[str, Names]
    members: dict[str, Names]
    lone: tuple[Lone, ...]
    comparisons: tuple[Comparison, ...]
    conditions: tuple[Condition, ...]
    matches: dict[int, Literals]
    literals: dict[str, Literals]
    value: Literals | None
    element: Element | None
    uses: Uses


class Syntax(Struct, frozen=True):
    """One module; `imports` maps each alias to the path it stands for."""

    file: str
    package: Names
    at: Place
    imports: dict[str, Reference]
    rules: tuple[Rule, ...]


def read_syntax(file: str, text: str, tree: dict[str, Any]) -> Syntax:
    source = text.encode()
    package = path_of(tree["package"]["refr"])
    imports: dict[str, Reference] = {}
    for one in tree["imports"]:
        path = path_of(one["refr"])
        if path[:1] in _KEYWORDS:
            continue
        alias = text_of(source, one["as"]) if one.get("as") else path[-1]
        imports[alias] = Reference(path, place_of(one["span"]))
    return Syntax(
        file=file,
        package=package,
        at=place_of(tree["package"]["span"]),
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
    bodies = rule.get("bodies") or []
    said = [head.get("key"), head.get("assign"), head.get("value"), bodies]
    walk.look(said)
    walk.look_into_brackets(name)
    at = place_of(root_of(name)["span"])
    return Rule(
        name=static(path_of(name)),
        kind={"Set": "set", "Func": "function", "Default": "default"}.get(kind, "value"),
        parameters=tuple(variable(one) or ANY for one in head.get("args") or ()),
        at=at,
        references=tuple(walk.references),
        calls=tuple(walk.calls),
        replaces=tuple(walk.replaces),
        locals=frozenset(walk.locals),
        items=_items(walk, {alias: one.path for alias, one in imports.items()}),
        members=_members(walk.bound),
        lone=lone_variables(source, head, bodies),
        comparisons=tuple(comparisons(said)),
        conditions=tuple(conditions(bodies)),
        matches=_literal_arguments(head.get("args") or ()),
        literals=named_literals(source, said),
        value=_value(kind, head, bodies),
        element=read_element(head["key"], bodies, at) if head.get("key") else None,
        uses=read_uses(source, [*said, name]),
    )


def _value(kind: str, head: dict[str, Any], bodies: list[Any]) -> Literals | None:
    """What the clause is wherever it holds; of a set, the members that are literals."""
    if kind == "Set":
        member = literals(head["key"])
        return Literals("set", member.members) if member and member.form == "one" else None
    if kind != "Compr":
        return None
    if head["assign"] is None:
        return literals({"Bool": {"value": True, "span": head["span"]}})
    return None if any(body["is_else"] for body in bodies) else literals(head["assign"]["value"])


def _items(walk: _Walk, imports: dict[str, Names]) -> dict[str, Names]:
    """The variables that stand for one path of `input`, also by way of each other.

    One that nothing else binds stands for the keys of what it is an index of.
    """
    items: dict[str, Names] = {}
    loose = {name: paths for name, paths in walk.indexes.items() if not walk.bound.get(name)}
    for _ in range(len(walk.bound) + 1):
        for name, paths in walk.bound.items():
            followed = {_expand(_expand(path, imports), items) for path in paths}
            if len(followed) == 1 and (path := followed.pop())[0] == "input":
                items[name] = path
        for name, paths in loose.items():
            keyed = {_expand(_expand(path, imports), items) for path in paths}
            keyed = {path for path in keyed if path[0] == "input"}
            if len(keyed) == 1:
                items[name] = keyed.pop()
    return items


def _literal_arguments(nodes: Iterable[Any]) -> dict[int, Literals]:
    found = {position: literals(node) for position, node in enumerate(nodes)}
    return {where: one for where, one in found.items() if one is not None and one.form == "one"}


def _members(bound: dict[str, set[Names]]) -> dict[str, Names]:
    """The variables that `some` and `every` take from what a name stands for, and that name."""
    single = {name: next(iter(paths)) for name, paths in bound.items() if len(paths) == 1}
    return {
        name: path[:-1]
        for name, path in single.items()
        if len(path) > 1 and static(path) == path[:-1]
    }


class _Walk:
    """Looks through one rule and collects what it finds."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self.references: list[Reference] = []
        self.calls: list[Call] = []
        self.replaces: list[Place] = []
        self.locals: set[str] = set()
        self.bound: dict[str, set[Names]] = {}
        self.indexes: dict[str, set[Names]] = {}

    def look(self, node: Any) -> None:
        if isinstance(node, list):
            for one in node:
                self.look(one)
        elif isinstance(node, dict):
            for kind, inside in node.items():
                self._look(kind, inside, node)

    def _look(self, kind: str, inside: Any, node: dict[str, Any]) -> None:
        if kind == "Call":
            root = root_or_none(inside["fcn"])
            place = place_of((root or inside)["span"])
            path = path_of(inside["fcn"]) if root else None
            computed = path is None or ANY in path
            given = tuple(path_or_any(one) for one in inside["params"])
            said = _literal_arguments(inside["params"])
            self.calls.append(Call(None if computed else path, given, said, place))
            self._get(inside, place)
            self.look_into_brackets(inside["fcn"])
            self.look(inside["params"])
        elif kind in {"Var", "RefDot", "RefBrack"} and isinstance(inside, dict):
            self._refer(node)
        elif kind == "with_mods":
            self.replaces += [place_of(one["span"]) for one in inside]
            self.look(inside)
        else:
            self._declare(kind, inside)
            self.look(inside)

    def _get(self, call: dict[str, Any], at: Place) -> None:
        """`object.get(path, "member", …)` refers to the member, and to one further in by a list."""
        path = path_or_none(call["params"][0]) if calls(call, "get", 3) else None
        if path is None:
            return
        [(kind, inside)] = call["params"][1].items()
        nodes = inside["items"] if kind == "Array" else [call["params"][1]]
        names = [constant(one) for one in nodes]
        known = tuple(name for name in names if name is not None)
        if known and len(known) == len(names):
            self.references.append(Reference((*path, *known), at))

    def _refer(self, node: dict[str, Any]) -> None:
        root = root_or_none(node)
        if root is None:  # a member of something that is no name, such as f(x).y
            self.look_into_brackets(node)
        elif root["value"] != "_":
            self.references.append(Reference(path_of(node), place_of(root["span"])))
            self.look_into_brackets(node)

    def look_into_brackets(self, node: dict[str, Any]) -> None:
        """The expressions in `a[…].b[…]`, and what it all begins with if that is no name."""
        [(kind, inside)] = node.items()
        if kind == "RefDot":
            self.look_into_brackets(inside["refr"])
        elif kind == "RefBrack":
            self.look_into_brackets(inside["refr"])
            if constant(inside["index"]) is None:
                self.look(inside["index"])
            name = variable(inside["index"])
            if name is not None:
                path = path_or_any(inside["refr"], KEYS, ANY)
                self.indexes.setdefault(name, set()).add(path)
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
            self.bind(inside["key"], path_or_any(inside["collection"], KEYS, ANY))
            self.bind(inside["value"], path_or_any(inside["collection"], ANY))
        elif kind == "SomeVars":
            for span in inside["vars"]:
                name = text_of(self._source, span)
                self.locals.add(name)
                self.bound.setdefault(name, set())
        elif kind == "Every":
            if inside["key"]:
                self.bind(self._variable(inside["key"]), path_or_any(inside["domain"], KEYS, ANY))
            self.bind(self._variable(inside["value"]), path_or_any(inside["domain"], ANY))
        elif kind == "AssignExpr" and inside["op"] == "ColEq":
            self.bind(inside["lhs"], path_or_any(inside["rhs"]))

    def _variable(self, span: dict[str, int]) -> dict[str, Any]:
        return {"Var": {"value": text_of(self._source, span)}}


def expand(path: Names, rule: Rule, imports: dict[str, Reference]) -> Names:
    """The path a reference stands for once aliases and items are put in their place."""
    root = path[0]
    if root in rule.items:
        return rule.items[root] + path[1:]
    if root in rule.locals and root not in {"input", "data"}:
        return (ANY,)
    return expand_imports(path, imports)


def expand_imports(path: Names, imports: dict[str, Reference]) -> Names:
    return _expand(path, {alias: one.path for alias, one in imports.items()})


def _expand(path: Names, imports: dict[str, Names]) -> Names:
    return imports[path[0]] + path[1:] if path[0] in imports else path
