"""Which values a field of `input` can have, and what a comparison with another one should say."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from msgspec import Struct, inspect

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.task import NEEDS
from situs.core.ordered import Ordered
from situs.policy.input import InputDocument
from situs.rego.compare import Literal
from situs.rego.tree import ANY, KEYS, Names

_SAID: Final[dict[Names, Names]] = {
    ("task",): tuple(NEEDS),
    ("criticality",): ("advisory", "operational"),
    ("label_reasons", ANY, "source"): (
        "finding",
        "declared",
        "default",
        "unread",
        "session",
        "data",
    ),
}
_COUNTRY: Final = r"[A-Z]{2}|"
_MOMENT: Final = r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}(:[0-9]{2}(:[0-9]{2}(Z)?)?)?)?)?)?"
_PATTERNS: Final[dict[Names, tuple[str, str]]] = {
    ("language",): ("[a-z]{2,3}", "it is a code of two or three letters, `und` where not known"),
    ("time",): (_MOMENT, "it is a moment in UTC: 2026-01-01T00:00:00Z; the time alone, time.clock"),
    ("home_jurisdiction",): (_COUNTRY, "it is a code of ISO 3166-1 alpha-2, such as DE"),
    ("deployments", ANY, "locus", "jurisdiction"): (
        _COUNTRY,
        "it is a code of ISO 3166-1 alpha-2, such as DE",
    ),
}
_NO_COUNTRY: Final[dict[str, str]] = {
    "UK": "the code is GB",
    "EL": "the code is GR",
    "EU": "name its member states in a set, after `in`",
}
_MILLISECONDS: Final = 1e11
"""So many seconds would be the year 5138."""
_DURATION: Final[Names] = ("deployments", ANY, "locus", "retention")
_SCALARS: Final[tuple[tuple[type[inspect.Type], str], ...]] = (
    (inspect.StrType, "string"),
    (inspect.BoolType, "boolean"),
    (inspect.IntType, "number"),
    (inspect.FloatType, "number"),
)
_PART: Final = 4
"""A word of so many letters is recognised inside a longer one."""

ORDERINGS: Final = frozenset({"<", "<=", ">", ">="})


class Field(Struct, frozen=True):
    """What a field holds: a `kind` of scalar, or a collection; `words` if it is one of a few.

    The words are in order where they have one (`ordered`). Without words, a `pattern` may hold for
    all of it, which `means` says in prose; `unordered` says why `<` means nothing.
    """

    kind: str
    words: Names = ()
    ordered: bool = False
    nullable: bool = False
    pattern: str = ""
    means: str = ""
    unordered: str = ""


KINDS: Final[Names] = tuple(DEFAULT_FLOORS)
"""Every kind of finding that the analysis can make without lists of an organisation's own."""


class Misfit(Struct, frozen=True):
    what: str
    do: str


def field(path: Names, lists: Names = ()) -> Field | None:
    """The field at a path below `input` (`*` for any member); None if it is not known.

    `lists` are the kinds that lists of words and patterns add to `KINDS`.
    """
    if KEYS in path:
        return _key(path, lists)
    reached = _type(path)
    if reached is None:
        return None
    found, nullable = reached
    if path in _SAID:
        return Field("string", _SAID[path], nullable=nullable, unordered="words")
    if path in _PATTERNS:
        pattern, means = _PATTERNS[path]
        codes = "" if pattern == _MOMENT else "codes"
        return Field("string", nullable=nullable, pattern=pattern, means=means, unordered=codes)
    if path == _DURATION:
        return Field("string", nullable=nullable, unordered="durations as text")
    if isinstance(found, inspect.EnumType):
        words = tuple(str(one.value) for one in found.cls)
        ordered = issubclass(found.cls, Ordered)
        return Field("string", words, ordered, nullable, unordered="words")
    for kind, name in _SCALARS:
        if isinstance(found, kind):
            return Field(name, nullable=nullable)
    if isinstance(found, inspect.LiteralType):
        return Field("number")
    is_object = isinstance(found, inspect.StructType | inspect.DictType)
    return Field("object" if is_object else "array", nullable=nullable)


def _key(path: Names, lists: Names) -> Field | None:
    if path == ("findings", KEYS):
        return Field("set")
    if path == ("findings", KEYS, ANY):
        return Field("string", (*KINDS, *lists), unordered="words")
    if path[-2:] == (KEYS, ANY) and (of := field(path[:-2])) is not None and of.kind == "array":
        return Field("number")
    return None


def _type(path: Names) -> tuple[inspect.Type, bool] | None:
    kind: inspect.Type = inspect.type_info(InputDocument)
    nullable = False
    for name in (*path, ""):
        nullable = isinstance(kind, inspect.UnionType)
        if isinstance(kind, inspect.UnionType):
            kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
        if not name:
            break
        if isinstance(kind, inspect.StructType):
            members = {field.encode_name: field.type for field in kind.fields}
            if name not in members:
                return None
            kind = members[name]
        elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
            kind = kind.item_type
        elif isinstance(kind, inspect.DictType):
            kind = kind.value_type
        else:
            return None
    return kind, nullable


def unknown_kind(path: Names, lists: Names = ()) -> Misfit | None:
    """What is wrong with a path below `input` that names a kind of finding; None if nothing is."""
    known = (*KINDS, *lists)
    if len(path) < 2 or path[0] != "findings" or path[1] in {*known, ANY, KEYS}:
        return None
    return Misfit(f"input.findings never has {path[1]}", _instead(path[1], known))


def spelled(path: Names) -> str:
    """A path as a problem names it."""
    if path[-2:] == (KEYS, ANY):
        return f"a key of {'.'.join(path[:-2])}"
    if path[-1:] == (KEYS,):
        return f"object.keys of {'.'.join(path[:-1])}"
    return ".".join(path)


def never(name: str, one: Field, literal: Literal) -> Misfit | None:
    """What is wrong with comparing a field called `name` with a literal; None if nothing is."""
    if literal.kind == "null" and one.nullable:
        return None
    if literal.kind != one.kind:
        what = f"{name} is {_article(one.kind)} {one.kind}, never {literal.text}"
        return Misfit(what, _one_of(one.words))
    if name == "time_unix" and abs(float(literal.text)) >= _MILLISECONDS:
        return Misfit(f"{name} is in seconds, never {literal.text}", "leave out what is finer")
    word = literal.text[1:-1]
    if one.pattern:
        return _no_code(name, one, word)
    if not one.words or word in one.words:
        return None
    return Misfit(f"{name} is never {literal.text}", _instead(word, one.words))


def _no_code(name: str, one: Field, word: str) -> Misfit | None:
    meant = _NO_COUNTRY.get(word) if one.pattern == _COUNTRY else None
    if meant or not re.fullmatch(one.pattern, word):
        return Misfit(f'{name} is never "{word}"', meant or one.means)
    return None


def unordered(name: str, one: Field, operator: str, literal: Literal | None) -> Misfit:
    """Words are compared as text: "confidential" < "public"."""
    do = "compare with ==, or with `in` and a set of words"
    word = literal.text[1:-1] if literal else ""
    if one.ordered and word in one.words:
        place = one.words.index(word)
        meant = {
            "<": one.words[:place],
            "<=": one.words[: place + 1],
            ">": one.words[place + 1 :],
            ">=": one.words[place:],
        }[operator]
        if meant:
            do = f"write {name} in {{" + ", ".join(f'"{word}"' for word in meant) + "}"
    return Misfit(f"{name} has {one.unordered}, and {operator} goes by the alphabet", do)


def alphabetical(name: str, function: str) -> Misfit:
    what = f"{name} has an order of its own, and {function} goes by the alphabet"
    return Misfit(what, 'rank them: {"public": 0, "internal": 1, …}[…]')


def among_values(name: str) -> Misfit:
    what = f"{name} is an object, and `in` looks among its values, not its names"
    if name == "findings":
        return Misfit(what, "write input.findings[kind] > 0, or in object.keys(input.findings)")
    return Misfit(what, "name one of its members, or write in object.keys(…)")


def nearest(word: str, words: Names) -> str | None:
    """The word that was meant, apart from case, blanks and dashes; or one like it."""
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")
    if plain in words:
        return plain
    parts = [one for one in words if len(one) >= _PART and one in plain]
    if parts:  # `card` for `creditcard`
        return max(parts, key=len)
    return next(iter(get_close_matches(plain, words, n=1, cutoff=0.5)), None)


def _instead(word: str, words: Names) -> str:
    close = nearest(word, words)
    return f"the nearest word is {close}" if close else _one_of(words)


def _one_of(words: Names) -> str:
    return f"it is one of {', '.join(words)}" if words else ""


def _article(kind: str) -> str:
    return "an" if kind[0] in "ao" else "a"
