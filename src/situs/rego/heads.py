"""What a rule adds to the verdict, as far as its head says it, and what can never be one.

The engine is tried on an example request only: a head behind a condition would not be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, Final

import msgspec
from msgspec import Struct

from situs.core.label import Label
from situs.policy.judge import KNOWN_OBLIGATIONS, Code, Denial, Owed
from situs.rego.compare import Literal, literals
from situs.rego.tree import Names, Place, path_of, place_of, root_or_none, variable
from situs.rego.words import KINDS, Misfit, field, nearest

_ELEMENTS: Final[dict[str, type[Struct]]] = {"deny": Denial, "obligations": Owed}
_FORM: Final = {
    "allow": "write a deployment's name",
    "deny": 'write {"deployment": name, "code": "reason"}',
    "obligations": 'write {"kind": "…", "deployment": name}',
    "declassify": "write one of " + ", ".join(Label),
}
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "kind": tuple(sorted(KNOWN_OBLIGATIONS)),
    "scope": ("request", "session"),
    "action": ("stop", "redact", "note"),
}
_CODE: Final = "a code is snake_case, of at most 64 characters"


class Value(Struct, frozen=True):
    """A literal, the form of a collection, or a path; all None where it is computed.

    `members` are those of a collection that are literals.
    """

    at: Place
    literal: Literal | None = None
    form: str | None = None
    path: Names | None = None
    members: tuple[Literal, ...] = ()


class Member(Struct, frozen=True):
    """`name` is None where it is computed."""

    name: str | None
    at: Place
    value: Value


class Element(Struct, frozen=True):
    """One member of a set; `members` if it is an object that is written out, `in_head` or not."""

    value: Value
    members: tuple[Member, ...] | None = None
    in_head: bool = True


def read_element(key: Any, bodies: list[Any], at: Place) -> Element:
    """What stands in the head, or what the one `:=` in the body says that its variable is."""
    name, in_head = variable(key), True
    if name is not None:
        said = list(_assigned(bodies, name))
        if len(said) == 1 and said[0].keys() & {"Object"}:
            key, in_head = said[0], False
    if isinstance(key, dict) and "Object" in key:
        inside = key["Object"]
        fields = tuple(_member(*one) for one in inside["fields"])
        return Element(Value(place_of(inside["span"]), form="object"), fields, in_head)
    return Element(_value(key, at))


def _assigned(node: Any, name: str) -> Iterator[Any]:
    if isinstance(node, list):
        for one in node:
            yield from _assigned(one, name)
    elif isinstance(node, dict):
        for kind, inside in node.items():
            if kind == "AssignExpr" and variable(inside["lhs"]) == name:
                yield inside["rhs"]
            yield from _assigned(inside, name)


def _member(span: Any, key: Any, value: Any) -> Member:
    place = place_of(span)
    said = _value(key, place)
    name = said.literal.text[1:-1] if said.literal and said.literal.kind == "string" else None
    return Member(name, said.at, _value(value, place))


def _value(node: Any, at: Place) -> Value:
    found = literals(node)
    if found is not None and found.form == "one" and found.members:
        return Value(found.members[0].at, found.members[0])
    root = root_or_none(node)
    if root is not None:
        return Value(place_of(root["span"]), path=path_of(node))
    if found is None:
        return Value(at)
    return Value(at, form=found.form, members=found.members)


def element_misfits(
    rule: str, element: Element, known: Callable[[Names], Names], lists: Names = ()
) -> Iterator[tuple[Place, Misfit]]:
    """What can never be an element of `allow`, `deny`, `obligations` or `declassify`.

    `known` expands a path to one that begins with `input` where it leads there. `lists` are the
    kinds of finding that the configuration adds.
    """
    kind = _ELEMENTS.get(rule)
    if kind is None:
        yield from _not_a("string", f"an element of {rule}", element.value, known, _FORM[rule])
        if rule == "declassify":
            yield from _not_a_word("a label", element.value.literal, tuple(Label))
    elif element.members is not None:
        yield from _members(rule, kind, element.value.at, element.members)
        for one in element.members:
            if one.name in kind.__struct_fields__:
                yield from _member_misfits(rule, one, known, lists)
        if rule == "obligations":
            yield from _no_limit(element.members, element.value.at)
    elif _form(element.value, known) not in {None, "object"}:
        said = _form(element.value, known)
        what = f"an element of {rule} is an object, not {_article(said)} {said}"
        yield element.value.at, Misfit(what, _FORM[rule])


def _members(
    rule: str, kind: type[Struct], at: Place, members: tuple[Member, ...]
) -> Iterator[tuple[Place, Misfit]]:
    fields = msgspec.structs.fields(kind)
    names = [one.encode_name for one in fields]
    said = [one.name for one in members]
    missing = {one.encode_name for one in fields if one.required} - set(said)
    for one in members:
        if one.name is not None and one.name not in names:
            close = get_close_matches(one.name, names, n=1, cutoff=0.5)
            do = f"the nearest name is {close[0]}" if close else _FORM[rule]
            missing -= set(close)  # said once
            yield one.at, Misfit(f"an element of {rule} has no {one.name}", do)
    if None not in said:
        for name in sorted(missing):
            yield at, Misfit(f"an element of {rule} has no value for {name}", _FORM[rule])


def _member_misfits(
    rule: str, one: Member, known: Callable[[Names], Names], lists: Names
) -> Iterator[tuple[Place, Misfit]]:
    name, value = one.name or "", one.value
    if name == "limit":
        yield from _not_a("number", '"limit"', value, known, "write a whole number, such as 512")
        if value.literal and value.literal.kind == "number" and not value.literal.text.isdecimal():
            what = f"{value.literal.text} can not be a limit"
            yield value.literal.at, Misfit(what, "write a whole number, such as 512")
    elif name == "findings":
        form, known_kinds = _form(value, known), (*KINDS, *lists)
        if form not in {None, "array", "set"}:
            what = f'"findings" is an array of kinds, not {_article(form)} {form}'
            yield value.at, Misfit(what, 'write ["iban", "card"]')
        for literal in value.members if value.form in {"array", "set"} else ():
            yield from _not_a_word("a kind of finding", literal, known_kinds)
            if literal.kind != "string":
                yield literal.at, Misfit(f"{literal.text} is not a kind of finding", "use quotes")
    else:
        yield from _not_a("string", f'"{name}"', value, known, _FORM[rule])
        broken = list(_not_a_code(one))
        yield from broken
        if name in _WORDS and not broken:
            what = {"kind": "a kind of obligation", "action": "an action"}.get(name, f"a {name}")
            yield from _not_a_word(what, value.literal, _WORDS[name])


def _not_a_word(
    what: str, literal: Literal | None, words: tuple[str, ...]
) -> Iterator[tuple[Place, Misfit]]:
    if literal is not None and literal.kind == "string" and literal.text[1:-1] not in words:
        close = nearest(literal.text[1:-1], words)
        do = f"the nearest word is {close}" if close else f"it is one of {', '.join(words)}"
        yield literal.at, Misfit(f"{literal.text} is not {what}", do)


def _no_limit(members: tuple[Member, ...], at: Place) -> Iterator[tuple[Place, Misfit]]:
    """A number of tokens of which nobody says how many would be none."""
    names = [one.name for one in members]
    limited = any(
        one.name == "kind" and one.value.literal and one.value.literal.text == '"max_output_tokens"'
        for one in members
    )
    if limited and None not in names and "limit" not in names:
        do = 'write {"kind": "max_output_tokens", "limit": 512, "deployment": name}'
        yield at, Misfit("max_output_tokens without a limit allows none", do)


def _not_a(
    kind: str, what: str, value: Value, known: Callable[[Names], Names], do: str
) -> Iterator[tuple[Place, Misfit]]:
    form = _form(value, known)
    if form not in {None, kind}:
        yield value.at, Misfit(f"{what} is a {kind}, not {_article(form)} {form}", do)


def _not_a_code(one: Member) -> Iterator[tuple[Place, Misfit]]:
    literal = one.value.literal
    if one.name not in {"code", "kind"} or literal is None or literal.kind != "string":
        return
    try:
        msgspec.convert(literal.text[1:-1], Code)
    except msgspec.ValidationError:
        yield literal.at, Misfit(f"{literal.text} can not be a {one.name}", _CODE)


def _form(value: Value, known: Callable[[Names], Names]) -> str | None:
    """The kind of scalar or collection, where it is sure."""
    if value.literal is not None:
        return value.literal.kind
    if value.path is not None:
        path = known(value.path)
        about = field(path[1:]) if path[0] == "input" and len(path) > 1 else None
        return about.kind if about and not about.nullable else None
    return value.form


def _article(form: str | None) -> str:
    return "an" if form in {"object", "array"} else "a"
