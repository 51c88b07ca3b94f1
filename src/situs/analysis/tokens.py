"""How many tokens: an estimate without a tokenizer."""

from __future__ import annotations

from situs.core.request import Modality, Request

LETTER, SPACE, DIGIT, SYMBOL = 0.164, 0.406, 1.374, 0.632
"""Tokens per ASCII character of each class, fitted to the tokenizer of SmolLM2 (49k entries).
Larger vocabularies need fewer, digits above all."""

TWO_BYTE, WIDE = 0.7, 1.1
"""Tokens per character of two bytes in UTF-8 (accents, Cyrillic, Arabic), and of more (Chinese,
Indic scripts): between a small English vocabulary and a large multilingual one; not fitted."""

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


_DIGITS = b"0123456789"
_SYMBOLS = bytes(code for code in range(33, 127) if not chr(code).isalnum())


def of_text(text: str) -> float:
    """Tokens of one text, by classes of characters."""
    plain = text.encode("ascii", "ignore")
    size = len(plain)
    digits = size - len(plain.translate(None, _DIGITS))
    symbols = size - len(plain.translate(None, _SYMBOLS))
    spaces = plain.count(b" ") + plain.count(b"\n")
    letters = size - digits - symbols - spaces
    tokens = letters * LETTER + spaces * SPACE + digits * DIGIT + symbols * SYMBOL
    rest = len(text) - size
    if rest:
        # Beyond one byte each: 1 for a two-byte character, 2 or more for a wider one.
        extra = len(text.encode("utf-8", "replace")) - len(text)
        wide = min(rest, max(0, extra - rest))
        tokens += (rest - wide) * TWO_BYTE + wide * WIDE
    return tokens


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
