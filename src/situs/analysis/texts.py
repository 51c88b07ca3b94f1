"""The texts of a document: every string that would leave, found, and put back when changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Any

from msgspec import Struct

from situs.core.request import Text
from situs.errors import InvalidRequest

WORDS_OF_THE_WIRE = frozenset(
    """
    assistant auto developer float function image_url json_object json_schema none object
    required string system text tool user
    """.split()  # noqa: SIM905 - a hundred quotes would hide the words
)
KEYS_OF_THE_WIRE = frozenset(
    """
    arguments best_of content description dimensions echo encoding_format enum frequency_penalty
    function id image_url include_usage input items json_schema logit_bias logprobs
    max_completion_tokens max_tokens messages metadata model n name parallel_tool_calls parameters
    presence_penalty prompt properties required response_format role schema seed stop store stream
    stream_options strict suffix temperature text tool_call_id tool_calls tool_choice tools
    top_logprobs top_p type url user
    """.split()  # noqa: SIM905 - a hundred quotes would hide the words
)
_LONG_NUMBER = 10**6
_VAST = 1e22
_TELLING = re.compile(
    "(?i)pass|pwd|secret|token|key|pin|cv[vc]|auth|credential|ssn|social|tax|birth|dob|account"
    "|licen[cs]e|medicare|nhs|mrn|phone|mobile|fax|aadhaa?r|nric|pesel|iban|card|national|citizen"
    "|identity|personal|resident|(?<![a-z])(?:pan|cpf|cnpj|tfn|abn|ird|nino?|bsn|dni|nif|sin|vat)"
    "(?![a-z])"
)
_DIGITS = re.compile(r"[0-9 .\-]{2,}")
_SHORT = 256
_DEEPEST = 128
"""Levels of nesting; what comes after the parser walks a document too, and must not run out."""


def texts_of(document: dict[str, Any]) -> tuple[Text, ...]:
    """Every string that would leave: values, unusual keys, and numbers.

    Left out are the words that the wire itself uses (roles, types, known keys) and numbers of up to
    six digits under its own keys at the top. The numbers of one list, or of one object, are one
    text, so that a card cannot leave digit by digit; its path is the list's or the object's. The
    keys are one text too; a key such as `password` stands there with its value, for which it is the
    context. Raises InvalidRequest for a document nested too deeply.
    """
    found = _Found([], [])
    _object(document, "", found, _DEEPEST)
    if found.keys:
        found.texts.append(Text("(keys)", "\n".join(found.keys)))
    return tuple(found.texts)


class Form(Enum):
    """What a text is: one for people, JSON source, or the numbers of one list or object."""

    TEXT = auto()
    SOURCE = auto()
    NUMBERS = auto()


class Unchangeable(Exception):
    """The document cannot be changed in this way; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


SOURCE_KEY = "arguments"
"""What stands under it is the source of a JSON document: the arguments of a tool call."""


def rewritten(document: dict[str, Any], change: Callable[[str, Form], str]) -> dict[str, Any]:
    """A copy in which every text that `texts_of` shows is what `change` makes of it.

    Keys are changed one by one, numbers stay numbers. Raises Unchangeable: two keys would be one,
    a number would be none, or something in a data URL was to be changed.
    """
    return _changed_object(document, change, top=True)


def _changed_object(
    value: dict[str, Any], change: Callable[[str, Form], str], *, top: bool = False
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    numbers: list[str] = []
    for key, inner in value.items():
        usual = key in KEYS_OF_THE_WIRE
        name = key if usual else change(key, Form.TEXT)
        if name in made:
            raise Unchangeable("keys_collide")
        if type(inner) is int or type(inner) is float:
            if not (top and usual) or abs(inner) >= _LONG_NUMBER:
                numbers.append(name)
            made[name] = inner
        else:
            made[name] = _changed(inner, change, Form.SOURCE if key == SOURCE_KEY else Form.TEXT)
    changed = _changed_numbers([made[name] for name in numbers], change)
    made.update(zip(numbers, changed, strict=True))
    return made


def _changed(value: Any, change: Callable[[str, Form], str], form: Form = Form.TEXT) -> Any:
    if isinstance(value, str):
        if not value or value in WORDS_OF_THE_WIRE:
            return value
        made = change(value, form)
        if made != value and value[:5].lower() == "data:":
            raise Unchangeable("data_url")
        return made
    if isinstance(value, dict):
        return _changed_object(value, change)
    if not isinstance(value, list):
        return value
    among = [one for one in value if type(one) is int or type(one) is float]
    numbers = iter(_changed_numbers(among, change))
    return [
        next(numbers) if type(one) is int or type(one) is float else _changed(one, change)
        for one in value
    ]


def _changed_numbers(values: list[Any], change: Callable[[str, Form], str]) -> list[Any]:
    shown = [_digits(value) for value in values]
    before = ", ".join(shown)
    after = change(before, Form.NUMBERS) if before else before
    if after == before:
        return values
    parts = after.split(", ")
    if len(parts) != before.count(", ") + 1:
        raise Unchangeable("number")
    return list(_numbers(values, shown, iter(parts)))


def _numbers(values: list[Any], shown: list[str], parts: Iterator[str]) -> Iterator[Any]:
    for value, was in zip(values, shown, strict=True):
        now = ", ".join(next(parts) for _ in range(was.count(", ") + 1))
        try:
            yield value if now == was else type(value)(now)
        except ValueError:
            raise Unchangeable("number") from None


class _Found(Struct):
    texts: list[Text]
    keys: list[str]


def _object(value: dict[str, Any], path: str, found: _Found, depth: int) -> None:
    """`depth` is how many levels there may still be. What a parser gave has the exact types."""
    numbers: list[str] = []
    last: float = 0
    top = depth == _DEEPEST
    for key, inner in value.items():
        kind = type(inner)
        usual = key in KEYS_OF_THE_WIRE
        if not usual:
            found.keys.append(key if kind is dict or kind is list else _with_value(key, inner))
        if kind is int or kind is float:
            if not (top and usual) or abs(inner) >= _LONG_NUMBER:
                numbers.append(_digits(inner))
                last = inner
        else:
            _inside(inner, key if top else f"{path}.{key}", found, depth)
    if len(numbers) == 1 and -1 < last < 1:
        numbers.append(repr(last).partition(".")[2])
    if numbers:
        found.texts.append(Text("(numbers)" if top else path, ", ".join(numbers)))


def _array(value: list[Any], path: str, found: _Found, depth: int) -> None:
    numbers: list[str] = []
    for index, inner in enumerate(value):
        kind = type(inner)
        if kind is int or kind is float:
            numbers.append(_digits(inner))
        else:
            _inside(inner, f"{path}[{index}]", found, depth)
    if numbers:
        found.texts.append(Text(path, ", ".join(numbers)))


def _inside(value: Any, path: str, found: _Found, depth: int) -> None:
    kind = type(value)
    if kind is str:
        if value and value not in WORDS_OF_THE_WIRE:
            found.texts.append(Text(path, value))
    elif kind is dict or kind is list:
        if depth == 0:
            raise InvalidRequest("The body is nested too deeply.")
        (_object if kind is dict else _array)(value, path, found, depth - 1)


def _digits(number: float) -> str:
    """As it is written out; a long fraction also without what follows the point.

    Of a very large one its digits, without the zeros: those would be fifty times what was sent.
    """
    if isinstance(number, int):
        return str(number)
    if abs(number) >= _VAST:
        return repr(number).replace(".", "")
    if number.is_integer():
        return f"{number:.0f}"
    return f"{int(number)}, {number!r}" if abs(number) >= _LONG_NUMBER else repr(number)


def _with_value(key: str, value: Any) -> str:
    """The key, with a short value behind it where the key says what the value is."""
    if not isinstance(value, (str, int)):
        return key
    text = str(value)
    if len(text) <= _SHORT:
        if _TELLING.search(key):
            return f"{key}: {text}"
        if _DIGITS.fullmatch(key) and _DIGITS.fullmatch(text):
            return f"{key} {text}"
    return key
