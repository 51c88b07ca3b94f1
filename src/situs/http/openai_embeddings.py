"""The OpenAI embeddings wire: `POST /v1/embeddings`.

Source: the OpenAI API reference, embeddings. Unknown fields pass through to the backend.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from situs.analysis.texts import texts_of
from situs.core.request import Ask, Modality, Principal, Request, Wire
from situs.errors import InvalidRequest
from situs.http.document import parse_object
from situs.http.openai import ModelName, fields_of, inputs_of, media_of


class _Embedding(Struct):
    model: ModelName
    input: str | list[Any]
    encoding_format: str | None = None
    dimensions: Annotated[int, Meta(ge=1, le=65_536)] | None = None
    user: str | None = None
    stream: bool | None = None


def parse(
    body: bytes, request_id: str, ask: Ask, principal: Principal, trace: str | None = None
) -> Request:
    """The request in `body`. Raises InvalidRequest with the JSON path of what is wrong."""
    document = parse_object(body)
    asked = fields_of(document, _Embedding)
    if asked.stream:
        raise InvalidRequest(
            "Embeddings are not streamed.", param="stream", do="Leave `stream` out."
        )
    if asked.encoding_format not in (None, "float", "base64"):
        raise InvalidRequest(
            "encoding_format is neither float nor base64.", param="encoding_format"
        )
    inputs = inputs_of(asked.input, "input")
    _check_not_empty(asked.input)
    texts = texts_of(document)
    ids = {Modality.TOKENS} if inputs.ids else set()
    return Request(
        id=request_id,
        wire=Wire.OPENAI_EMBEDDINGS,
        model=asked.model,
        document=document,
        texts=texts,
        size=len(body),
        body=body,
        max_completion_tokens=0,
        modalities=media_of(texts) | {Modality.TEXT} | ids,
        principal=principal,
        ask=ask,
        trace=trace,
    )


def _check_not_empty(value: str | list[Any]) -> None:
    """An empty text has no direction; OpenAI refuses it too."""
    if value == "":
        raise InvalidRequest("input is empty.", param="input")
    if isinstance(value, list) and "" in value:
        path = f"input[{value.index('')}]"
        raise InvalidRequest(f"{path} is empty.", param=path)
