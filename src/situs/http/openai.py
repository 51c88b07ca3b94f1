"""What the wires of the OpenAI API have in common."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from situs.core.ports import Chunk
from situs.core.request import Modality, Request, Text
from situs.errors import InvalidRequest
from situs.http.openai_members import check_members

_encode = msgspec.json.Encoder().encode
_Fields = TypeVar("_Fields")

ModelName = Annotated[str, Meta(min_length=1, max_length=256)]
Choices = Annotated[int, Meta(ge=1, le=128)]

MOST_TOKENS = 10_000_000
"""No answer is longer, and the number is kept: it must not be long enough to be a card."""

_MOST_INPUTS = 2048
_ID_LIMIT = 2**31

_MEDIA = {"image": Modality.IMAGE, "audio": Modality.AUDIO}
_LONGEST_TYPE = 512


class StreamOptions(Struct):
    include_usage: bool | None = None


def fields_of(document: dict[str, Any], kind: type[_Fields]) -> _Fields:
    """The fields that Situs itself reads. Raises InvalidRequest with the path of what is wrong,
    ElsewhereRefused for a member that would let others choose.

    msgspec names types and the path, never values: `... - at `$.messages[0].role``.
    """
    try:
        fields = msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        param = path.rstrip("`").removeprefix(".") or None
        where = f" at {param}" if param else ""
        raise InvalidRequest(f"{what}{where}.", param=param) from None
    check_members(document)
    return fields


def wants_structure(response_format: dict[str, Any] | None) -> bool:
    return bool(response_format and response_format.get("type", "text") != "text")


def media_of(texts: tuple[Text, ...]) -> frozenset[Modality]:
    """What data URLs hold, wherever they stand; a type that is no image or audio is a file.

    A data URL is `data:`, then a media type or parameters or nothing, then a comma (RFC 2397), also
    with spaces between.
    """
    found: set[Modality] = set()
    for text in texts:
        if text.text[:5].lower() == "data:":
            head, comma, _ = text.text[5:_LONGEST_TYPE].partition(",")
            if comma and (not head or "/" in head or ";" in head):
                kind = head.partition("/")[0].strip().lower()
                found.add(_MEDIA.get(kind, Modality.FILE))
    return frozenset(found)


class Inputs(Struct, frozen=True):
    """What is asked at once: how many inputs, and whether they are token ids."""

    count: int
    ids: bool


def inputs_of(value: str | list[Any], name: str) -> Inputs:
    """A text, or token ids, or a list of either. Raises InvalidRequest for anything else."""
    if isinstance(value, str):
        return Inputs(1, ids=False)
    if not value:
        raise InvalidRequest(f"{name} is an empty list.", param=name)
    kind = type(value[0])
    if kind not in (str, int, list) or set(map(type, value)) != {kind}:
        odd = next((i for i, one in enumerate(value) if type(one) is not kind), 0)
        raise _no_input(f"{name}[{odd}]")
    if kind is int:
        _check_ids(value, name)
        return Inputs(1, ids=True)
    if len(value) > _MOST_INPUTS:
        raise InvalidRequest(f"{name} has {len(value)} items; 2048 are the most.", param=name)
    if kind is list:
        for index, ids in enumerate(value):
            _check_ids(ids, f"{name}[{index}]")
    return Inputs(len(value), ids=kind is list)


def _check_ids(ids: list[Any], path: str) -> None:
    if not ids:
        raise InvalidRequest(f"{path} is an empty list.", param=path)
    if set(map(type, ids)) == {int} and min(ids) >= 0 and max(ids) < _ID_LIMIT:
        return
    for index, one in enumerate(ids):
        if type(one) is not int or not 0 <= one < _ID_LIMIT:
            raise _no_input(f"{path}[{index}]")


def _no_input(path: str) -> InvalidRequest:
    return InvalidRequest(
        f"{path} is not what the others are, or no text and no token id.",
        param=path,
        do="Send a text, a list of texts, a list of token ids, or a list of such lists.",
    )


def wants_usage(request: Request) -> bool:
    """Whether the caller itself asked for the usage chunk of a stream."""
    return bool((request.document.get("stream_options") or {}).get("include_usage"))


def event(chunk: Chunk, request: Request, finals: dict[str, Any]) -> bytes:
    """One piece of a stream as the caller gets it.

    The usage chunk, which Situs always asks for, carries the finals in its `situs` member; it is
    left out for a caller that did not ask for it.
    """
    if chunk.final is None:
        return chunk.data
    if wants_usage(request):
        return b"data: " + _encode({**chunk.final, "situs": finals}) + b"\n\n"
    return chunk.data if chunk.final.get("choices") else b""


def error_event(envelope: dict[str, Any]) -> bytes:
    """How a stream ends that is not complete: an error, and no `[DONE]`."""
    return b"data: " + _encode(envelope) + b"\n\n"
