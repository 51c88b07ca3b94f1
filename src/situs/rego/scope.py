"""Finds variables that stand in one place only: what they are compared with is then any value.

`d.locus.kind = on_prem` binds a new variable and always holds, where a word in quotes was meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from situs.rego.tree import Place, place_of, text_of, variable


class Use(Struct, frozen=True):
    """`how` it stands there: `=` beside it, in a `pattern`, as an `index`, or `other`.

    Of a declaration: `assigned`, `declared`, or `key`, which need not be used (`some i, d in …`).
    """

    name: str
    how: str
    at: Place


class Lone(Struct, frozen=True):
    """`use` is the only one. `declared` variables hide a rule of that name, others may be it."""

    use: Use
    declared: bool


def lone_variables(source: bytes, head: dict[str, Any], bodies: list[Any]) -> tuple[Lone, ...]:
    """Those of one rule, in any of its bodies, comprehensions and `every`s."""
    scopes = [_Scope(source) for _ in bodies] or [_Scope(source)]
    for part in (head.get("key"), head.get("assign"), head.get("value")):
        scopes[0].look(part)
    scopes[0].brackets(head["refr"])
    for scope, body in zip(scopes, bodies, strict=False):
        scope.look(body.get("assign"))
        scope.look(body["query"])
    parameters = _Scope(source)
    parameters.look(head.get("args"))
    outer = frozenset({"input", "data"} | {use.name for use in parameters.uses})
    found: list[Lone] = []
    for scope in scopes:
        scope.settle(outer, found)
    return tuple(found)


class _Scope:
    """One query: its own declarations and uses, and the queries inside it."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._declared: dict[str, Use] = {}
        self._inner: list[_Scope] = []
        self._named: set[str] = set()
        self.uses: list[Use] = []

    def settle(self, outer: frozenset[str], found: list[Lone]) -> list[Use]:
        """Adds what stands alone to `found`; returns the uses of what belongs further out."""
        here = {use.name for use in self.uses} - outer | set(self._declared)
        uses = list(self.uses)
        for inner in self._inner:
            uses += inner.settle(outer | here, found)
        for name in sorted(here):
            mine = [use for use in uses if use.name == name]
            declared = self._declared.get(name)
            if declared and not mine and declared.how != "key":
                found.append(Lone(declared, declared=True))
            elif len(mine) == 1 and _binds(mine[0], declared is not None, name in self._named):
                found.append(Lone(mine[0], declared is not None))
        return [use for use in uses if use.name not in here]

    def look(self, node: Any) -> None:
        if isinstance(node, list):
            for one in node:
                self.look(one)
        elif isinstance(node, dict):
            for kind, inside in node.items():
                self._look(kind, inside)

    def _look(self, kind: str, inside: Any) -> None:
        if not isinstance(inside, dict):
            self.look(inside)
        elif kind in {"Var", "RefDot", "RefBrack"}:
            self._refer(kind, inside)
        elif kind == "Call":
            self.brackets(inside["fcn"])
            self.look(inside["params"])
        elif kind == "AssignExpr":
            self._assign(inside)
        elif kind in {"SomeIn", "SomeVars"}:
            self._some(inside)
        elif "query" in inside:
            self._nest(inside)
        else:
            self.look(inside)

    def _refer(self, kind: str, inside: dict[str, Any]) -> None:
        if kind == "Var":
            self._use({kind: inside}, "other")
        else:
            self.look(inside["refr"])
            if kind == "RefBrack":
                self._side(inside["index"], "index")

    def brackets(self, node: dict[str, Any]) -> None:
        """What is inside `a[…].b[…]`; the name it begins with is no variable."""
        if variable(node) is None:
            [(kind, inside)] = node.items()
            if kind in {"RefDot", "RefBrack"}:
                self.brackets(inside["refr"])
                if kind == "RefBrack":
                    self._side(inside["index"], "index")
            else:
                self.look(node)

    def _some(self, inside: dict[str, Any]) -> None:
        for span in inside.get("vars", ()):
            self._declare_named(span)
            self._named.add(text_of(self._source, span))
        self._declare(inside.get("key"), "key")
        self._declare(inside.get("value"), "declared")
        self.look(inside.get("collection"))

    def _nest(self, inside: dict[str, Any]) -> None:
        """A comprehension, or `every`, whose variables are given as places only."""
        inner = _Scope(self._source)
        self._inner.append(inner)
        if "domain" in inside:
            self.look(inside["domain"])
            if inside["key"]:
                inner._declare_named(inside["key"], "key")
            inner._declare_named(inside["value"])
            inner.look(inside["query"])
        else:
            inner.look(inside)

    def _assign(self, inside: dict[str, Any]) -> None:
        if inside["op"] == "ColEq":
            self._declare(inside["lhs"], "assigned")
            self.look(inside["rhs"])
        else:
            for side in (inside["lhs"], inside["rhs"]):
                self._side(side, "=")

    def _side(self, node: Any, how: str) -> None:
        """One side of `=`, or an index: a variable, a pattern with variables, or anything else."""
        if variable(node) is not None:
            self._use(node, how)
        elif isinstance(node, dict) and node.keys() & {"Array", "Object", "Set"}:
            for part in _parts(node):
                self._side(part, "pattern")
        else:
            self.look(node)

    def _declare(self, node: Any, how: str) -> None:
        name = variable(node)
        if name is not None:
            if name != "_":
                at = place_of(node["Var"]["span"])
                self._declared.setdefault(name, Use(name, how, at))
        elif isinstance(node, dict) and node.keys() & {"Array", "Object", "Set"}:
            for part in _parts(node):
                self._declare(part, how)
        else:
            self.look(node)

    def _declare_named(self, span: dict[str, int], how: str = "declared") -> None:
        self._declare({"Var": {"value": text_of(self._source, span), "span": span}}, how)

    def _use(self, node: dict[str, Any], how: str) -> None:
        name = variable(node)
        if name is not None and name != "_":
            self.uses.append(Use(name, how, place_of(node["Var"]["span"])))


def _binds(use: Use, declared: bool, named: bool) -> bool:
    """`some x` names a variable and binds nothing: its only use may be an index, not a `=`."""
    if declared:
        return named and use.how in {"=", "pattern"}
    return use.how in {"=", "pattern", "index"}


def _parts(node: dict[str, Any]) -> Iterator[Any]:
    """The members of an array or a set, the values of an object."""
    [inside] = node.values()
    yield from inside.get("items", ())
    for _, key, value in inside.get("fields", ()):
        if variable(key) is not None:
            yield key
        yield value
