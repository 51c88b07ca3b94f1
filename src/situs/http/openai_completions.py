"""The OpenAI completions wire: `POST /v1/completions`.

Source: the OpenAI API reference, completions (legacy). Unknown fields pass through to the backend.
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
    inputs_of,
    media_of,
    wants_structure,
)


class _Completion(Struct):
    model: ModelName
    prompt: str | list[Any]
    suffix: str | None = None
    echo: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=0, le=MOST_TOKENS)] | None = None
    n: Choices | None = None
    best_of: Choices | None = None
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None


def parse(
    body: bytes, request_id: str, ask: Ask, principal: Principal, trace: str | None = None
) -> Request:
    """The request in `body`. Raises InvalidRequest with the JSON path of what is wrong.

    Every prompt is answered `n` times, out of `best_of` that are computed and paid.
    """
    document = parse_object(body)
    asked = fields_of(document, _Completion)
    prompts = inputs_of(asked.prompt, "prompt")
    texts = texts_of(document)
    ids = {Modality.TOKENS} if prompts.ids else set()
    return Request(
        id=request_id,
        wire=Wire.OPENAI_COMPLETIONS,
        model=asked.model,
        document=document,
        texts=texts,
        size=len(body),
        body=body,
        stream=bool(asked.stream),
        max_completion_tokens=asked.max_tokens,
        choices=prompts.count * max(asked.n or 1, asked.best_of or 1),
        modalities=media_of(texts) | {Modality.TEXT} | ids,
        tools=bool(asked.tools),
        structured_output=wants_structure(asked.response_format),
        principal=principal,
        ask=ask,
        trace=trace,
    )
