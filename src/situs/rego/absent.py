"""What is compared and may not be there: a kind that was not found, a price that nobody knows."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final

from situs.rego.compare import Comparison, Literal, Literals
from situs.rego.tree import ANY, KEYS, Names
from situs.rego.words import Field, Misfit

_HOLDS: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPPOSITE: Final = {"==": "!=", "=": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def count_misfit(path: Names, one: Comparison, said: Literals, *, again: bool) -> Misfit | None:
    """What is wrong with comparing how many findings there are of a kind with a number.

    Where there are none the kind is not there, and the comparison is undefined: that is wrong if 0
    would have held. `again`: the rule looks at the same place elsewhere, and may know that it is.
    """
    number = _number(said.members[0]) if said.form == "one" and len(said.members) == 1 else None
    if path[:1] != ("findings",) or len(path) != 2 or path[1] == KEYS or number is None:
        return None
    holds = _HOLDS.get(one.operator)
    if holds is None or not holds(0, number):
        return None
    shown, text = ".".join(path), said.members[0].text
    some = f"input.{shown}".replace(ANY, "[…]").replace(".[", "[")
    do = f"none is `not {some}`, any is `{some} > 0`"
    if not any(holds(count, number) for count in (1, number + 1, max(1, number))):
        what = f"{shown} is 1 or more, or not there, so {one.operator} {text} never holds"
        return Misfit(what, do)
    if again or path[1] == ANY:
        return None
    what = (
        f"{shown} is not there where none was found, and {one.operator} {text} does not hold then"
    )
    if holds(1, number) and holds(number + 1, number) and one.operator != "!=":
        return Misfit(what, do)
    return Misfit(what, f"write `not {some} {_OPPOSITE[one.operator]} {text}`")


def null_misfit(
    path: Names, one: Comparison, about: Field, outer: Field | None, known: frozenset[Names]
) -> Misfit | None:
    """What is wrong where null stands in place of what is compared, or of what it is in.

    `known` are the paths that the rule compares with null.
    """
    shown = ".".join(path)
    if about.nullable and one.operator in {"<", "<="} and path not in known:
        what = f"{shown} is null where nobody knows it, and null is less than anything"
        return Misfit(what, f"write {path[-1]} != null beside it")
    if one.negated and outer is not None and outer.nullable and path[:-1] not in known:
        what = f"{'.'.join(path[:-1])} is null where nobody knows it, and `not` then holds"
        return Misfit(what, f"write {path[-2]} != null beside it")
    return None


def _number(literal: Literal) -> float | None:
    return float(literal.text) if literal.kind == "number" else None
