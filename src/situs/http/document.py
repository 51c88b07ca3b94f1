"""JSON documents: parsed strictly, and every string in them found."""

from __future__ import annotations

from typing import Any

import msgspec

from situs.core.request import Text
from situs.errors import InvalidRequest

_decode = msgspec.json.Decoder(dict[str, Any]).decode

_WORDS_OF_THE_WIRE = frozenset(
    """
    assistant auto developer function image_url json_object json_schema none object required
    string system text tool user
    """.split()  # noqa: SIM905 - a hundred quotes would hide the words
)
_KEYS_OF_THE_WIRE = frozenset(
    """
    arguments content description enum frequency_penalty function id image_url include_usage
    items json_schema logit_bias logprobs max_completion_tokens max_tokens messages metadata
    model n name parallel_tool_calls parameters presence_penalty properties required
    response_format role schema seed stop store stream stream_options strict temperature text
    tool_call_id tool_calls tool_choice tools top_logprobs top_p type url user
    """.split()  # noqa: SIM905 - a hundred quotes would hide the words
)
_LONG_NUMBER = 10**9


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises InvalidRequest; the message never quotes the body."""
    try:
        return _decode(body)
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not valid UTF-8.") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    except msgspec.ValidationError:
        raise InvalidRequest(
            "The body is not a JSON object, or holds a number out of range."
        ) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {_where(error)}.") from None


def texts_of(document: dict[str, Any]) -> tuple[Text, ...]:
    """Every string that would leave: values, unusual keys, and numbers of ten digits or more.

    Words that the wire itself uses (roles, types, known keys) are left out.
    """
    texts: list[Text] = []
    keys: list[str] = []
    _walk(document, "", texts, keys)
    if keys:
        texts.append(Text("(keys)", "\n".join(keys)))
    return tuple(texts)


def _walk(value: Any, path: str, texts: list[Text], keys: list[str]) -> None:
    if isinstance(value, str):
        if value and value not in _WORDS_OF_THE_WIRE:
            texts.append(Text(path, value))
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in _KEYS_OF_THE_WIRE:
                keys.append(key)
            _walk(inner, f"{path}.{key}" if path else key, texts, keys)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _walk(inner, f"{path}[{index}]", texts, keys)
    elif isinstance(value, (int, float)) and abs(value) >= _LONG_NUMBER:
        texts.append(Text(path, f"{value:.0f}" if isinstance(value, float) else str(value)))


def _where(error: msgspec.DecodeError) -> str:
    """What the parser says, less the characters it may quote."""
    text = str(error)
    position = text[text.rfind("(") :] if text.endswith(")") else ""
    if "truncated" in text:
        return "it ends too early"
    return f"it is malformed {position}".strip()
