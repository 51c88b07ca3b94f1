"""The OpenAI chat completions wire: `POST /v1/chat/completions`.

Source: the OpenAI API reference, chat completions. Unknown fields pass through to the backend.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from situs.core.ports import Chunk
from situs.core.request import Ask, Modality, Principal, Request, Text, Wire
from situs.errors import InvalidRequest
from situs.http.document import parse_object, texts_of

_encode = msgspec.json.Encoder().encode

_PARTS = {
    "text": Modality.TEXT,
    "refusal": Modality.TEXT,
    "image_url": Modality.IMAGE,
    "input_audio": Modality.AUDIO,
    "file": Modality.FILE,
}


_MEDIA = {"image": Modality.IMAGE, "audio": Modality.AUDIO}


class _Part(Struct):
    type: str


class _Message(Struct):
    role: Annotated[str, Meta(min_length=1)]
    content: str | list[_Part] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    audio: dict[str, Any] | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Chat(Struct):
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[_Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    tools: list[dict[str, Any]] | None = None
    functions: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None


def parse(body: bytes, request_id: str, ask: Ask, principal: Principal) -> Request:
    """The request in `body`. Raises InvalidRequest with the JSON path of what is wrong."""
    document = parse_object(body)
    try:
        chat = msgspec.convert(document, _Chat)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    texts = texts_of(document)
    return Request(
        id=request_id,
        wire=Wire.OPENAI_CHAT,
        model=chat.model,
        document=document,
        texts=texts,
        size=len(body),
        body=body,
        stream=bool(chat.stream),
        max_completion_tokens=chat.max_completion_tokens or chat.max_tokens,
        choices=chat.n or 1,
        modalities=_modalities(chat.messages, texts),
        tools=bool(chat.tools or chat.functions),
        structured_output=bool(
            chat.response_format and chat.response_format.get("type", "text") != "text"
        ),
        principal=principal,
        ask=ask,
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


_TEXT_ONLY = frozenset({Modality.TEXT})


def _modalities(messages: list[_Message], texts: tuple[Text, ...]) -> frozenset[Modality]:
    """What the request holds, by the types of parts, and by data URLs wherever they stand.

    A part of an unknown type counts as a file: it cannot be read.
    """
    found = _TEXT_ONLY
    for message in messages:
        if isinstance(message.content, list):
            found = found | {_PARTS.get(part.type, Modality.FILE) for part in message.content}
        if message.audio is not None:
            found = found | {Modality.AUDIO}
    for text in texts:
        if text.text[:5].lower() == "data:":
            found = found | {_MEDIA.get(text.text[5:10].lower(), Modality.FILE)}
    return found


def _invalid(error: msgspec.ValidationError) -> InvalidRequest:
    """msgspec names types and the path, never values: `... - at `$.messages[0].role``."""
    what, _, path = str(error).partition(" - at `$")
    param = path.rstrip("`").removeprefix(".") or None
    where = f" at {param}" if param else ""
    return InvalidRequest(f"{what}{where}.", param=param)
