"""What evaluates without complaint and means something else than it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from situs.policy.input import unknown_field
from situs.rego.absent import count_misfit, null_misfit
from situs.rego.compare import Comparison, Literal, Literals
from situs.rego.scope import Lone
from situs.rego.syntax import Reference, Rule, expand
from situs.rego.tree import ANY, Names, Place
from situs.rego.words import (
    ORDERINGS,
    Field,
    Misfit,
    alphabetical,
    among_values,
    nearest,
    never,
    spelled,
    unordered,
)

_EQUAL: Final = frozenset({"==", "!=", "="})
_PICKS: Final = frozenset({"max", "min", "sort"})
_MAPS: Final = frozenset({("findings",), ("expected_cost",)})
"""Objects whose members differ: one of them may not be there."""
_SCALAR: Final = frozenset({"string", "number", "boolean"})


class Trap(Struct, frozen=True):
    at: Place
    what: str
    do: str


def lone_trap(lone: Lone) -> Trap:
    """A variable that stands in one place only."""
    name, how, at = lone.use.name, lone.use.how, lone.use.at
    if how == "=":
        return _always(name, at)
    if how == "index":
        do = f'write _ if any will do, or "{name}" if that one is meant'
        return Trap(at, f"{name} is used only here, so it stands for any member", do)
    if how == "pattern":
        return Trap(
            at, f"{name} is used only here, so it is anything", "write _ if anything will do"
        )
    do = f"leave out `{name} :=`, or write ==" if how == "assigned" else "write _ if any will do"
    return Trap(at, f"{name} is never used", do)


class _View(Struct, frozen=True):
    """What is known around a comparison: as `comparison_traps` is given it.

    `null` are the paths that the rule compares with null.
    """

    rule: Rule
    imports: dict[str, Reference]
    named: Callable[[Names], Literals | None]
    free: Callable[[str], bool]
    field: Callable[[Names], Field | None]
    null: frozenset[Names]

    def path(self, said: Names) -> Names:
        """Below `input`; empty where it does not lead there."""
        path = expand(said, self.rule, self.imports)
        return path[1:] if path[0] == "input" else ()


def comparison_traps(
    rule: Rule,
    imports: dict[str, Reference],
    named: Callable[[Names], Literals | None],
    free: Callable[[str], bool],
    field: Callable[[Names], Field | None],
) -> Iterator[Trap]:
    """Comparisons of fields with what they never are, or in an order that they do not have.

    `named` gives the literals that a rule always is; `free` says that a name is no rule or import;
    `field` what stands at a path below `input`.
    """
    null = frozenset(_compared_with_null(rule, imports))
    view = _View(rule, imports, named, free, field, null)
    told: set[frozenset[Names]] = set()
    for one in rule.comparisons:
        path = view.path(one.path)
        about = field(path) if path else None
        if about is None:
            continue
        if isinstance(one.other, tuple) and _is_field(view, one.other):
            pair = frozenset({one.path, one.other})  # each stands there both ways round
            found = list(_with_field(view, path, about, one))
            yield from found if pair not in told else ()
            told.update([pair] if found else [])
        else:
            yield from _of_field(view, path, about, one)


def _is_field(view: _View, other: Names) -> bool:
    return bool(view.path(other)) and _stands_for(view, other) is None


def _of_field(view: _View, path: Names, about: Field, one: Comparison) -> Iterator[Trap]:
    shown, other = spelled(path), one.other
    misfit = null_misfit(path, one, about, view.field(path[:-1]), view.null)
    if misfit is not None:
        yield _trap(one.at, misfit)
    elif one.operator in _PICKS:
        if about.unordered:
            yield _trap(one.at, alphabetical(shown, one.operator))
    elif isinstance(other, Literals):
        again = sum(view.path(each.path) == path for each in view.rule.references) > 1
        misfit = count_misfit(path, one, other, again=again)
        if misfit is not None:
            yield _trap(one.at, misfit)
        yield from _with_literals(view, path, about, one, other)
    elif (said := _stands_for(view, other)) is not None:
        yield from _moved(one.at, _with_literals(view, path, about, one, said))
    elif one.operator in ORDERINGS and about.unordered:
        yield _trap(one.at, unordered(shown, about, one.operator, None))
    elif one.operator == "has" and about.kind == "object":
        yield _trap(one.at, among_values(shown))
    elif one.operator == "=" and _meant_a_word(other, about, view.rule) and view.free(other[0]):
        yield _always(other[0], one.at)


def _stands_for(view: _View, other: Names) -> Literals | None:
    """The literals that a name is, or runs over."""
    if other[0] in view.rule.literals and len(other) == 1:
        return view.rule.literals[other[0]]
    each = _run_over(other[0], view.rule, view.named) if len(other) == 1 else None
    if each is not None or other[0] in view.rule.locals:
        return each
    return view.named(other)


def _with_field(view: _View, path: Names, about: Field, one: Comparison) -> Iterator[Trap]:
    """A field with another."""
    assert isinstance(one.other, tuple)  # noqa: S101 - the caller looked
    other = view.path(one.other)
    beside = view.field(other)
    shown = spelled(path)
    if one.operator in ORDERINGS and about.unordered:
        yield _trap(one.at, unordered(shown, about, one.operator, None))
    elif beside is None:
        return
    elif one.operator == "has" and about.kind == "object" and beside.kind != "number":
        yield _trap(one.at, among_values(shown))
    elif one.operator in _EQUAL | ORDERINGS and about.kind != beside.kind:
        what = f"{shown} is {_an(about.kind)}, and {spelled(other)} is {_an(beside.kind)}"
        yield Trap(one.at, what, "what is of different types is never equal, and has no order")


def condition_traps(
    rule: Rule, imports: dict[str, Reference], field: Callable[[Names], Field | None]
) -> Iterator[Trap]:
    """Fields that stand alone as a condition: whatever is not `false` holds, null and 0 too."""
    for one in rule.conditions:
        path = expand(one.path, rule, imports)
        about = field(path[1:]) if path[0] == "input" and len(path) > 1 else None
        outer = field(path[1:-1]) if about is not None and len(path) > 2 else None
        sure = ANY not in one.path and path[-1] != ANY and not (outer and outer.nullable)
        if about is None or about.kind == "boolean" or path[1:-1] in _MAPS or not sure:
            continue
        if unknown_field(path[1:]) is not None:
            continue
        shown, how = spelled(path[1:]), "never holds" if one.negated else "always holds"
        do = "compare it with something"
        if about.nullable:
            do = f"write {shown} {'==' if one.negated else '!='} null"
        elif about.kind in {"array", "object"}:
            do = f"write count(…) {'==' if one.negated else '>'} 0"
        said = f"`not {shown}`" if one.negated else f"{shown} by itself"
        yield Trap(one.at, f"{said} {how}, whatever it is", do)


def _compared_with_null(rule: Rule, imports: dict[str, Reference]) -> Iterator[Names]:
    for one in rule.comparisons:
        if isinstance(one.other, Literals) and any(m.kind == "null" for m in one.other.members):
            yield expand(one.path, rule, imports)[1:]


def _run_over(name: str, rule: Rule, named: Callable[[Names], Literals | None]) -> Literals | None:
    """The literals that a variable runs over, where `some` or `every` takes it from a named set."""
    path = rule.members.get(name)
    if path is None or path[0] == "input":
        return None
    local = rule.literals.get(path[0]) if len(path) == 1 else None
    said = local or (None if path[0] in rule.locals else named(path))
    return Literals("one", said.members) if said and said.form in {"set", "array"} else None


def _meant_a_word(other: Names, about: Field, rule: Rule) -> bool:
    """A variable bound in more than one place is refused if its name is like a word."""
    alone = len(other) == 1 and other[0] not in rule.locals
    return alone and nearest(other[0], about.words) is not None


def _with_literals(
    view: _View, path: Names, about: Field, one: Comparison, said: Literals
) -> Iterator[Trap]:
    shown = spelled(path)
    if path == ("time",) and one.operator in {*_EQUAL, "in"} and said.members:
        do = 'write startswith(input.time, "2026-01-01"), or compare with < and >='
        yield Trap(one.at, "time is a moment, which hardly any request is of", do)
    elif one.operator == "has":
        member = view.field((*path, ANY)) if about.kind in {"array", "set"} else None
        yield from _members(shown, member, about, one, said)
    elif one.operator in ORDERINGS and about.unordered:
        literal = said.members[0] if len(said.members) == 1 else None
        yield _trap(one.at, unordered(shown, about, one.operator, literal))
    elif _meets(one.operator, said.form):
        yield from _each(shown, about, said.members)
    elif one.operator in _EQUAL and said.form != about.kind:
        yield _of_another_form(shown, about, one, said)
    elif one.operator == "in" and about.kind in _SCALAR:
        yield from _among(shown, about, one, said)


def _of_another_form(shown: str, about: Field, one: Comparison, said: Literals) -> Trap:
    if about.kind in _SCALAR:
        what = f"{shown} is one {about.kind}, never all of {_an(said.form)}"
        return Trap(one.at, what, f"write {shown} in …")
    do = {"array": "write … in it", "set": "write a set"}.get(about.kind)
    do = do or "compare object.keys(…) with it"
    return Trap(one.at, f"{shown} is {_an(about.kind)}, never {_an(said.form)}", do)


def _among(shown: str, about: Field, one: Comparison, said: Literals) -> Iterator[Trap]:
    """`field in literals` that are no set and no array."""
    if said.form == "one":
        yield Trap(one.at, f"{shown} is never in one {about.kind}", "write ==, or a set after `in`")
    elif any(literal.text[1:-1] in about.words for literal in said.members):
        what = f"`in` looks for {shown} among the values of an object, not its keys"
        yield Trap(one.at, what, "write a set after `in`")


def _members(
    shown: str, member: Field | None, about: Field, one: Comparison, said: Literals
) -> Iterator[Trap]:
    """`literal in field`."""
    if about.kind in _SCALAR:
        yield Trap(one.at, f"{shown} is one {about.kind}, with nothing in it", "write ==")
    elif about.kind == "object" and any(one.kind != "number" for one in said.members):
        yield _trap(one.at, among_values(shown))
    elif member is not None and said.form == "one":
        yield from _each(f"{shown}.{ANY}", member, said.members)


def _meets(operator: str, form: str) -> bool:
    """Whether the members of literals are what a field is compared with."""
    if operator == "in":
        return form in {"set", "array"}
    if operator == "key":
        return form in {"set", "object"}
    return form == "one"


def _each(shown: str, about: Field, members: tuple[Literal, ...]) -> Iterator[Trap]:
    for literal in members:
        misfit = never(shown, about, literal)
        if misfit:
            yield _trap(literal.at, misfit)


def _moved(at: Place, traps: Iterator[Trap]) -> Iterator[Trap]:
    """Told where the comparison stands: the literals may be in another file."""
    for one in traps:
        yield Trap(at, one.what, one.do)


def _always(name: str, at: Place) -> Trap:
    what = f"{name} is a variable that is bound here, so = holds for any value"
    return Trap(at, what, f'did you mean == "{name}"?')


def _trap(at: Place, misfit: Misfit) -> Trap:
    return Trap(at, misfit.what, misfit.do)


def _an(form: str) -> str:
    return f"an {form}" if form[0] in "ao" else f"a {form}"
