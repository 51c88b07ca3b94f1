"""Fields that are given to functions which take something else: that ends in an error, or lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from situs.rego.syntax import Call, Reference, Rule, expand
from situs.rego.tree import Names
from situs.rego.words import Field, Misfit, spelled

_STRING: Final = frozenset({"string"})
_NUMBER: Final = frozenset({"number"})
_LIST: Final = frozenset({"array", "set"})
_OBJECT: Final = frozenset({"object"})
_TAKES: Final[dict[str, tuple[frozenset[str], ...]]] = {
    **dict.fromkeys(
        ("lower", "upper", "trim_space", "substring", "time.parse_rfc3339_ns"), (_STRING,)
    ),
    **dict.fromkeys(
        ("startswith", "endswith", "contains", "split", "indexof", "trim", "trim_left"),
        (_STRING, _STRING),
    ),
    **dict.fromkeys(
        ("trim_right", "trim_prefix", "trim_suffix", "regex.match", "replace"), (_STRING, _STRING)
    ),
    **dict.fromkeys(("abs", "ceil", "floor", "round"), (_NUMBER,)),
    **dict.fromkeys(("sum", "product", "max", "min", "sort"), (_LIST,)),
    **dict.fromkeys(("object.keys", "object.get"), (_OBJECT,)),
    "count": (_STRING | _LIST | _OBJECT,),
}
_NANOSECONDS: Final = frozenset(
    {"time.add_date", "time.clock", "time.date", "time.diff", "time.format", "time.weekday"}
)


def argument_misfits(
    call: Call,
    rule: Rule,
    imports: dict[str, Reference],
    field: Callable[[Names], Field | None],
) -> Iterator[Misfit]:
    """What is wrong with the arguments of a call of a builtin that are fields of `input`."""
    name = ".".join(call.path or ())
    takes = _TAKES.get(name, ())
    for position, argument in enumerate(call.arguments):
        path = expand(argument, rule, imports)
        about = field(path[1:]) if path[0] == "input" and len(path) > 1 else None
        if about is None:
            continue
        if name in _NANOSECONDS:
            what = f"{spelled(path[1:])} is no time in nanoseconds, which {name} takes"
            yield Misfit(what, "write time.parse_rfc3339_ns(input.time)")
        elif position < len(takes) and about.kind not in takes[position] and not about.nullable:
            wanted = ", ".join(sorted(takes[position]))
            what = f"{spelled(path[1:])} is a field of type {about.kind}, and {name} takes {wanted}"
            yield Misfit(what, "an error in a function denies everything")
