"""How many tokens: an estimate without a tokenizer."""

from __future__ import annotations

from situs.core.request import Modality, Request

ASCII_PER_TOKEN = 4.2
"""Characters of English prose or code per token."""

TWO_BYTE_TOKENS = 0.55
"""Tokens per character outside ASCII that takes two bytes (accents, Cyrillic, Arabic)."""

WIDE_TOKENS = 0.9
"""Tokens per character that takes three bytes or more (Chinese, Japanese, Indic scripts)."""

MESSAGE_TOKENS = 3
"""What the chat template adds to each message; its role is counted with the texts."""

UNREAD_TOKENS = 800
"""For an image, an audio clip or a file, per kind that is there."""

COMPLETION = {
    "classification": 16,
    "extraction": 96,
    "summarisation": 160,
    "rewriting": 200,
    "translation": 200,
    "code": 350,
    "chat": 120,
    "closed_qa": 96,
    "open_qa": 180,
    "advice": 300,
    "brainstorming": 300,
    "creative_writing": 400,
    "reasoning": 350,
    "agent_step": 120,
}
"""Expected completion tokens by task: a prior, not a measurement."""


def of_text(text: str) -> float:
    """Tokens of one text, by how many bytes its characters take in UTF-8."""
    size = len(text)
    if text.isascii():
        return size / ASCII_PER_TOKEN
    plain = len(text.encode("ascii", "ignore"))
    extra = len(text.encode("utf-8", "replace")) - size
    rest = size - plain
    # `extra` is 1 for each two-byte character and 2 or more for each wider one.
    wide = min(rest, max(0, extra - rest))
    return plain / ASCII_PER_TOKEN + (rest - wide) * TWO_BYTE_TOKENS + wide * WIDE_TOKENS


def prompt_tokens(request: Request) -> int:
    """All texts that a model reads, and what the template puts around the messages."""
    read = [text.text for text in request.texts if not text.text.startswith("data:")]
    messages = request.document.get("messages")
    count = len(messages) if isinstance(messages, list) else 1
    unread = len(request.modalities - {Modality.TEXT}) * UNREAD_TOKENS
    return round(of_text("\n".join(read))) + MESSAGE_TOKENS * count + unread


def completion_tokens(task: str, limit: int | None) -> int:
    """What to expect, at most what the request allows."""
    expected = COMPLETION.get(task, COMPLETION["chat"])
    return expected if limit is None else max(0, min(limit, expected))
