"""The embeddings document: what was asked for, in which batches, and the answer.

Source: the OpenAI API reference, embeddings.
"""

from __future__ import annotations

import base64
import math
import struct
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from situs.errors import InvalidRequest

_BATCH_TOKENS = 256
"""Tokens of a batch, padding included: about 50 ms on one core, and no more work is in vain when
the caller leaves. Short texts are twice as fast in batches; larger batches only take memory."""

_PORTION = 64 * 1024
"""Characters that are split into tokens at once, for the same reason."""

_encode = msgspec.json.Encoder().encode


class Asked(Struct, frozen=True):
    """`several`: the input was a list. `dimensions`: None means all that the model has."""

    texts: tuple[str, ...]
    several: bool
    base64: bool
    dimensions: int | None


def read(document: dict[str, Any]) -> Asked:
    """A document whose shape the wire has checked. Raises InvalidRequest for token ids.

    They are numbers of another model's vocabulary, whose texts this one cannot know.
    """
    given = document["input"]
    texts = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(text, str) for text in texts):
        raise InvalidRequest(
            "input holds token ids; this model reads texts.",
            param="input",
            do="Send texts; with LangChain set check_embedding_ctx_length=False.",
        )
    return Asked(
        texts=texts,
        several=not isinstance(given, str),
        base64=document.get("encoding_format") == "base64",
        dimensions=document.get("dimensions"),
    )


def portions(texts: Sequence[str]) -> Iterator[slice]:
    """Runs of texts, each of about `_PORTION` characters; a longer text is a run of its own."""
    start = size = 0
    for index, text in enumerate(texts):
        if index > start and size + len(text) > _PORTION:
            yield slice(start, index)
            start, size = index, 0
        size += len(text)
    if texts:
        yield slice(start, len(texts))


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts of about one length, so that little is padded, longest first."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def shortened(vector: array[float], dimensions: int | None) -> array[float]:
    """The first `dimensions`, made of length 1 again, as OpenAI defines it."""
    if dimensions is None or dimensions >= len(vector):
        return vector
    head = vector[:dimensions]
    length = math.sqrt(math.fsum(x * x for x in head)) or 1.0
    return array("f", (x / length for x in head))


def item_of(index: int, vector: array[float], asked: Asked) -> bytes:
    """One element of `data`, as JSON; base64 is of little-endian float32."""
    shown = shortened(vector, asked.dimensions)
    value: Any = list(shown)
    if asked.base64:
        value = base64.b64encode(struct.pack(f"<{len(shown)}f", *shown)).decode()
    return _encode({"object": "embedding", "index": index, "embedding": value})


def document_of(items: Sequence[bytes], model: str, prompt_tokens: int) -> bytes:
    """The whole answer, from its elements in order."""
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    rest = _encode({"model": model, "usage": usage})
    return b'{"object":"list","data":[' + b",".join(items) + b"]," + rest[1:]
