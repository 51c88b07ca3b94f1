"""Answers that Situs gives itself, in the shape of the OpenAI API: no model, no network.

Source: the OpenAI API reference, chat completions and completions with their streams.
"""

from __future__ import annotations

from typing import Any

import msgspec

from situs.core.ports import Chunk
from situs.core.request import Request, Service

_encode = msgspec.json.Encoder().encode

_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
"""No model has read or written anything."""


def chunks(request: Request, text: str, at: float) -> tuple[Chunk, ...]:
    """`text` as the answer to a chat or completions request: one chunk whole, several streamed.

    Every choice that is asked for is the same. `at` is wall time in seconds since the epoch.
    """
    chat = request.wire.service is Service.CHAT
    kind = "chat.completion" if chat else "text_completion"
    head = {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{request.id}",
        "object": f"{kind}.chunk" if chat and request.stream else kind,
        "created": int(at),
        "model": request.model,
    }
    choices = range(request.document.get("n") or 1)
    if not request.stream:
        whole = [_choice(index, _said(chat, text), "stop") for index in choices]
        return (Chunk(_encode({**head, "choices": whole, "usage": _USAGE}), last=True),)
    events = [
        {**head, "choices": [choice]} for index in choices for choice in _pieces(index, chat, text)
    ]
    usage = {**head, "choices": [], "usage": _USAGE}
    return (
        *(Chunk(_event(_encode(event))) for event in events),
        Chunk(_event(_encode(usage)), final=usage),
        Chunk(_event(b"[DONE]"), last=True),
    )


def _said(chat: bool, text: str) -> dict[str, Any]:
    if chat:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}
    return {"text": text}


def _pieces(index: int, chat: bool, text: str) -> tuple[dict[str, Any], ...]:
    """One choice of a stream: who speaks, what is said, that it is over."""
    if not chat:
        return (_choice(index, {"text": text}), _choice(index, {"text": ""}, "stop"))
    role = {"role": "assistant", "content": ""}
    return (
        _choice(index, {"delta": role}),
        _choice(index, {"delta": {"content": text}}),
        _choice(index, {"delta": {}}, "stop"),
    )


def _choice(index: int, said: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": index, **said, "logprobs": None, "finish_reason": finish}


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"
