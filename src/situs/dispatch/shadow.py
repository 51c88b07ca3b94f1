"""Copies of requests, off the request path: what may wait, what is dropped, how answers compare."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from situs.core.decision import Decision
from situs.core.ports import Chunk
from situs.core.record import Outcome
from situs.core.request import Request
from situs.dispatch.attempt import STOPPING

_log = logging.getLogger(__name__)

LONGEST = 256 * 1024
"""Bytes of an answer that are compared; longer ones are not."""
MOST = 32
MOST_BYTES = 16 * 1024 * 1024
"""Copies that wait in a process, and the bytes of all their requests and answers."""
PATIENCE_S = 60.0
"""A copy waits so long for an idle moment, then it is dropped."""
_LOOK_S = 0.25

_WORD = re.compile(r"\w+")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Heard:
    """What of an answer is kept to be compared; `over`: it was too long."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.over = False

    def add(self, chunk: Chunk) -> None:
        self._size += len(chunk.data)
        self.over = self._size > LONGEST
        if self.over:
            self._parts.clear()
        else:
            self._parts.append(chunk.data)

    @property
    def data(self) -> bytes:
        return b"".join(self._parts)


class Original(Struct, frozen=True):
    """An answered request of which a copy goes to deployment `to`.

    `terms` are what it was judged on, `at` is when it was over, by the clock of `Shadow`.
    """

    request: Request
    decision: Decision
    outcome: Outcome
    answer: bytes
    to: str
    terms: tuple[str, str]
    at: float = 0.0

    def __repr__(self) -> str:
        return f"Original({self.request.id!r}, to={self.to!r})"


class Agreement(Struct, frozen=True):
    """How alike two answers are: the same but for case, spaces and punctuation; and by words.

    `similarity` is twice the words that both have, over all words of both (Dice), counted as often
    as they come.
    """

    same: bool
    similarity: float


class Shadow:
    """Sends copies one after the other, when there is nothing better to do.

    `send` sends one, or says why it is dropped; `idle` says whether now is a moment for it.
    `counts` are those `sent` and, by reason, those dropped: `full` (no room), `late` (no such
    moment in time), `failed`, and what `send` says.
    """

    def __init__(
        self,
        send: Callable[[Original], Awaitable[str | None]],
        idle: Callable[[Original], bool],
        clock: Callable[[], float],
    ) -> None:
        self._send = send
        self._idle = idle
        self._clock = clock
        self._waiting: deque[Original] = deque()
        self._bytes = 0
        self._running: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()

    def offer(self, original: Original) -> None:
        """Never blocks: an answer is just being ended."""
        size = _size(original)
        if len(self._waiting) >= MOST or self._bytes + size > MOST_BYTES:
            self.counts["full"] += 1
            return
        self._bytes += size
        self._waiting.append(msgspec.structs.replace(original, at=self._clock()))
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """What waits is dropped, what runs is ended."""
        self._waiting.clear()
        if self._running is not None:
            self._running.cancel(STOPPING)
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting:
            original = self._waiting[0]
            idle = self._idle(original)
            if not idle and self._clock() - original.at < PATIENCE_S:
                await asyncio.sleep(_LOOK_S)
                continue
            self._waiting.popleft()
            self._bytes -= _size(original)
            try:
                self.counts[await self._send(original) or "sent" if idle else "late"] += 1
            except Exception as error:
                self.counts["failed"] += 1
                _log.warning("a copy failed (%s)", type(error).__name__)


def _size(original: Original) -> int:
    return original.request.size + len(original.answer)


def nowhere(answer: Any, outcome: Outcome) -> None:
    """No copies are made."""


def agreement(one: bytes, other: bytes) -> Agreement | None:
    """Of two answers as they came, streamed or not; None where one says nothing in words."""
    texts = said(one), said(other)
    if not all(texts):
        return None
    words, others = (_WORD.findall(text.casefold()) for text in texts)
    both = sum((Counter(words) & Counter(others)).values())
    every = len(words) + len(others)
    if not every:
        return Agreement(same=texts[0].split() == texts[1].split(), similarity=0.0)
    return Agreement(same=words == others, similarity=2 * both / every)


def said(answer: bytes) -> str:
    """The words of an answer: its texts, and the tools that it calls, choice by choice."""
    pieces: dict[tuple[int, str], list[str]] = {}
    for document in _documents(answer):
        choices = document.get("choices")
        for place, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict):
                index = choice.get("index", place)
                for kind, text in _spoken(choice):
                    pieces.setdefault((index if isinstance(index, int) else 0, kind), []).append(
                        text
                    )
    return "\n".join("".join(texts) for _, texts in sorted(pieces.items()))


def _documents(answer: bytes) -> Iterator[dict[str, Any]]:
    if answer.lstrip()[:1] == b"{":
        lines = [answer]
    else:
        lines = [line[5:] for line in answer.splitlines() if line.startswith(b"data:")]
    for line in lines:
        try:
            yield _decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue


def _spoken(choice: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if isinstance(text := choice.get("text"), str):
        yield "", text
    message = choice.get("message") or choice.get("delta")
    if not isinstance(message, dict):
        return
    if isinstance(text := message.get("content"), str):
        yield "", text
    calls = message.get("tool_calls")
    for place, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            index = call.get("index", place)
            for member in ("name", "arguments"):
                if isinstance(text := function.get(member), str):
                    yield f"tool {index} {member}", text
