"""The OpenAI chat completions wire: `POST /v1/chat/completions`.

Source: the OpenAI API reference, chat completions. Unknown fields pass through to the backend.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from situs.analysis.texts import texts_of
from situs.core.request import Ask, Modality, Principal, Request, Wire
from situs.http.document import parse_object
from situs.http.openai import (
    MOST_TOKENS,
    Choices,
    ModelName,
    StreamOptions,
    fields_of,
    media_of,
    wants_structure,
)

_PARTS = {
    "text": Modality.TEXT,
    "refusal": Modality.TEXT,
    "image_url": Modality.IMAGE,
    "input_audio": Modality.AUDIO,
    "file": Modality.FILE,
}


class _Part(Struct):
    type: str


class _Message(Struct):
    role: Annotated[str, Meta(min_length=1)]
    content: str | list[_Part] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    audio: dict[str, Any] | None = None


class _Chat(Struct):
    model: ModelName
    messages: Annotated[list[_Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=MOST_TOKENS)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1, le=MOST_TOKENS)] | None = None
    n: Choices | None = None
    tools: list[dict[str, Any]] | None = None
    functions: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None


def parse(
    body: bytes, request_id: str, ask: Ask, principal: Principal, trace: str | None = None
) -> Request:
    """The request in `body`. Raises InvalidRequest with the JSON path of what is wrong."""
    document = parse_object(body)
    chat = fields_of(document, _Chat)
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
        modalities=_parts_of(chat.messages) | media_of(texts),
        tools=bool(chat.tools or chat.functions),
        structured_output=wants_structure(chat.response_format),
        principal=principal,
        ask=ask,
        trace=trace,
    )


_TEXT_ONLY = frozenset({Modality.TEXT})


def _parts_of(messages: list[_Message]) -> frozenset[Modality]:
    """What the messages hold, by the types of parts; an unknown one cannot be read: a file."""
    found = _TEXT_ONLY
    for message in messages:
        if isinstance(message.content, list):
            found = found | {_PARTS.get(part.type, Modality.FILE) for part in message.content}
        if message.audio is not None:
            found = found | {Modality.AUDIO}
    return found
