"""What the parameters of a policy's functions stand for, where all calls agree on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from situs.rego.compare import Comparison
from situs.rego.syntax import Call, Rule, Syntax, expand
from situs.rego.tree import ANY, Names

_ROUNDS = 4
"""How deep functions that call functions are followed."""


def follow_parameters(modules: Sequence[Syntax]) -> tuple[Syntax, ...]:
    """The same modules; a parameter that is one path of `input` in every call is among `items`."""
    followed = tuple(modules)
    for _ in range(_ROUNDS):
        given: dict[tuple[Names, int], set[Names]] = {}
        for key, path in _given(followed):
            given.setdefault(key, set()).add(path)
        better = tuple(
            replace(one, rules=tuple(_known(one, rule, given) for rule in one.rules))
            for one in followed
        )
        if better == followed:
            break
        followed = better
    return followed


def _given(modules: Sequence[Syntax]) -> Iterator[tuple[tuple[Names, int], Names]]:
    for module in modules:
        for rule in module.rules:
            for call in rule.calls:
                name = called(module, call)
                for position, path in enumerate(call.arguments if name else ()):
                    yield (name or (), position), expand(path, rule, module.imports)


def _known(module: Syntax, rule: Rule, given: dict[tuple[Names, int], set[Names]]) -> Rule:
    items, compared = dict(rule.items), list(rule.comparisons)
    for position, parameter in enumerate(rule.parameters):
        paths = given.get((module.package + rule.name, position), set())
        if len(paths) != 1 or (path := next(iter(paths)))[0] != "input":
            continue
        if parameter != ANY:
            items[parameter] = path
        elif position in rule.matches:
            found = rule.matches[position]
            one = Comparison(path, "==", found, found.members[0].at)
            compared += [one] if one not in compared else []
    return replace(rule, items=items, comparisons=tuple(compared))


def passed(call: Call, clause: Rule) -> Rule:
    """A clause of a function as far as it compares its parameters with literals of this call."""
    given = {
        clause.parameters[position]: one
        for position, one in call.literals.items()
        if position < len(clause.parameters) and clause.parameters[position] != ANY
    }
    compared = tuple(
        one
        for one in clause.comparisons
        if isinstance(one.other, tuple) and len(one.other) == 1 and one.other[0] in given
    )
    return replace(clause, literals=given, comparisons=compared)


def called(module: Syntax, call: Call) -> Names | None:
    """The full name of the rule that a call would mean, if it can mean one."""
    return None if call.path is None else meant(module, call.path)


def meant(module: Syntax, path: Names) -> Names | None:
    """The full name of the function that a path means in a module, if it can mean one."""
    if path[0] in module.imports:
        path = module.imports[path[0]].path + path[1:]
    if path[0] == "data":
        return path[1:]
    return module.package + path if len(path) == 1 else None
