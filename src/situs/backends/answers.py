"""What a whole answer of the OpenAI wire must hold, and whether all of the prompt was read."""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from situs.backends.sse import WireUsage, names_another
from situs.core.ports import Chunk
from situs.core.record import End, Usage
from situs.core.request import Request, Wire
from situs.errors import BackendUnavailable

_BYTES_A_TOKEN = 5
"""Below that, counting words is no use: a text has more bytes than this for each of its words."""
_SLACK, _LEAST = 1.5, 100
_READ = frozenset({"system", "developer", "user"})
"""Of other roles a model's template may leave something out, such as thoughts."""


class _Vector(Struct):
    embedding: Raw = Raw(b"")
    index: int | None = None


class _Message(Struct):
    pass


class _Choice(Struct):
    message: _Message | None = None
    text: str | None = None


class _Body(Struct):
    model: str | None = None
    usage: WireUsage | None = None
    error: Any = None
    choices: list[_Choice] = []
    data: list[_Vector] = []


_decode = msgspec.json.Decoder(_Body).decode


def read_whole(body: bytes, status: int, request: Request, model: str | None) -> Chunk:
    """The answer as one chunk; `model` is what it should say it is from.

    Raises BackendUnavailable: `garbage` for what is no answer of this wire, or not to all that was
    asked; `server_error` for an error under a status that is none; `truncated`.
    """
    try:
        said = _decode(str(body, "utf-8"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BackendUnavailable("The answer is no JSON.", reason=End.GARBAGE) from None
    usage = said.usage.counted() if said.usage else None
    if status < 400:
        if said.error is not None:
            raise BackendUnavailable("The answer is an error.", reason=End.SERVER_ERROR)
        if not _all_there(said, request):
            raise BackendUnavailable("The answer lacks what was asked for.", reason=End.GARBAGE)
        if usage is not None:
            check_prompt(request, usage)
    return Chunk(body, usage=usage, last=True, other_model=names_another(said.model, model))


def _all_there(said: _Body, request: Request) -> bool:
    """Choices that say something, or a vector for each input, all of one length.

    Servers that do not know `n` give one choice: that is for the caller to see.
    """
    document = request.document
    if request.wire is Wire.OPENAI_EMBEDDINGS:
        count = _inputs(document.get("input"))
        places = {one.index for one in said.data}
        sizes = {_size(bytes(one.embedding)) for one in said.data}
        placed = places == {None} or places == set(range(count))
        return len(said.data) == count and placed and len(sizes) == 1 and 0 not in sizes
    chat = request.wire is Wire.OPENAI_CHAT
    given = [one.message if chat else one.text for one in said.choices]
    return bool(given) and None not in given


def _size(vector: bytes) -> int:
    """How many numbers; 0 for what is no vector. Nothing is parsed again: it is JSON already."""
    if vector.startswith(b'"'):
        try:
            held = a2b_base64(msgspec.json.decode(vector, type=str), strict_mode=True)
        except ValueError:
            return 0
        return 0 if len(held) % 4 else len(held) // 4
    numbers = vector.translate(None, b" \t\r\n+-.0123456789eE,") == b"[]"
    return vector.count(b",") + 1 if numbers and vector[1:-1].strip() else 0


def _inputs(value: Any) -> int:
    single = isinstance(value, str) or not value or type(value[0]) is int
    return 1 if single else len(value)


def check_prompt(request: Request, usage: Usage) -> None:
    """Raises BackendUnavailable (`truncated`) where far fewer tokens were read than words sent.

    Hardly a tokenizer makes one token of two words, so a server that says so has dropped a part
    without saying it, as some do with what is longer than their context. A hundred words are the
    least, for not all servers count exactly.
    """
    read = usage.prompt_tokens
    if not read or request.size < _BYTES_A_TOKEN * read:
        return
    counts = [_words(text) for text in _prompts(request)]
    several = request.wire is Wire.OPENAI_COMPLETIONS  # llama.cpp counts one of several prompts
    words = max(counts, default=0) if several else sum(counts)
    if words > max(_SLACK * read, read + _LEAST):
        raise BackendUnavailable("It read only a part of the prompt.", reason=End.TRUNCATED)


def _words(text: str) -> int:
    """Those with a letter or a digit: others may be no token at all."""
    return sum(any(map(str.isalnum, word)) for word in text.split())


def _prompts(request: Request) -> Iterator[str]:
    document = request.document
    if request.wire is not Wire.OPENAI_CHAT:
        value = document.get("input" if request.wire is Wire.OPENAI_EMBEDDINGS else "prompt")
        yield from _strings(value)
        return
    for message in document.get("messages") or ():
        if message.get("role") in _READ:
            yield from _strings(message.get("content"))


def _strings(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else (value,):
        text = one.get("text") if isinstance(one, dict) else one
        if isinstance(text, str):
            yield text
