"""JSON documents: parsed strictly. What strings are in them, `analysis.texts` says."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from situs.errors import InvalidRequest


def _number(text: str) -> float:
    """msgspec's own reading takes ten microseconds for some fractions, such as 1e308."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number


_decode = msgspec.json.Decoder(dict[str, Any], float_hook=_number).decode


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


def _where(error: msgspec.DecodeError) -> str:
    """What the parser says, less the characters it may quote."""
    text = str(error)
    position = text[text.rfind("(") :] if text.endswith(")") else ""
    if "truncated" in text:
        return "it ends too early"
    return f"it is malformed {position}".strip()
