"""Mends answers of the OpenAI wires: every text in them, streamed or not, passes through filters.

A filter is given the text of one field as it arrives and says what of it may go on; it knows
nothing of wires. Another filter plugs in as a `MakeFilter`, a function of the `Field` that gives a
new filter for it, in the list that `mend_for` is given. Each field passes through all of them, in
that order: what finds things in an answer stands before what brings the originals back.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from situs.core.ports import Chunk, Mend
from situs.core.record import End
from situs.core.request import Request, Service
from situs.errors import StreamBroken

_MOST_FIELDS = 4096
_DEEPEST = 32
_WHOLE = frozenset({"name"})
"""Fields that a stream gives in one piece."""
_AS_IS = frozenset({"id", "type", "role", "object", "index", "finish_reason"})
_NO_TEXT = frozenset({"logprobs", "prompt_logprobs"})
_KEPT = ("id", "object", "created", "model")
_FRAME = frozenset({*_KEPT, "choices", "usage", "system_fingerprint", "service_tier"})
"""What stands around what a model says, and is none of it."""

_DONE = b"[DONE]"

_encoder = msgspec.json.Encoder()
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Field(Struct, frozen=True):
    """Where a text stands in an answer: the choice (-1: in none), and its path there.

    `json`: the text is the source of a JSON value (tool-call arguments, structured output), so what
    is put into its strings must be escaped.
    """

    choice: int
    path: tuple[str | int, ...]
    json: bool = False


class Filter(Protocol):
    """The text of one field: what arrives in, what may go on out."""

    def feed(self, text: str) -> str:
        """May hold text back. Raises StreamBroken where the answer must not go on."""

    def close(self) -> str:
        """What was held back; the field is over, or another comes between, and then it goes on."""

    @property
    def applied(self) -> dict[str, int]:
        """How often each obligation was carried out so far."""


MakeFilter = Callable[[Field], Filter]


def mend_for(
    request: Request, filters: Sequence[MakeFilter], *, bare: bool = False
) -> Callable[[], Mend] | None:
    """What makes the mend of an answer to `request`; None where there is nothing to mend.

    `bare` leaves log-probabilities out, whose tokens spell what a filter may have taken away.
    """
    if not filters or request.wire.service is Service.EMBEDDINGS:
        return None
    kept = tuple(filters)
    return lambda: Mended(kept, structured=request.structured_output, bare=bare)


class Mended:
    """The mend of one answer; see `core.ports.Mend`.

    Text that a filter holds back goes on in an event of its own: before the choice's next field
    begins, before its finish reason, before `[DONE]`, or at the end.
    """

    def __init__(
        self, filters: Sequence[MakeFilter], *, structured: bool = False, bare: bool = False
    ) -> None:
        self._makers = filters
        self._structured = structured
        self._bare = bare
        self._open: dict[Field, list[Filter]] = {}
        self._paused: dict[Field, list[Filter]] = {}
        self._seen: set[Field] = set()
        self._over: Counter[str] = Counter()
        self._head: dict[str, Any] = {}

    @property
    def applied(self) -> dict[str, int]:
        total = Counter(self._over)
        for chain in (*self._open.values(), *self._paused.values()):
            for one in chain:
                total.update(one.applied)
        return dict(total)

    def feed(self, chunk: Chunk) -> list[Chunk]:
        """Raises StreamBroken where a filter does, and for what is no answer of these wires."""
        if chunk.data.lstrip()[:1] == b"{":
            return [replace(chunk, data=_encode(self._answer(_parsed(chunk.data))))]
        before: list[bytes] = []
        final = None
        for event in chunk.data.split(b"\n\n"):
            if event:
                final = self._event(event, before)
        if not before or (chunk.final is None and not chunk.last):
            return [replace(chunk, data=b"".join(before))]
        flushed = [Chunk(one) for one in before[:-1]]
        return [*flushed, replace(chunk, data=before[-1], final=chunk.final and final)]

    def close(self) -> list[Chunk]:
        return [Chunk(event) for event in self._flushed(list(self._open))]

    def _event(self, event: bytes, out: list[bytes]) -> dict[str, Any] | None:
        """Adds the event, mended, and before it what must come first; the document it holds."""
        data = b"\n".join(
            line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")
        )
        if not data or data == _DONE:
            if data:
                out.extend(self._flushed(list(self._open)))
            out.append(event + b"\n\n")
            return None
        document = _parsed(data)
        self._head = {key: document[key] for key in _KEPT if key in document}
        changed = self._beside(document)
        for position, choice in enumerate(_dicts(document.get("choices"))):
            index = choice.get("index")
            index = index if isinstance(index, int) else position
            changed = self._part(index, choice, out) or changed
        others = [line for line in event.split(b"\n") if not line.startswith(b"data:")]
        written = b"\n".join([*others, b"data: " + _encode(document)]) if changed else event
        out.append(written + b"\n\n")
        return document

    def _part(self, index: int, choice: dict[str, Any], out: list[bytes]) -> bool:
        """Mends a piece of one choice in place; whether anything in it became different."""
        changed = self._without(choice)
        last = bool(choice.get("finish_reason"))
        pieces = list(_texts(choice, (), streamed=True))
        fields = [self._field(index, path) for path, _, _, _ in pieces]
        if last or not self._seen.issuperset(fields):
            mine = [f for f in self._open if f.choice == index and f not in fields]
            out.extend(self._flushed(mine))
        for field, (_, holder, key, text) in zip(fields, pieces, strict=True):
            self._seen.add(field)
            mended = self._pass(field, text)
            if last or key in _WHOLE:
                mended += self._ended(field, whole=key in _WHOLE)
            holder[key] = mended
            changed = changed or mended != text
        if len(self._seen) > _MOST_FIELDS:
            raise _garbage("The answer has too many fields.")
        return changed

    def _answer(self, document: dict[str, Any]) -> dict[str, Any]:
        """A whole answer, or an error with which the backend answered, mended in place."""
        for index, choice in enumerate(_dicts(document.get("choices"))):
            self._without(choice)
            self._whole(index, choice)
        self._beside(document)
        return document

    def _beside(self, document: dict[str, Any]) -> bool:
        """Mends what stands beside the choices, such as an error or what was cited."""
        others = {key: value for key, value in document.items() if key not in _FRAME}
        changed = bool(others) and self._whole(-1, others)
        document.update(others)
        return changed

    def _whole(self, index: int, part: dict[str, Any]) -> bool:
        """Mends texts that come in one piece, in place; whether any became different."""
        changed = False
        for path, holder, key, text in _texts(part, (), streamed=False):
            field = self._field(index, path)
            mended = self._pass(field, text) + self._ended(field, whole=True)
            holder[key] = mended
            changed = changed or mended != text
        return changed

    def _field(self, choice: int, path: tuple[str | int, ...]) -> Field:
        name = path[-1]
        return Field(choice, path, name == "arguments" or (self._structured and name == "content"))

    def _without(self, choice: dict[str, Any]) -> bool:
        if not self._bare or choice.get("logprobs") is None:
            return False
        choice["logprobs"] = None
        return True

    def _pass(self, field: Field, text: str) -> str:
        chain = self._open.get(field)
        if chain is None:
            known = self._paused.pop(field, None)
            chain = self._open[field] = known or [make(field) for make in self._makers]
        for one in chain:
            text = one.feed(text)
        return text

    def _ended(self, field: Field, *, whole: bool = False) -> str:
        """What the filters of a field still held; each passes through those behind it.

        After a `whole` text nothing of it can follow.
        """
        text, chain = "", self._open[field]
        for one in chain:
            text = one.feed(text) + one.close() if text else one.close()
        del self._open[field]
        if not whole:
            self._paused[field] = chain
            return text
        for one in chain:
            self._over.update(one.applied)
        return text

    def _flushed(self, fields: Sequence[Field]) -> Iterator[bytes]:
        for field in fields:
            text = self._ended(field)
            if text:
                choice = {"index": field.choice, **_nested(field.path, text), "finish_reason": None}
                yield b"data: " + _encode({**self._head, "choices": [choice]}) + b"\n\n"


def _texts(
    value: Any, path: tuple[str | int, ...], *, streamed: bool
) -> Iterator[tuple[tuple[str | int, ...], Any, Any, str]]:
    """Every text in a choice: its path, and what holds it under which key.

    In a stream the pieces of a list say themselves which one they belong to (`index`).
    """
    if len(path) > _DEEPEST:
        raise _garbage("The answer is nested too deeply.")
    inside = enumerate(value) if isinstance(value, list) else value.items()
    for key, inner in inside:
        if key in _NO_TEXT:
            continue
        place = key
        if streamed and isinstance(value, list) and isinstance(inner, dict):
            index = inner.get("index")
            place = index if isinstance(index, int) else key
        if isinstance(inner, str):
            if inner and key not in _AS_IS:
                yield (*path, place), value, key, inner
        elif isinstance(inner, dict | list):
            yield from _texts(inner, (*path, place), streamed=streamed)


def _nested(path: tuple[str | int, ...], text: str) -> dict[str, Any]:
    """The choice that holds just this text."""
    value: Any = text
    for key in reversed(path):
        if isinstance(key, str):
            value = {key: value}
        else:
            value = [{"index": key, **value} if isinstance(value, dict) else value]
    made: dict[str, Any] = value
    return made


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        return _decode(data)
    except msgspec.ValidationError:
        raise _garbage("The answer is no JSON object.") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _parsed_loosely(data)


def _parsed_loosely(data: bytes) -> dict[str, Any]:
    """Also with half a pair of surrogates, where a server cut a character in two."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _garbage("The answer holds what is no JSON.")
    return found


def _encode(document: dict[str, Any]) -> bytes:
    try:
        return _encoder.encode(document)
    except UnicodeEncodeError:
        return json.dumps(document, allow_nan=False).encode("ascii")


def _garbage(message: str) -> StreamBroken:
    return StreamBroken(message, reason=End.GARBAGE)
