"""The kinds of text and numbers that settings take.

Each text that is more than a name carries `expected`, the words an error uses for it.
"""

from __future__ import annotations

from datetime import date
from ipaddress import ip_address
from typing import Annotated, Literal

from msgspec import Meta

Country = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z]{2}$",
        extra={"expected": "a country code of ISO 3166-1: two capital letters, such as AU"},
    ),
]
Day = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        extra={"expected": "a day as YYYY-MM-DD"},
    ),
]
Retention = Annotated[
    str,
    Meta(
        pattern=r"^(none|unknown|[1-9][0-9]{0,4}[hd])$",
        extra={"expected": "none, unknown, or a duration in hours or days, such as 24h or 30d"},
    ),
]
SecretReference = Annotated[
    str,
    Meta(
        pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\s].*)$",
        extra={
            "expected": "a reference, env:NAME or file:PATH; "
            "the secret itself never stands in the configuration"
        },
    ),
]
CurrencyCode = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z]{3}$",
        extra={"expected": "a currency code of ISO 4217: three capital letters, such as USD"},
    ),
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#]+[^\s?#]*$",
        extra={"expected": "an http or https URL without query or fragment"},
    ),
]
Host = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9.:\[\]_-]+$",
        extra={"expected": "a host name or an IP address, without scheme or path"},
    ),
]
Origin = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#*@]+$",
        extra={"expected": "an origin such as https://app.example.org, without path or *"},
    ),
]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$",
        extra={
            "expected": "a name of at most 64 letters, digits and . _ : / -, "
            "beginning with a letter or digit"
        },
    ),
]
Kind = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]*$",
        extra={"expected": "a kind of finding in lower case, such as card"},
    ),
]
Count = Annotated[int, Meta(ge=1)]
Family = Literal[
    "bert",
    "cl100k",
    "claude",
    "deepseek",
    "gemma",
    "gpt2",
    "llama2",
    "llama3",
    "mistral",
    "o200k",
    "qwen",
    "qwen35",
    "smollm2",
    "tekken",
]
Money = Annotated[float, Meta(ge=0)]
Words = Annotated[str, Meta(min_length=1, max_length=200)]


def is_day(text: str) -> bool:
    """Whether the calendar has it."""
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`, a name or an address (IPv6 also in brackets)."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
