"""Is a document that somebody wrote by hand one that a policy would be given?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec
from msgspec import inspect

from situs.errors import PolicyError
from situs.policy.input import InputDocument
from situs.rego.tree import ANY, Names
from situs.rego.words import nearest, unknown_kind


def document_warnings(
    document: bytes, reads: Collection[str], lists: Names = ()
) -> tuple[str, ...]:
    """Fields that `input` does not have, and those that the policy reads and that are missing.

    Nothing for what is no JSON: the engine says that. No values are told, only names. Raises
    PolicyError for what is nested too deep to be read.
    """
    try:
        said = msgspec.json.decode(document)
    except RecursionError:
        raise PolicyError(
            "input is nested deeper than any input document",
            do="`situs policy fmt-input --example internal` prints one.",
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
    if not isinstance(said, dict):
        return ("input is not an object",)
    found = list(dict.fromkeys(_look(inspect.type_info(InputDocument), said, (), reads, lists)))
    if "messages" in said:
        found.insert(0, "this looks like a chat request; a policy sees facts about one, no content")
    return tuple(found)


def _look(
    kind: inspect.Type, said: Any, path: Names, reads: Collection[str] | None, lists: Names
) -> Iterator[str]:
    """`reads` limits what may be missing: of `input` itself, not of what is in it."""
    if isinstance(kind, inspect.UnionType):
        kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    if isinstance(kind, inspect.StructType) and isinstance(said, dict):
        yield from _object(kind, said, path, reads, lists)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType) and isinstance(said, list):
        for one in said:
            yield from _look(kind.item_type, one, (*path, ANY), None, lists)
    elif isinstance(kind, inspect.DictType) and isinstance(said, dict):
        for name in said:
            wrong = unknown_kind((*path, name), lists)
            if wrong:
                yield f"{wrong.what}; {wrong.do}"


def _object(
    kind: inspect.StructType,
    said: dict[str, Any],
    path: Names,
    reads: Collection[str] | None,
    lists: Names,
) -> Iterator[str]:
    members = {one.encode_name: one for one in kind.fields}
    shown = ".".join(("input", *path))
    for name in said:
        if name not in members:
            close = nearest(name, tuple(members))
            yield f"{shown} has no {name}" + (f"; the nearest name is {close}" if close else "")
    wanted = [
        name for name, one in members.items() if (one.required if reads is None else name in reads)
    ]
    missing = [name for name in wanted if name not in said]
    if missing:
        yield f"{shown} is without {', '.join(missing)}" + (
            ", which the policy reads" if reads is not None else ""
        )
    for name, value in said.items():
        if name in members:
            yield from _look(members[name].type, value, (*path, name), None, lists)
