"""What evaluates without complaint and means something else than it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from situs.rego.compare import Comparison, Literal, Literals
from situs.rego.scope import Lone
from situs.rego.syntax import Reference, Rule, expand
from situs.rego.tree import ANY, Names, Place
from situs.rego.words import ORDERINGS, Field, Misfit, nearest, never, spelled, unordered

_EQUAL: Final = frozenset({"==", "!=", "="})
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
    told: set[frozenset[Names]] = set()
    for one in rule.comparisons:
        path = expand(one.path, rule, imports)[1:] if _is_input(one.path, rule, imports) else ()
        about = field(path) if path else None
        if about is None:
            continue
        member = field((*path, ANY)) if about.kind == "array" else None
        shown = spelled(path)
        other = one.other
        if isinstance(other, Literals):
            yield from _with_literals(shown, member, about, one, other)
        elif other[0] in rule.literals and len(other) == 1:
            yield from _moved(
                one.at, _with_literals(shown, member, about, one, rule.literals[other[0]])
            )
        elif len(other) == 1 and (each := _run_over(other[0], rule, named)) is not None:
            yield from _moved(one.at, _with_literals(shown, member, about, one, each))
        elif other[0] not in rule.locals and (said := named(other)) is not None:
            yield from _moved(one.at, _with_literals(shown, member, about, one, said))
        elif one.operator in ORDERINGS and about.unordered:
            if frozenset({one.path, other}) not in told:  # each stands there both ways round
                yield _trap(one.at, unordered(shown, about, one.operator, None))
            told.add(frozenset({one.path, other}))
        elif one.operator == "=" and _meant_a_word(other, about, rule) and free(other[0]):
            yield _always(other[0], one.at)


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


def _is_input(path: Names, rule: Rule, imports: dict[str, Reference]) -> bool:
    return expand(path, rule, imports)[0] == "input"


def _with_literals(
    shown: str, member: Field | None, about: Field, one: Comparison, said: Literals
) -> Iterator[Trap]:
    if one.operator == "has":
        yield from _members(shown, member, about, one, said)
    elif one.operator in ORDERINGS and about.unordered:
        literal = said.members[0] if len(said.members) == 1 else None
        yield _trap(one.at, unordered(shown, about, one.operator, literal))
    elif _meets(one.operator, said.form):
        yield from _each(shown, about, said.members)
    elif about.kind in _SCALAR and one.operator in _EQUAL:
        what = f"{shown} is one {about.kind}, never all of {_an(said.form)}"
        yield Trap(one.at, what, f"write {shown} in …")
    elif about.kind in _SCALAR and one.operator == "in" and said.form == "one":
        yield Trap(one.at, f"{shown} is never in one {about.kind}", "write ==, or a set after `in`")


def _members(
    shown: str, member: Field | None, about: Field, one: Comparison, said: Literals
) -> Iterator[Trap]:
    """`literal in field`."""
    if about.kind in _SCALAR:
        yield Trap(one.at, f"{shown} is one {about.kind}, with nothing in it", "write ==")
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
