"""What speaks against a number: it is called something else, or stands in prose by itself."""

from __future__ import annotations

import re

from situs.analysis.sensitivity.detector import Doubt, words

_LINE = r"[^.;!?\n]{0,40}\Z"


def after(*alternatives: str) -> Doubt:
    """Doubts what one of these words stands before, in the same clause."""
    last = re.compile(words(*alternatives) + _LINE)
    return lambda before, _, behind: last.search(before) is not None


_OTHERWISE = after(
    *(
        "ids?",
        "uu?id",
        "no",
        "nr",
        "num(?:ber)?",
        "code",
        "key",
        "hash",
        "version",
        "build",
        "index",
    ),
    *(
        "order",
        "ref(?:erence)?",
        "tracking",
        "invoice",
        "ticket",
        "case",
        "claim",
        "contract",
        "lot",
    ),
    *(
        "serial",
        "sku",
        "parts?",
        "items?",
        "models?",
        "catalog(?:ue)?",
        "batch",
        "product",
        "article",
    ),
    *("booking", "shipment", "parcel", "session", "request", "transaction", "trace", "span", "job"),
    *(
        "timestamp",
        "isbn",
        "imei",
        "barcode",
        "upc",
        "ean",
        "gtin",
        "asin",
        "record",
        "row",
        "event",
    ),
    *(
        "customer",
        "user",
        "member",
        "device",
        "sensor",
        "node",
        "document",
        "file",
        "issue",
        "test",
    ),
    *("cas", "component", "replacement", "fits", "compatible"),
)
_FIELD = re.compile(r"[A-Za-z_]{2,}[\"']?\s{0,2}[:=]\s{0,2}[\"']?\Z")
_QUOTES = ('"', "\\")
_QUOTED = re.compile(r"([A-Za-z_]{2,})\\?[\"']\s{0,2}:\s{0,2}\\?[\"']\Z")
_FREE = frozenset(
    re.findall(r"\w+", "note notes text value content comment comments memo message body data info")
)
"""Fields in which anything may stand: their names say nothing about a number alone in them."""
_LETTER = re.compile(r"[^\W\d]")
_END = re.compile(r"[.!?]\s|\n")
_WORD = re.compile(r"(?<![\w./\\\-])(?!https?:)[a-z]{2,}(?![\w/\-])")


_SAYING_NOTHING = frozenset(
    re.findall(r"\w+", "please thanks thank you ok okay yes no sure here use try my hi hello and")
)


def is_called_otherwise(before: str, text: str, behind: str) -> bool:
    """Whether a number stands behind a word for another number, or beside one of a sentence.

    For numbers with a weak check: the sentence itself would say what they are.
    """
    if _LETTER.search(before + behind) is None:
        return False
    if behind[:1] in _QUOTES and (field := _QUOTED.search(before)):
        return field[1].lower() not in _FREE
    if _OTHERWISE(before, text, behind) or _FIELD.search(before):
        return True
    sentence = f"{_END.split(before)[-1]} {_END.split(behind, 1)[0]}"
    return not _SAYING_NOTHING.issuperset(_WORD.findall(sentence))


_HEXADECIMAL = "0123456789ABCDEFabcdef-"
_LONG = 28


def is_in_hash(before: str, text: str, behind: str) -> bool:
    """Whether it is a piece of a longer row of hexadecimal digits, or of a UUID."""
    head = before[len(before.rstrip(_HEXADECIMAL)) :]
    around = head + behind[: len(behind) - len(behind.lstrip(_HEXADECIMAL))]
    return len(around) + len(text) >= _LONG and any(map(str.isalpha, around))


def is_in_url(before: str, text: str, behind: str) -> bool:
    """Whether an e-mail address is rather the password and the host of a URL."""
    return _AUTHORITY.search(before) is not None


def is_number_otherwise(before: str, text: str, behind: str) -> bool:
    """Of a telephone number: digits alone that begin with 00, a sum, or one of a row of numbers."""
    if text[:2] == "00" and (text.isdigit() or _PIECE.search(before)):
        return True
    if text[:2] == "+ " and _OPERAND.search(before):
        return True
    return _ROW[0].search(before) is not None and _ROW[1].match(behind) is not None


_PIECE = re.compile(r"[0-9]-\Z")
_OPERAND = re.compile(r"[\w)\]]\s*\Z")
_ROW = re.compile(r"[0-9][ \t]\Z"), re.compile(r"[ \t][0-9]")
_AUTHORITY = re.compile(r"://[^\s/]*:\Z")


def is_token_of_code(before: str, text: str, behind: str) -> bool:
    """Whether a value without a digit stands behind `token`, which in code is a piece of text, or a
    number behind `tokens`, which are counted."""
    if not any(map(str.isdigit, text)):
        return _TOKEN.search(before) is not None
    return _COUNT.fullmatch(text) is not None and _TOKENS.search(before) is not None


_COUNT = re.compile(r"[0-9._]{1,12}[\])}]{0,8}")
_TOKENS = re.compile(r"(?i)tokens[\"'\\`]{0,3}\s{0,3}(?::=|=>|[:=])\s{0,3}\Z")
_TOKEN = re.compile(r"(?i)token\w*[\"'\\`]{0,3}\s{0,3}(?::=|=>|[:=])\s{0,3}[\"'\\`]{0,3}\Z")
