"""What an obligation changes in a document besides its texts: attachments, limits, switches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from situs.analysis.texts import texts_of
from situs.core.request import READABLE, Modality, Request, Service

REMOVED = "[attachment removed]"
_READABLE = frozenset({"text", "refusal"})
_HOLDERS = frozenset({"attachments", "audio", "documents", "file_ids", "files", "images", "videos"})
"""Members of a message in which one server or another takes what is no text."""


def without_attachments(request: Request) -> tuple[Request, int]:
    """Without images, audio and files, wherever they stand, and how many there were.

    A part that holds one, a text that is a data URL, and audio of an earlier answer: each leaves a
    word behind, so that the conversation keeps its shape.
    """
    removed = [0]
    document = dict(request.document)
    messages = document.get("messages")
    if isinstance(messages, list):
        document["messages"] = [_message(one, removed) for one in messages]
    document = {name: _read(value, removed) for name, value in document.items()}
    if not removed[0]:
        return request, 0
    kept = request.modalities & READABLE
    return with_document(replace(request, modalities=kept | {Modality.TEXT}), document), removed[0]


def _read(value: Any, removed: list[int]) -> Any:
    """A value without the data URLs in it."""
    if isinstance(value, str):
        if value[:5].lower() == "data:" and "," in value:
            removed[0] += 1
            return REMOVED
        return value
    if isinstance(value, list):
        return [_read(one, removed) for one in value]
    if isinstance(value, dict):
        return {name: _read(inner, removed) for name, inner in value.items()}
    return value


def _message(message: Any, removed: list[int]) -> Any:
    """A message without parts that are no text, and without members that hold such."""
    if not isinstance(message, dict):
        return message
    found = dict(message)
    if isinstance(found.get("content"), list):
        found["content"] = [_part(one, removed) for one in found["content"]]
    for name in _HOLDERS & found.keys():
        if found.pop(name):
            found["content"] = found.get("content") or REMOVED
            removed[0] += 1
    return found


def _part(part: Any, removed: list[int]) -> Any:
    if isinstance(part, dict) and part.get("type") not in _READABLE:
        removed[0] += 1
        return {"type": "text", "text": REMOVED}
    return part


def limited(request: Request, most: int) -> Request:
    """An answer of at most so many tokens, whatever was asked for."""
    if request.wire.service is Service.EMBEDDINGS:
        return request
    asked = request.max_completion_tokens
    limit = most if asked is None else min(asked, most)
    names = [name for name in ("max_tokens", "max_completion_tokens") if name in request.document]
    document = {**request.document, **dict.fromkeys(names or ["max_tokens"], limit)}
    return with_document(replace(request, max_completion_tokens=limit), document)


def switched(request: Request, switches: Mapping[str, Any]) -> Request:
    """With members of the document set as a provider wants them, such as `store: false`."""
    return with_document(request, {**request.document, **switches})


def with_document(request: Request, document: dict[str, Any]) -> Request:
    """The same request with another document; its size is that of what came."""
    return replace(request, document=document, texts=texts_of(document))
