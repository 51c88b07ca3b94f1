"""What to learn from: rows of files and logs as examples, and which of them are held back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct

_ONE_IN = 5
_CUT: Final = frozenset({"length", "max_tokens", "content_filter"})
"""Reasons why an answer ended that say it would have been longer."""


class Answered(Struct, frozen=True):
    """A prompt, and how many tokens its answer took."""

    text: str
    completion_tokens: int


Row = TypeVar("Row")


def split(rows: Sequence[Row], texts: Iterable[str]) -> tuple[list[Row], list[Row]]:
    """Rows to learn from and rows held back, a fifth of them: always the same ones.

    Which it is depends on the text alone, without regard to case and space, so copies of a text
    are on one side.
    """
    learnt: list[Row] = []
    held: list[Row] = []
    for row, text in zip(rows, texts, strict=True):
        (held if is_held(text) else learnt).append(row)
    return learnt, held


def is_held(text: str) -> bool:
    plain = " ".join(text.casefold().split()).encode("utf-8", "replace")
    return hashlib.sha256(plain).digest()[0] % _ONE_IN == 0


def answered(row: Mapping[str, Any]) -> Answered | None:
    """What a line of a log says of the length of an answer; None: nothing that can be used.

    Known are `{"messages": […], "usage": {"completion_tokens": N}}`, the same with the two in
    `request` and `response` (also below `body`, as in OpenAI's batch files), LiteLLM's records
    with `completion_tokens` of their own, and `{"text": …, "completion_tokens": N}`. Answers that
    were cut off are left out: how long they would have been is not known.
    """
    parts = list(_parts(row))
    text = next((said for part in parts if (said := _asked(part)) is not None), None)
    count = next((tokens for part in parts if (tokens := _counted(part)) is not None), None)
    if text is None or count is None or any(map(_is_cut, parts)):
        return None
    return Answered(text, count)


def _parts(row: Mapping[str, Any], below: int = 2) -> Iterable[Mapping[str, Any]]:
    """The row, and the objects in it that may hold what is looked for."""
    yield row
    for name in ("request", "response", "body", "kwargs") if below else ():
        inner = row.get(name)
        if isinstance(inner, dict):
            yield from _parts(inner, below - 1)


def _asked(part: Mapping[str, Any]) -> str | None:
    """The text of the last user message, or of `text` or `prompt`."""
    messages = part.get("messages")
    for message in reversed(messages) if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, list):
                texts = [one.get("text") for one in content if isinstance(one, dict)]
                content = "\n".join(text for text in texts if isinstance(text, str))
            return content if isinstance(content, str) and content.strip() else None
    plain = (part.get(name) for name in ("text", "prompt"))
    return next((text for text in plain if isinstance(text, str) and text.strip()), None)


def _counted(part: Mapping[str, Any]) -> int | None:
    usage = part.get("usage")
    for where in (usage if isinstance(usage, dict) else {}, part):
        for name in ("completion_tokens", "output_tokens"):
            count = where.get(name)
            if isinstance(count, int) and not isinstance(count, bool) and count > 0:
                return count
    return None


def _is_cut(part: Mapping[str, Any]) -> bool:
    choices = part.get("choices")
    ends = [part.get("finish_reason"), part.get("stop_reason")]
    ends += [one.get("finish_reason") for one in _objects(choices)]
    return any(isinstance(end, str) and end in _CUT for end in ends)


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
