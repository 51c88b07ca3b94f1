"""Which facts about a deployment can change its verdict: what differs in no other is judged once.

A policy that says the same of two deployments that differ in nothing it looks at need be asked
about one of them only. Whatever is not understood here counts as looking at everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from situs.policy.alike import COST
from situs.rego.follow import meant
from situs.rego.syntax import Reference, Rule, Syntax, expand
from situs.rego.tree import ANY, KEYS, Names, Place, static

EVERYTHING: Final[Names] = ()
NAME: Final[Names] = ("name",)
_FLEET: Final[Names] = ("input", "deployments")
_ONE: Final[Names] = (*_FLEET, ANY)
_COSTS: Final[Names] = ("input", "expected_cost")
_VERDICT: Final = frozenset({"allow", "deny", "obligations", "declassify"})


def facts_read(modules: Sequence[Syntax]) -> frozenset[Names]:
    """Paths below `input.deployments[_]`, of modules whose parameters are followed.

    `EVERYTHING` is among them where a deployment is looked at as a whole, or something is not
    understood. `NAME` is where its own name decides, or how many there are, or in which order; not
    where the name is only said, as in `allow contains d.name`. `COST` is where a name is only
    the index of what the request costs there: `input.expected_cost[d.name]`.
    """
    rules: dict[Names, list[Rule]] = {}
    for module in modules:
        for rule in module.rules:
            rules.setdefault(module.package + rule.name, []).append(rule)
    found: set[Names] = set()
    for module in modules:
        for rule in module.rules:
            found.update(_of_rule(module, rule, rules))
    return frozenset(found)


def _of_rule(module: Syntax, rule: Rule, rules: dict[Names, list[Rule]]) -> Iterator[Names]:
    said = _names_said(module, rule)
    if said is None:
        yield NAME
    said = (said or frozenset()) | _costs_said(module, rule)
    for path, _ in rule.uses.indexed:
        if expand(path, rule, module.imports) == _FLEET:
            yield NAME
    for one in rule.references:
        if one.at not in rule.uses.declared:
            yield from _of_reference(module, rule, one, rules, said)


def _of_reference(
    module: Syntax,
    rule: Rule,
    one: Reference,
    rules: dict[Names, list[Rule]],
    said: frozenset[Place],
) -> Iterator[Names]:
    path = expand(one.path, rule, module.imports)
    if path == _FLEET[:1] or path[:2] == ("input", ANY):
        yield EVERYTHING
    elif path[:2] == _COSTS:
        yield from _of_costs(rule, one, path, said)
    elif path[:2] != _FLEET:
        if _is_verdict(module, path):
            yield NAME
    else:
        if one.at in rule.uses.listed:
            yield NAME
        followed = _stands_for(rule, one.at, path) or _follows(module, rule, one.at, path, rules)
        if path[:4] == (*_ONE, "name"):
            if one.at not in said:
                yield NAME
        elif not followed:
            yield _fact(path[3:]) if path[:3] == _ONE else EVERYTHING


def _of_costs(rule: Rule, one: Reference, path: Names, said: frozenset[Place]) -> Iterator[Names]:
    """A variable that stands for them, or for one, is looked at where it stands and is bound."""
    key = rule.uses.keys.get(one.at)
    if key is not None and key[1] in said:
        yield COST
    elif not (
        (path == _COSTS and _stands_for(rule, one.at, path))
        or (len(one.path) == 1 and rule.items.get(one.path[0]) == (*_COSTS, ANY))
    ):
        yield NAME


def _fact(path: Names) -> Names:
    path = static(path)
    return path[: path.index(KEYS)] if KEYS in path else path


def _stands_for(rule: Rule, at: Place, path: Names) -> bool:
    """A variable takes its place: what becomes of that is looked at where it stands."""
    return _taken(rule.items.get(rule.uses.bound.get(at, "")), path)


def _taken(item: Names | None, path: Names) -> bool:
    return item == path or (path == _FLEET and item == _ONE)


def _follows(
    module: Syntax, rule: Rule, at: Place, path: Names, rules: dict[Names, list[Rule]]
) -> bool:
    """It is passed to a function of the policy, in which the parameter is known to stand for it."""
    function, position = rule.uses.passed.get(at, ((), 0))
    clauses = rules.get(meant(module, function) or (), ()) if function else ()
    return bool(clauses) and all(
        position < len(clause.parameters)
        and clause.parameters[position] != ANY
        and clause.items.get(clause.parameters[position]) == path
        for clause in clauses
    )


def _names_said(module: Syntax, rule: Rule) -> frozenset[Place] | None:
    """Where the head of a verdict's rule says a deployment's name; None if that is not `d.name`."""
    if module.package != ("situs",) or rule.name[0] not in _VERDICT - {"declassify"}:
        return frozenset()
    element = rule.element
    if element is None or not element.in_head:
        return None
    if rule.name == ("allow",):
        values = [element.value]
    else:
        if element.members is None or any(member.name is None for member in element.members):
            return None
        values = [one.value for one in element.members if one.name == "deployment"]
    if rule.name == ("obligations",):
        values = [one for one in values if one.literal is None or one.literal.text != '"*"']
    for value in values:
        if expand(value.path or (ANY,), rule, module.imports) != (*_ONE, "name"):
            return None
    return frozenset(value.at for value in values)


def _costs_said(module: Syntax, rule: Rule) -> frozenset[Place]:
    """Where a deployment's name is nothing but the index of its cost."""
    found: set[Place] = set()
    for path, place in rule.uses.indexed:
        named, at = rule.uses.keys.get(place, ((ANY,), place))
        costs = expand(path, rule, module.imports) == _COSTS
        if costs and expand(named, rule, module.imports) == (*_ONE, "name"):
            found.add(at)
    return frozenset(found)


def _is_verdict(module: Syntax, path: Names) -> bool:
    """The policy looks at what it says itself, such as how many it allows."""
    if path[0] == "data":
        return len(path) < 3 or (path[1] == "situs" and path[2] in _VERDICT)
    return module.package == ("situs",) and path[0] in _VERDICT
