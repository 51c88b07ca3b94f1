"""Server-sent events of the OpenAI wire: whole events in, what they say out.

Source: WHATWG HTML, section 9.2 (server-sent events); OpenAI API reference, streaming.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from situs.core.ports import Chunk
from situs.core.record import End, Usage
from situs.errors import BackendUnavailable

_MAX_EVENT = 8 * 1024 * 1024
_MOST_TOKENS = 10_000_000
_BYTES_A_TOKEN = 5
"""Of English: other texts have fewer bytes a token, so what came is not counted for more."""

_NULL = b"data: null"
"""llama.cpp sends it between the answers to several prompts; clients cannot read it."""


_Tokens = Annotated[int, Meta(ge=0)]


class _PromptDetails(Struct):
    cached_tokens: _Tokens | None = None
    cache_write_tokens: _Tokens | None = None
    audio_tokens: _Tokens | None = None


class _CompletionDetails(Struct):
    reasoning_tokens: _Tokens | None = None
    audio_tokens: _Tokens | None = None


class WireUsage(Struct):
    """`usage` as OpenAI-compatible servers send it; embeddings complete nothing.

    `cache_write_tokens` is OpenRouter's word.
    """

    prompt_tokens: _Tokens | None = None
    completion_tokens: _Tokens | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None

    def counted(self) -> Usage | None:
        """None for what cannot be, above ten million tokens: nobody pays for that unseen.

        Parts are cut to what is left of the whole, so that no token is counted twice.
        """
        prompt, read = self.prompt_tokens or 0, self.prompt_tokens_details
        completion, said = self.completion_tokens or 0, self.completion_tokens_details
        if max(prompt, completion) > _MOST_TOKENS:
            return None
        if read is None and said is None:
            return Usage(prompt, completion)
        read, said = read or _PromptDetails(), said or _CompletionDetails()
        cached, written, heard = _parts(
            prompt, read.cached_tokens, read.cache_write_tokens, read.audio_tokens
        )
        thought, spoken = _parts(completion, said.reasoning_tokens, said.audio_tokens)
        return Usage(prompt, completion, cached, written, thought, heard, spoken)


def _parts(whole: int, *counts: int | None) -> list[int]:
    parts = []
    for count in counts:
        parts.append(min(count or 0, whole))
        whole -= parts[-1]
    return parts


class _Choice(Struct):
    index: int | None = None
    finish_reason: str | None = None
    text: Any = None
    delta: Any = None


class _Event(Struct):
    model: str | None = None
    choices: list[_Choice] = []
    usage: WireUsage | None = None
    error: Any = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_any = msgspec.json.Decoder(dict[str, Any]).decode


class EventReader:
    """Cuts a byte stream into whole events and reads what the gateway must know.

    Complete is a stream that gave every choice that it had begun a finish reason and then said
    `[DONE]`, or closed cleanly. What comes before the first data (comments, mostly) and after
    `[DONE]` is dropped. `asked` is the name of the model that was asked for. `heard` counts the
    events that came, comments too, `told` those with data.
    """

    def __init__(self, asked: str | None = None) -> None:
        self._asked = asked
        self._other = False
        self._parts: list[bytes] = []
        self._size = 0
        self._tail = b""
        self._begun: set[int | None] = set()
        self._ended: set[int | None] = set()
        self._begins = False
        self._pieces = self._bytes = 0
        self.heard = 0
        self.told = 0
        self.done = False

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """The chunks that `data` completes. Raises BackendUnavailable (`garbage`)."""
        border = self._tail + data
        self._hold(data)
        if b"\n\n" not in border and b"\n\r\n" not in border:
            return
        buffer = b"".join(self._parts)
        if b"\r" in buffer:
            buffer = buffer.replace(b"\r\n", b"\n")
        cut = buffer.rfind(b"\n\n")
        self._parts, self._size, self._tail = [], 0, b""
        self._hold(buffer[cut + 2 :])
        plain: list[bytes] = []
        for event in buffer[:cut].split(b"\n\n"):
            if self.done:
                break
            self.heard += 1
            if event == _NULL:
                continue
            chunk = self._read(event)
            if chunk is None:
                if not self._begins:
                    continue
                plain.append(event + b"\n\n")
                continue
            if plain:
                yield Chunk(b"".join(plain))
                plain = []
            yield chunk
        if plain:
            yield Chunk(b"".join(plain))

    def close(self) -> None:
        """The upstream closed its side. Raises BackendUnavailable (`cut`) if that was too early."""
        if not self.done and (not self._finished() or b"".join(self._parts).strip()):
            raise BackendUnavailable("The stream was cut off.", reason=End.CUT)

    @property
    def tokens(self) -> int:
        """About how many came: one for each piece of text, or more where pieces are long."""
        return max(self._pieces, self._bytes // _BYTES_A_TOKEN)

    def _finished(self) -> bool:
        return bool(self._ended) and self._begun <= self._ended

    def _hold(self, piece: bytes) -> None:
        """Keeps what is no whole event yet, and the bytes in which an end may have begun."""
        self._parts.append(piece)
        self._size += len(piece)
        self._tail = (self._tail + piece)[-2:]
        if self._size > _MAX_EVENT:
            raise BackendUnavailable("An event is longer than 8 MiB.", reason=End.GARBAGE)

    def _read(self, event: bytes) -> Chunk | None:
        """None for an event to pass on as it is; a Chunk for one that means something."""
        data = _payload(event)
        if data is None:
            return None
        if data == b"[DONE]":
            if not self._begun | self._ended:
                raise BackendUnavailable("The stream holds no choice.", reason=End.GARBAGE)
            if not self._finished():
                raise BackendUnavailable("A choice has no end.", reason=End.CUT)
            self.done = True
            return Chunk(b"data: [DONE]\n\n", last=True)
        try:
            said = _decode_event(str(data, "utf-8"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise BackendUnavailable(
                "The stream holds a line that is no event.", reason=End.GARBAGE
            ) from None
        if said.error is not None:
            raise BackendUnavailable("The stream ended in an error.", reason=End.SERVER_ERROR)
        self._begins = True
        self.told += 1
        for choice in said.choices:
            (self._ended if choice.finish_reason else self._begun).add(choice.index)
            if size := _size(choice.text) + _written(choice.delta):
                self._pieces += 1
                self._bytes += size
        other = not self._other and names_another(said.model, self._asked)
        self._other = self._other or other
        if said.usage is not None:
            usage, final = said.usage.counted(), _decode_any(data)
            return Chunk(event + b"\n\n", usage=usage, final=final, other_model=other)
        return Chunk(event + b"\n\n", other_model=True) if other else None


def names_another(said: str | None, asked: str | None) -> bool:
    """Whether an answer says that it is from another model; versions of the one asked are not."""
    return bool(said and asked) and said != asked and not str(said).startswith(f"{asked}-")


def _written(delta: Any) -> int:
    """Bytes of what a model wrote in it: text, thoughts (under one name or two), calls of tools."""
    if not isinstance(delta, dict):
        return 0
    size = _size(delta.get("content"))
    if size and len(delta) == 1:
        return size
    thought = delta.get("reasoning_content") or delta.get("reasoning")
    size += _size(thought) + _size(delta.get("refusal"))
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            size += _size(function.get("name")) + _size(function.get("arguments"))
    return size


def _size(text: Any) -> int:
    """In bytes; some servers send parts that hold the text."""
    if isinstance(text, str):
        return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    if isinstance(text, list):
        parts = [one.get("text") for one in text if isinstance(one, dict)]
        return _size("".join(part for part in parts if isinstance(part, str)))
    return 0


def _payload(event: bytes) -> bytes | None:
    """The joined `data` fields; None for a comment. Raises BackendUnavailable for anything else."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    data: list[bytes] = []
    for line in event.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event" and value.strip() == b"error":
            raise BackendUnavailable("The stream ended in an error.", reason=End.SERVER_ERROR)
        elif field not in (b"", b"event", b"id", b"retry"):
            raise BackendUnavailable(
                "The stream holds a line that is no event.", reason=End.GARBAGE
            )
    return b"\n".join(data) if data else None
