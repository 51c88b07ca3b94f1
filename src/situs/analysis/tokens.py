"""How many tokens a request has, and how many its answer may have, without a tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from situs.analysis.token_families import TEMPLATES, Template, family_of
from situs.core.request import Modality, Request, Wire

Counts = Callable[[bytes, Sequence[str]], list[float]]
"""Tokens of a text in UTF-8 for families, or models' names."""

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
    "embedding": 0,
}
"""Expected completion tokens by task: a prior, not a measurement."""


_DIGIT, _SYMBOL, _SPACE = 1, 2, 4
"""One bit each, so that the bits that are set in a text of classes count all but letters."""

_CLASSES = bytes(
    _DIGIT
    if chr(code) in "0123456789"
    else _SPACE
    if chr(code) in " \n"
    else _SYMBOL
    if 33 <= code < 127 and not chr(code).isalpha()
    else 0
    for code in range(256)
)
_BEYOND = bytes(range(0x80, 0x100))
_CONTINUING = bytes(range(0x80, 0xC0))


def of_bytes(data: bytes) -> float:
    """Tokens of a text in UTF-8, by classes of characters.

    Bits are counted rather than bytes: `bytes.count` is slow for what is frequent.
    """
    classes = data.translate(_CLASSES)
    digits, symbols = classes.count(_DIGIT), classes.count(_SYMBOL)
    spaces = int.from_bytes(classes, "little").bit_count() - digits - symbols
    size = len(data) if data.isascii() else len(data.translate(None, _BEYOND))
    letters = size - digits - symbols - spaces
    tokens = letters * LETTER + spaces * SPACE + digits * DIGIT + symbols * SYMBOL
    if size < len(data):
        # A character beyond ASCII has one byte that begins it, and one more or several that do not.
        continuing = len(data) - len(data.translate(None, _CONTINUING))
        rest = len(data) - size - continuing
        wide = min(rest, continuing - rest)
        tokens += (rest - wide) * TWO_BYTE + wide * WIDE
    return tokens


def prompt_tokens(request: Request, data: bytes) -> int:
    """All texts that a model reads, and what a template puts around the messages, by a rule.

    `data` is all texts in UTF-8, a line each. The bytes of data URLs are not read as text. Token
    ids are counted, not read.
    """
    ids, name = _ids(request)
    messages = request.document.get("messages")
    around = MESSAGE_TOKENS * (len(messages) if isinstance(messages, list) else 1)
    if request.modalities == _TEXT:
        return round(of_bytes(data)) + around
    read = [
        text.text
        for text in request.texts
        if not (text.text.startswith("data:") or (ids and text.path.partition("[")[0] == name))
    ]
    tokens = round(of_bytes("\n".join(read).encode("utf-8", "replace")))
    return tokens + ids + around + _unread(request)


def tokens_by(request: Request, count: Counts | None, families: Sequence[str]) -> dict[str, int]:
    """Prompt tokens for each family of models, by the head; nothing without one.

    Contents, definitions of tools as JSON, and what the template adds; settings are not read by a
    model. The lines between texts that are counted together are taken off again.
    """
    if count is None or not families:
        return {}
    ids, without = _ids(request)
    document = request.document
    read = [
        text.text
        for text in request.texts
        if text.path.startswith(_READ)
        and not text.text.startswith("data:")
        and not (without and text.path.startswith(without))
    ]
    lines = max(0, len(read) - 1)
    totals = [float(ids + _unread(request))] * len(families)
    text = "\n".join(read).encode("utf-8", "replace")
    if text:
        counted = count(text, families)
        totals = [total + max(0.0, one - lines) for total, one in zip(totals, counted, strict=True)]
    if tools := [document[name] for name in ("tools", "functions") if document.get(name)]:
        counted = count(json.dumps(tools, ensure_ascii=False).encode("utf-8", "replace"), families)
        totals = [total + one for total, one in zip(totals, counted, strict=True)]
    return {
        family: round(total + _around(request, TEMPLATES[family_of(family)]))
        for family, total in zip(families, totals, strict=True)
    }


def _around(request: Request, template: Template) -> int:
    """What the template of a family adds."""
    messages = request.document.get("messages")
    if not isinstance(messages, list):
        return template.text * max(1, len(_sizes(request)))
    roles = {message.get("role") for message in messages if isinstance(message, dict)}
    own = roles.isdisjoint(("system", "developer"))
    return template.message * len(messages) + template.once + own * template.system


def _ids(request: Request) -> tuple[int, str]:
    """How many token ids there are, and the input that holds them."""
    if Modality.TOKENS not in request.modalities:
        return 0, ""
    return sum(_sizes(request)), _INPUTS.get(request.wire, "")


def _unread(request: Request) -> int:
    return len(request.modalities - _COUNTED) * UNREAD_TOKENS


_READ = ("messages", "prompt", "input", "suffix")
_TEXT = frozenset({Modality.TEXT})
_COUNTED = frozenset({Modality.TEXT, Modality.TOKENS})
_INPUTS = {Wire.OPENAI_COMPLETIONS: "prompt", Wire.OPENAI_EMBEDDINGS: "input"}
"""Where a wire has its inputs that may be several."""


def longest_tokens(request: Request, prompt_tokens: int) -> int | None:
    """Those of the longest of several inputs, by its share of their characters or token ids."""
    sizes = _sizes(request)
    if len(sizes) < 2:
        return None
    return round(prompt_tokens * max(sizes) / max(1, sum(sizes)))


def _sizes(request: Request) -> list[int]:
    """Of each input: characters, or token ids. Empty where there is one text."""
    inputs: Any = request.document.get(_INPUTS.get(request.wire, ""))
    if not isinstance(inputs, list) or not inputs:
        return []
    return [len(inputs)] if isinstance(inputs[0], int) else [len(one) for one in inputs]


def completion_tokens(task: str, limit: int | None) -> int:
    """What to expect, at most what the request allows."""
    expected = COMPLETION.get(task, COMPLETION["chat"])
    return expected if limit is None else max(0, min(limit, expected))
