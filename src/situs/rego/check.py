"""What a policy may say: the checks that need no evaluation, all problems at once.

The engine alone would let pass what silently never denies: a misspelt field or rule is undefined,
`http.send` is undefined, and a function that calls itself ends the process.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from situs.policy.input import FIELDS, unknown_field
from situs.rego.agree import disagreement
from situs.rego.arguments import argument_misfits
from situs.rego.builtins import ALLOWED, INSTEAD, NAMESPACES, OUTSIDE
from situs.rego.compare import Literals
from situs.rego.engine import OPTIONAL
from situs.rego.facts import facts_read
from situs.rego.follow import called, follow_parameters, passed
from situs.rego.heads import element_misfits
from situs.rego.modules import Problem
from situs.rego.syntax import Call, Reference, Rule, Syntax, expand, expand_imports
from situs.rego.traps import comparison_traps, condition_traps, lone_trap
from situs.rego.tree import ANY, KEYS, Names, Place, static
from situs.rego.words import field, unknown_kind

PACKAGE: Final = ("situs",)
_SETS: Final = {
    "allow": "allow contains name if { … }",
    "deny": 'deny contains {"deployment": name, "code": "reason"} if { … }',
    "obligations": 'obligations contains {"kind": "…", "deployment": name} if { … }',
    "declassify": 'declassify contains "label" if { … }',
}


class Checked(Struct, frozen=True):
    """`reads` are the members of `input` that the policy can see: all, if it takes it whole.

    `facts` are the paths below a deployment that can change its verdict (see `facts_read`).
    """

    problems: tuple[Problem, ...]
    rules: tuple[str, ...]
    builtins: tuple[str, ...]
    reads: frozenset[str]
    facts: frozenset[Names]


def check(
    modules: Sequence[Syntax],
    tests: Sequence[Syntax] = (),
    *,
    partial: bool = False,
    lists: Names = (),
    data: Mapping[str, Any] = MappingProxyType({}),
) -> Checked:
    """Tests may use `with`, any package and made-up input; the rest holds for them too.

    `partial`: some modules could not be parsed, so nothing is said to be missing. `lists` are the
    kinds of finding that the configuration adds, `data` the facts that come with a bundle.
    """
    modules = follow_parameters(modules)
    look = _Look([*modules, *tests], partial, lists, data)
    for module in modules:
        look.package(module)
        look.module(module)
    if modules:
        look.required(modules[0])
        look.misspelt()
        look.unread(modules)
    builtins, reads = frozenset(look.builtins), frozenset(look.reads)
    for module in tests:
        look.module(module, test=True)
    look.recursion()
    return Checked(
        problems=tuple(sorted(set(look.problems))),
        rules=tuple(sorted({_said(m.package + rule.name) for m in modules for rule in m.rules})),
        builtins=tuple(sorted(builtins)),
        reads=reads,
        facts=facts_read(modules),
    )


class _Look:
    """Collects problems and facts over all modules."""

    def __init__(
        self, modules: Iterable[Syntax], partial: bool, lists: Names, data: Mapping[str, Any]
    ) -> None:
        self._partial = partial
        self._lists = lists
        self._data = data
        self.problems: list[Problem] = []
        self.builtins: set[str] = set()
        self.reads: set[str] = set()
        self._rules: dict[Names, list[tuple[Syntax, Rule]]] = {}
        self._uses: dict[Names, set[Names]] = {}
        for module in modules:
            for rule in module.rules:
                self._rules.setdefault(module.package + rule.name, []).append((module, rule))

    def package(self, module: Syntax) -> None:
        if module.package[:1] != PACKAGE:
            what = f"package {_said(module.package)} is not read"
            self._problem(module, module.at, what, "write `package situs`, or `situs.…` to help it")

    def required(self, first: Syntax) -> None:
        for name, form in _SETS.items():
            clauses = self._rules.get((*PACKAGE, name), [])
            if not clauses and name not in OPTIONAL:
                self._missing(first, Place(0, 0), f"there is no rule `{name}`", f"write `{form}`")
            for module, rule in clauses:
                if rule.kind != "set":
                    self._problem(module, rule.at, f"`{name}` must be a set", f"write `{form}`")
                elif rule.element is not None:
                    known = functools.partial(expand, rule=rule, imports=module.imports)
                    for at, wrong in element_misfits(name, rule.element, known, self._lists):
                        self._problem(module, at, wrong.what, wrong.do)

    def misspelt(self) -> None:
        """Rules that nobody reads and that are called nearly like one of the verdict."""
        used = {name for uses in self._uses.values() for name in uses}
        for name, clauses in self._rules.items():
            if name[:-1] != PACKAGE or name[-1] in _SETS or name in used:
                continue
            for near in get_close_matches(name[-1], _SETS, n=1, cutoff=0.75):
                module, rule = clauses[0]
                what = f"nothing reads the rule `{name[-1]}`"
                self._problem(module, rule.at, what, f"did you mean `{near}`?")

    def unread(self, modules: Sequence[Syntax]) -> None:
        """Packages beside `situs` of which it uses no rule, and rules there that look like its own.

        Only what is in `situs` itself is the verdict.
        """
        read: set[Names] = set()
        more = {name for name in self._rules if name[:-1] == PACKAGE}
        while more:
            read |= more
            more = {used for name in more for used in self._uses.get(name, ())} - read
        packages = {
            module.package
            for module in modules
            for rule in module.rules
            if module.package + rule.name in read
        }
        for module in modules:
            if module.package == PACKAGE or module.package[:1] != PACKAGE or not module.rules:
                continue
            said = _said(module.package)
            if module.package not in packages:
                names = sorted({rule.name[-1] for rule in module.rules})
                do = f"write `package situs`, or use a rule of it there: data.{said}.{names[0]}"
                self._missing(module, module.at, f"nothing reads package {said}", do)
                continue
            for rule in module.rules:
                if rule.name[-1] in _SETS and module.package + rule.name not in read:
                    what = f"nothing reads the rule {_said((*module.package, *rule.name))}"
                    do = f"write `package situs`, where `{rule.name[-1]}` is the verdict's"
                    self._missing(module, rule.at, what, do)

    def module(self, module: Syntax, *, test: bool = False) -> None:
        for alias, one in module.imports.items():
            self._import(module, alias, one)
        for rule in module.rules:
            uses = self._uses.setdefault(module.package + rule.name, set())
            for call in rule.calls:
                uses.update(self._call(module, call))
            for one in rule.references:
                uses.update(self._reference(module, rule, one, test))
            if rule.locals & {"input", "data"}:
                self._problem(module, rule.at, "a variable may not be named input or data")
            for lone in rule.lone:
                if lone.declared or self._free(module, lone.use.name):
                    trap = lone_trap(lone)
                    self._problem(module, trap.at, trap.what, trap.do)
            if not test:
                self._not_a_test(module, rule)

    def _not_a_test(self, module: Syntax, rule: Rule) -> None:
        for at in rule.replaces:
            self._problem(module, at, "`with` is for tests", "move it to a *_test.rego file")
        named = functools.partial(self._literals, module)
        free = functools.partial(self._free, module)
        about = functools.partial(field, lists=self._lists)
        for trap in comparison_traps(rule, module.imports, named, free, about):
            self._problem(module, trap.at, trap.what, trap.do)
        for trap in condition_traps(rule, module.imports, about):
            self._problem(module, trap.at, trap.what, trap.do)
        for call in rule.calls:
            for wrong in argument_misfits(call, rule, module.imports, about):
                self._problem(module, call.at, wrong.what, wrong.do)
            for where, clause in self._rules.get(called(module, call) or (), ()):
                clause = passed(call, clause)
                for trap in comparison_traps(clause, where.imports, named, free, about):
                    self._problem(module, call.at, trap.what, trap.do)

    def recursion(self) -> None:
        done: set[Names] = set()
        for start in sorted(self._uses):
            self._descend(start, [], done)

    def _descend(self, name: Names, above: list[Names], done: set[Names]) -> None:
        if name in above:
            circle = " → ".join(_said(one) for one in [*above[above.index(name) :], name])
            module, rule = self._rules[name][0]
            self._problem(module, rule.at, f"a rule may not depend on itself: {circle}")
        elif name not in done:
            for used in sorted(self._uses.get(name, ())):
                self._descend(used, [*above, name], done)
            done.add(name)

    def _import(self, module: Syntax, alias: str, one: Reference) -> None:
        if alias in NAMESPACES | {"input", "data"}:
            what = f"an import may not be named {alias}"
            self._problem(module, one.at, what, "give it another name with `as`")
        if one.path[0] == "input":
            self._field(module, one.path, one.at)
        elif one.path[0] != "data":
            self._problem(module, one.at, f"nothing is called {_said(one.path)}", "import data.…")
        elif not (
            self._given(one.path[1:])
            or any(name[: len(one.path) - 1] == one.path[1:] for name in self._rules)
        ):
            self._missing(module, one.at, f"there is no {_said(one.path)}", self._near(one.path))

    def _call(self, module: Syntax, call: Call) -> Iterator[Names]:
        if call.path is None:
            self._problem(module, call.at, "a computed function may not be called")
            return
        path = call.path
        if path[0] in module.imports:
            path = module.imports[path[0]].path + path[1:]
        name = called(module, call)
        clauses = self._rules.get(name, []) if name else []
        if name and clauses:
            wanted, count = {len(rule.parameters) for _, rule in clauses}, len(call.arguments)
            if count not in wanted:
                what = f"{_said(path)} takes {_listed(wanted)} arguments, not {count}"
                self._problem(module, call.at, what)
            yield name
        elif (said := _said(path)) in ALLOWED:
            self.builtins.add(said)
            wrong = disagreement(said, call.literals)
            if wrong:
                self._problem(module, call.at, wrong.what, wrong.do)
        else:
            own_names = {rule[-1] for rule in self._rules if rule[:-1] == module.package}
            advice = INSTEAD.get(said) or (
                "a policy decides from input and its own rules alone"
                if path[0] in OUTSIDE
                else _nearest(said, ALLOWED | own_names)
            )
            known = said in INSTEAD or (len(path) > 1 and path[0] in NAMESPACES)
            tell = self._problem if known else self._missing
            tell(module, call.at, f"{said} may not be called", advice)

    def _reference(self, module: Syntax, rule: Rule, one: Reference, test: bool) -> Iterator[Names]:
        path = expand(one.path, rule, module.imports)
        if path[0] == "input":
            bound = one.path[0] in rule.items and len(one.path) == 1
            if not (test or bound):  # what it is bound to was looked at where it is bound
                self._field(module, path, one.at)
        elif path[0] == "data":
            name = self._defined(path[1:])
            if name:
                yield name
            elif not test and not self._given(path[1:]):
                what = f"there is no rule {_said(path)}"
                self._missing(module, one.at, what, self._near(path))
        elif path[0] != ANY:
            name = self._defined(module.package + path)
            if name:
                yield name
                if not test and all(rule.kind == "function" for _, rule in self._rules[name]):
                    what = f"{_said(path)} is a function, and stands here without being called"
                    self._problem(module, one.at, what, f"write {_said(path)}(…)")

    def _field(self, module: Syntax, path: Names, at: Place) -> None:
        if len(path) < 2 or path[1] == ANY:
            self.reads.update(FIELDS)
            return
        self.reads.add(path[1])
        kind = unknown_kind(path[1:], self._lists)
        if kind:
            self._problem(module, at, kind.what, kind.do)
            return
        wrong = unknown_field(path[1:])
        if wrong:
            what = f"input has no {_said(wrong.path)}"
            self._problem(module, at, what, _nearest(wrong.path[-1], wrong.known))

    def _defined(self, path: Names) -> Names | None:
        """The rule that a path leads to or into."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._rules:
                return path[:length]
        return None

    def _given(self, path: Names) -> bool:
        """Whether the data of the bundle has something there, as far as the path is known."""
        inside: Any = self._data
        for name in static(path):
            if name == KEYS or isinstance(inside, list):
                return True
            if not isinstance(inside, Mapping) or name not in inside:
                return False
            inside = inside[name]
        return bool(path) and path[0] != ANY

    def _free(self, module: Syntax, name: str) -> bool:
        """Whether a name is no rule and no import here; not while some rules are unknown."""
        full = (*module.package, name)
        taken = name in module.imports or any(rule[: len(full)] == full for rule in self._rules)
        return not (taken or self._partial)

    def _literals(self, module: Syntax, path: Names) -> Literals | None:
        """What a rule is where it holds, as far as it is literal."""
        path = expand_imports(path, module.imports)
        name = path[1:] if path[0] == "data" else module.package + path
        clauses = [rule for _, rule in self._rules.get(name, ())]
        known = [rule.value for rule in clauses if rule.value is not None]
        if known and all(rule.kind == "set" for rule in clauses):
            return Literals("set", tuple(one for said in known for one in said.members))
        return known[0] if len(clauses) == 1 and known else None

    def _near(self, path: Names) -> str:
        inside = [_said(name) for name in self._rules if name[: len(path) - 1] == path[1:]]
        if ANY in path or inside:
            return "name one rule of it"
        return _nearest(_said(path), {_said(("data", *name)) for name in self._rules})

    def _problem(self, module: Syntax, at: Place, what: str, do: str = "") -> None:
        self.problems.append(Problem(module.file, at.line, at.column, what, do))

    def _missing(self, module: Syntax, at: Place, what: str, do: str = "") -> None:
        if not self._partial:
            self._problem(module, at, what, do)


def _said(path: Names) -> str:
    return ".".join(path)


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"the nearest name is {close[0]}" if close else ""


def _listed(numbers: set[int]) -> str:
    return " or ".join(str(number) for number in sorted(numbers))
