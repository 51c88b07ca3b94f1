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


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


def _names(words: str) -> frozenset[str]:
    return frozenset(map(_plain, words.split()))


_LENGTHS = _names(
    """max_tokens max_completion_tokens max_output_tokens max_response_output_tokens max_new_tokens
    max_gen_tokens max_gen_len max_tokens_to_sample n_predict num_predict"""
)
_BUDGETS = _names(
    """min_tokens min_completion_tokens min_new_tokens min_length max_length budget_tokens
    thinking_budget thinking_budget_tokens thinking_token_budget max_thinking_tokens
    reasoning_budget reasoning_budget_tokens reasoning_tokens reasoning_max_tokens
    max_reasoning_tokens"""
)
_SEVERAL = _names(
    "n best_of n_cmpl candidate_count num_return_sequences num_beams beam_width use_beam_search"
)
_THINKING = _names("thinking thinking_config reasoning reasoning_config")
_OPTIONS = _names(
    """options parameters generation_config generation_kwargs sampling_params sampling_parameters
    chat_template_kwargs extra_args vllm_xargs"""
)
"""Objects in which servers take some of the above."""


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
    """One answer of at most so many tokens to a prompt, whatever was asked for.

    What the wire or a server knows for the length of an answer is lowered, in any spelling; a
    minimum or a budget for thinking that does not fit below is left out, and so is what asks for
    several answers.
    """
    if request.wire.service is Service.EMBEDDINGS:
        return request
    asked = request.max_completion_tokens
    limit = most if asked is None else min(asked, most)
    document = _bounded(request.document, limit)
    if not {"max_tokens", "max_completion_tokens"} & document.keys():
        document["max_tokens"] = limit
    answers = [request.document.get(name) for name in ("n", "best_of")]
    each = max((one for one in answers if isinstance(one, int)), default=1)
    choices = max(1, request.choices // max(1, each))
    return with_document(replace(request, max_completion_tokens=limit, choices=choices), document)


def _bounded(members: dict[str, Any], limit: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in members.items():
        plain = _plain(name)
        if plain in _LENGTHS:
            made[name] = value if _within(value, limit) else limit
        elif plain in _OPTIONS and isinstance(value, dict):
            made[name] = _bounded(value, limit)
        elif _fits(plain, value, limit):
            made[name] = value
    return made


def _fits(plain: str, value: Any, limit: int) -> bool:
    """Whether a member may stay. An upstream may want a budget to be below the limit."""
    if plain in _SEVERAL:
        return type(value) is int and value == 1
    if plain in _BUDGETS:
        return _within(value, limit - 1)
    if plain in _THINKING and isinstance(value, dict):
        return _bounded(value, limit - 1) == value
    return True


def _within(value: Any, limit: int) -> bool:
    """Servers read -1 as no limit, and some of them texts as numbers."""
    return type(value) is int and 0 <= value <= limit


def switched(request: Request, switches: Mapping[str, Any]) -> Request:
    """With members of the document set as a provider wants them, such as `store: false`."""
    return with_document(request, {**request.document, **switches})


def with_document(request: Request, document: dict[str, Any]) -> Request:
    """The same request with another document; its size is that of what came."""
    return replace(request, document=document, texts=texts_of(document))
