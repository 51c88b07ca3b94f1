"""Nodes to plain values of the tree's types, with every departure reported.

The types come from `msgspec.inspect`, so the tree is the only place that knows a setting's shape.
A setting that is wrong is left out, and what remains is read on.
"""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import Any, Final, Literal

from msgspec import inspect

from situs.config.document import Listing, Mapping, Node, Scalar
from situs.config.problems import Path, Report, nearest

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")


class _Missing(Enum):
    """What stands for a value that was wrong and has been reported."""

    MISSING = 0


MISSING: Final = _Missing.MISSING


def read(node: Node, kind: inspect.Type, path: Path, report: Report) -> Any:
    """Plain values for `msgspec.convert`, or MISSING."""
    kind, expected = bare(kind)
    if isinstance(kind, inspect.StructType):
        return _struct(node, kind, path, report)
    if isinstance(kind, inspect.DictType):
        return _table(node, kind, path, report)
    if isinstance(kind, inspect.VarTupleType):
        return _list(node, kind, path, report)
    if isinstance(kind, inspect.UnionType):
        return _union(node, kind, path, report)
    value, wrong, hint = _scalar(node, kind)
    if wrong:
        report.add(path, f"expected {expected or wrong}", nearest=hint, mark=node.mark)
        return MISSING
    return value


def bare(kind: inspect.Type) -> tuple[inspect.Type, str | None]:
    """The type without its annotations, and the words for what it expects."""
    expected: str | None = None
    while isinstance(kind, inspect.Metadata):
        expected = (kind.extra or {}).get("expected") or expected
        kind = kind.type
    return kind, expected


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in _NULL


def _struct(node: Node, kind: inspect.StructType, path: Path, report: Report) -> Any:
    if _is_null(node) and path:
        report.add(path, "empty; give its settings or leave it out")
        return MISSING
    if not isinstance(node, Mapping):
        report.add(path, "expected settings, as `name: value`", mark=node.mark)
        return MISSING
    fields = {field.encode_name: field for field in kind.fields}
    values: dict[str, Any] = {}
    for key, value in node.entries:
        here = (*path, key.text)
        report.positions[here] = key.mark
        field = fields.pop(key.text, None)
        if key.text == kind.tag_field:  # `_union` has read it
            values[key.text] = kind.tag
        elif field is None:
            names = [known.encode_name for known in kind.fields]
            _unknown(key, path, names, report)
        elif (plain := read(value, field.type, here, report)) is not MISSING:
            values[key.text] = plain
        elif field.required:
            values[key.text] = MISSING
    for name, field in fields.items():
        if field.required:
            report.add((*path, name), "missing")
            values[name] = MISSING
    return MISSING if MISSING in values.values() else values


def _unknown(key: Scalar, path: Path, names: list[str], report: Report) -> None:
    """No setting's name is longer than 32 characters: what is may be a pasted secret."""
    close = nearest(key.text, names)
    known = "" if close else f"; known here: {', '.join(names)}"
    shown = key.text if len(key.text) <= 32 else "…"
    report.add((*path, shown), f"no such setting{known}", nearest=close, mark=key.mark)


def _table(node: Node, kind: inspect.DictType, path: Path, report: Report) -> Any:
    if not isinstance(node, Mapping):
        report.add(path, "expected a table, as `name: value`", mark=node.mark)
        return MISSING
    values: dict[str, Any] = {}
    for key, value in node.entries:
        here = (*path, key.text)
        report.positions[here] = key.mark
        name = read(Scalar(key.mark, key.text, plain=False), kind.key_type, here, report)
        plain = read(value, kind.value_type, here, report)
        if name is not MISSING and plain is not MISSING:
            values[name] = plain
    return values


def _list(node: Node, kind: inspect.VarTupleType, path: Path, report: Report) -> Any:
    if not isinstance(node, Listing):
        report.add(path, "expected a list, as [a, b]", mark=node.mark)
        return MISSING
    if len(node.items) < (kind.min_length or 0):
        report.add(path, "expected at least one item", mark=node.mark)
        return MISSING
    values: list[Any] = []
    for index, item in enumerate(node.items):
        here = (*path, str(index))
        report.positions[here] = item.mark
        value = read(item, kind.item_type, here, report)
        if value is MISSING:
            continue
        if value in values:
            report.add(here, "listed twice", mark=item.mark)
        values.append(value)
    return values


def _union(node: Node, kind: inspect.UnionType, path: Path, report: Report) -> Any:
    """`X | None`, or sections told apart by their tag; the tree has no other unions."""
    if _is_null(node):
        return None
    inner = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    if len(inner) == 1 or not isinstance(node, Mapping):
        return read(node, inner[0], path, report)
    tagged = {one.tag: one for one in inner if isinstance(one, inspect.StructType)}
    field = next(one.tag_field for one in tagged.values()) or ""
    given = next((entry for entry in node.entries if entry[0].text == field), None)
    if given is None:
        report.add((*path, field), "missing")
        return MISSING
    key, value = given
    here = (*path, field)
    report.positions[here] = key.mark
    choice = read(value, inspect.type_info(Literal[tuple(tagged)]), here, report)
    return MISSING if choice is MISSING else _struct(node, tagged[choice], path, report)


def _scalar(node: Node, kind: inspect.Type) -> tuple[Any, str | None, str | None]:
    """The value; or else what was expected, and the word that was probably meant."""
    if isinstance(kind, (inspect.LiteralType, inspect.EnumType)):
        return _choice(node, kind)
    if isinstance(kind, inspect.StrType):
        return _text(node, kind)
    if isinstance(kind, inspect.BoolType):
        plain = node.text if isinstance(node, Scalar) and node.plain else ""
        return _BOOLEANS.get(plain), None if plain in _BOOLEANS else "true or false", None
    if isinstance(kind, (inspect.IntType, inspect.FloatType)):
        return _number(node, kind)
    raise TypeError(f"the tree has a type that cannot be read: {kind!r}")


def _choice(
    node: Node, kind: inspect.LiteralType | inspect.EnumType
) -> tuple[Any, str | None, str | None]:
    known = choices(kind)
    if isinstance(node, Scalar) and node.text in known:
        value = known[node.text]
        if isinstance(value, str) or node.plain:
            return value, None, None
    close = nearest(node.text, known) if isinstance(node, Scalar) else None
    return None, ", ".join(known) if len(known) == 1 else f"one of {', '.join(known)}", close


def choices(kind: inspect.LiteralType | inspect.EnumType) -> dict[str, Any]:
    """The values to choose from, by how they are written."""
    if isinstance(kind, inspect.LiteralType):
        return {str(value): value for value in kind.values}
    return {str(member.value): member.value for member in kind.cls}


def _text(node: Node, kind: inspect.StrType) -> tuple[Any, str | None, str | None]:
    """Plain scalars are text as they stand: `NO` is a country, `4.1` a model's name."""
    if not isinstance(node, Scalar) or _is_null(node):
        return None, "text", None
    fits = kind.pattern is None or re.fullmatch(kind.pattern, node.text) is not None
    low, high = kind.min_length or 0, kind.max_length or math.inf
    if not fits or not low <= len(node.text) <= high:
        return None, f"text of {low} to {high} characters", None
    return node.text, None, None


def _number(
    node: Node, kind: inspect.IntType | inspect.FloatType
) -> tuple[Any, str | None, str | None]:
    whole = isinstance(kind, inspect.IntType)
    said = number_words(kind)
    pattern = _INTEGER if whole else _NUMBER
    if not isinstance(node, Scalar) or not pattern.match(node.text):
        return None, said, None
    if not node.plain:
        return None, f"{said}, without quotes", None
    value = int(node.text) if whole else float(node.text)
    if math.isinf(value):
        return None, f"{said}; this one is too large", None
    inside = (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
        and (kind.lt is None or value < kind.lt)
    )
    return value, None if inside else said, None


def number_words(kind: inspect.IntType | inspect.FloatType) -> str:
    """What a number must be, in words."""
    bounds = [
        *(("of at least", kind.ge), ("above", kind.gt)),
        *(("of at most", kind.le), ("below", kind.lt)),
    ]
    said = " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
    whole = "whole " if isinstance(kind, inspect.IntType) else ""
    return f"a {whole}number {said}".rstrip()
