"""Answers of the OpenAI wires, read for what they say and how probable each token was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from situs.core.request import Request, Service
from situs.placement.signals import TOP, Said, Token

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encoder = msgspec.json.Encoder()


def probing(request: Request) -> Request:
    """The same request, asking for log-probabilities as well.

    Not of a stream that may call tools: llama.cpp refuses that.
    """
    if request.tools and request.stream:
        return request
    document, top = dict(request.document), _top(request)
    if request.wire.service is Service.CHAT:
        document["logprobs"] = True
        document["top_logprobs"] = max(TOP, top or 0)
    else:
        document["logprobs"] = max(TOP, top or 0)
    return replace(request, document=document)


def _top(request: Request) -> int | None:
    """How many alternatives of each token the caller asked for; None: no log-probabilities."""
    document = request.document
    if request.wire.service is Service.CHAT:
        top = document.get("top_logprobs") or 0
        return top if document.get("logprobs") is True and isinstance(top, int) else None
    asked = document.get("logprobs")
    return asked if isinstance(asked, int) and asked is not False else None


class Choice:
    """One choice of an answer as it comes, in pieces or whole."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._tokens: list[Token] = []
        self._calls: dict[int, list[str]] = {}
        self._finish: str | None = None
        self._declined = False

    def add(self, part: dict[str, Any]) -> None:
        """A piece of it, or all of it (`message` in place of `delta`)."""
        said = _dict(part.get("delta") or part.get("message"))
        for text in (part.get("text"), said.get("content")):
            if isinstance(text, str):
                self._text.append(text)
        self._declined = self._declined or bool(said.get("refusal"))
        self._tokens.extend(tokens_of(part.get("logprobs")))
        for position, call in enumerate(_dicts(said.get("tool_calls"))):
            index, function = call.get("index", position), _dict(call.get("function"))
            known = self._calls.setdefault(index if isinstance(index, int) else position, ["", ""])
            known[0] += str(function.get("name") or "")
            known[1] += str(function.get("arguments") or "")
        self._finish = part.get("finish_reason") or self._finish

    def said(self, *, over: bool = False) -> Said:
        """What is there now. `over`: no more will come."""
        calls = tuple((name, arguments) for name, arguments in self._calls.values())
        finish = self._finish or ("stop" if over else None)
        return Said("".join(self._text), tuple(self._tokens), calls, finish, self._declined)


def said_in(document: dict[str, Any]) -> list[Said]:
    """The choices of a whole answer."""
    found = []
    for part in _dicts(document.get("choices")):
        choice = Choice()
        choice.add(part)
        found.append(choice.said(over=True))
    return found


def tokens_of(logprobs: Any) -> Iterator[Token]:
    """Of chat, and of completions: lists side by side, or as in chat (llama.cpp)."""
    held = _dict(logprobs)
    for one in _dicts(held.get("content")):
        if isinstance(one.get("logprob"), int | float):
            others = tuple(_number(top.get("logprob")) for top in _dicts(one.get("top_logprobs")))
            yield Token(str(one.get("token", "")), float(one["logprob"]), others)
    tops = _list(held.get("top_logprobs"))
    both = zip(_list(held.get("tokens")), _list(held.get("token_logprobs")), strict=False)
    for at, (text, value) in enumerate(both):
        top = _dict(tops[at]) if at < len(tops) else {}
        if isinstance(value, int | float):
            yield Token(str(text), float(value), tuple(map(_number, top.values())))


class Unasked:
    """Takes out of answers the log-probabilities that the caller did not ask for.

    Where nobody asks, llama.cpp (whose tokens have numbers) leaves them out, and others say null.
    """

    def __init__(self, request: Request, sent: Request) -> None:
        self._top = _top(request)
        self._more = sent is not request

    def drop(self, document: dict[str, Any]) -> bool:
        """In place; whether anything is different now."""
        changed = False
        for part in _dicts(document.get("choices")) if self._more else ():
            held = part.get("logprobs")
            if not isinstance(held, dict):
                continue
            changed = True
            if self._top is not None:
                _trim(held, self._top)
            elif any("id" in token for token in _dicts(held.get("content"))):
                del part["logprobs"]
            else:
                part["logprobs"] = None
        return changed


def _trim(logprobs: dict[str, Any], top: int) -> None:
    for one in _dicts(logprobs.get("content")):
        if isinstance(one.get("top_logprobs"), list):
            one["top_logprobs"] = one["top_logprobs"][:top]
    if isinstance(tops := logprobs.get("top_logprobs"), list):
        logprobs["top_logprobs"] = [dict(list(_dict(one).items())[:top]) for one in tops]


def parsed(data: bytes) -> dict[str, Any] | None:
    """Also with half a pair of surrogates; None for what is no JSON object."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def encoded(document: dict[str, Any]) -> bytes:
    try:
        return _encoder.encode(document)
    except UnicodeEncodeError:
        return json.dumps(document).encode("ascii")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("-inf")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in _list(value) if isinstance(one, dict))
