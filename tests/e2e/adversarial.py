"""The cases of tests/conformance/adversarial, filled in: values, and the ways to write them."""

from __future__ import annotations

import base64
import bz2
import codecs
import gzip
import json
import lzma
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from tests.e2e.leak_attempts import CARD, IBAN, KEY, PASSWORD, SPACED, TOKEN, b64, each, lines

FOLDER = Path(__file__).resolve().parents[1] / "conformance" / "adversarial"
TFN = "123 456 782"
SEED = "legal winner thank year legal winner thank year legal winner thank yellow"
VALUES = {
    "card": CARD,
    "spaced": SPACED,
    "iban": IBAN,
    "token": TOKEN,
    "password": PASSWORD,
    "key": KEY,
    "keybody": KEY.split("\n")[1] * 4,
    "tfn": TFN,
    "seed": SEED,
    "says card": f"the card is {CARD}",
    "passwordline": f"DB_PASSWORD={PASSWORD}",
    "padded": "The quick brown fox jumps over the lazy dog. " + SPACED,
    "ones": " ".join(["one"] * 12),
    "nested": json.dumps({"a": json.dumps({"b": json.dumps({"card": SPACED})})}),
    "jsonescaped": json.dumps({"card": each("\\u{n:04x}")}),
    "long": "word " * 60,
    "tokenhead": TOKEN[:7],
    "tokentail": TOKEN[7:],
    "addresses": " ".join(f"user{n}@mail.example.org" for n in range(60)),
}
HELD = {
    "spaced": "card", "padded": "card", "says card": "card", "nested": "card", "ones": "card",
    "jsonescaped": "card", "passwordline": "password", "keybody": "key", "tokenhead": "token",
    "tokentail": "token", "long": None, "addresses": None,
}  # fmt: skip
"""What else than its own name a placeholder is about."""

_ONES = {
    "words": "zero one two three four five six seven eight nine",
    "german": "null eins zwei drei vier fünf sechs sieben acht neun",
    "french": "zéro un deux trois quatre cinq six sept huit neuf",
    "spanish": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "italian": "zero uno due tre quattro cinque sei sette otto nove",
    "dutch": "nul een twee drie vier vijf zes zeven acht negen",
}


def _spoken(language: str, between: str = " ") -> Callable[[str], str]:
    names = _ONES[language].split()
    return lambda text: between.join(names[int(one)] if one.isdigit() else one for one in text)


def _digits(first: int) -> Callable[[str], str]:
    return lambda text: "".join(chr(first + int(one)) if one.isdigit() else one for one in text)


def _each(form: str, between: str = "") -> Callable[[str], str]:
    return lambda text: between.join(form.format(c=one, n=ord(one)) for one in text)


def _groups(text: str) -> list[str]:
    close = text.replace(" ", "")
    return [close[at : at + 4] for at in range(0, len(close), 4)]


def _between(sign: str) -> Callable[[str], str]:
    return lambda text: sign.join(_groups(text))


def _packed(pack: Callable[[bytes], bytes]) -> Callable[[str], str]:
    return lambda text: b64(pack(text.encode()))


def _moved(by: int) -> Callable[[str], str]:
    return lambda text: "".join(
        chr((ord(one) - 65 + by) % 26 + 65) if one.isupper() else one for one in text
    )


def _dump(text: str) -> str:
    raw = text.encode()
    return "\n".join(
        f"{at:08x}: {raw[at : at + 16].hex(' ', 2):<40} {raw[at : at + 16].decode()}"
        for at in range(0, len(raw), 16)
    )


_ALIKE = {
    "cyrillic": str.maketrans("ABEKMHOPCTX", "АВЕКМНОРСТХ"),  # noqa: RUF001
    "greek": str.maketrans("ABEZHIKMNOPTYX", "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"),  # noqa: RUF001
}

FILTERS: dict[str, Callable[[str], str]] = {
    "base64": b64,
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base85": lambda text: base64.b85encode(text.encode()).decode(),
    "ascii85": lambda text: base64.a85encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "hexpairs": _each("{n:02x}", " "),
    "hex0x": _each("0x{n:02x}", " "),
    "hexcommas": _each("0x{n:02x}", ", "),
    "dump": _dump,
    "codes": _each("{n}", " "),
    "codescommas": _each("{n}", ","),
    "codepoints": _each("U+{n:04X}", " "),
    "binary": _each("{n:08b}", " "),
    "bcd": lambda text: " ".join(f"{int(one):04b}" for one in text),
    "octalcodes": _each("{n:03o}", " "),
    "octal": _each("\\{n:03o}"),
    "percent": _each("%{n:02X}"),
    "percent25": lambda text: text.replace("%", "%25"),
    "html": _each("&#{n};"),
    "htmlx": _each("&#x{n:x};"),
    "htmlamp": _each("&amp;#{n};"),
    "u": _each("\\u{n:04x}"),
    "x": _each("\\x{n:02x}"),
    "named": lambda text: "".join(
        f"\\N{{DIGIT {_ONES['words'].split()[int(c)].upper()}}}" for c in text
    ),
    "qp": _each("={n:02X}"),
    "gzip": _packed(lambda raw: gzip.compress(raw, mtime=0)),
    "gziphex": lambda text: gzip.compress(text.encode(), mtime=0).hex(),
    "zlib": _packed(zlib.compress),
    "bz2": _packed(bz2.compress),
    "xz": _packed(lzma.compress),
    "reverse": lambda text: text[::-1],
    **{name: _spoken(name) for name in _ONES},
    "wordscommas": _spoken("words", ", "),
    "wordsdashes": _spoken("words", "-"),
    "spelled": _spoken("words"),
    "han": lambda text: "".join("〇一二三四五六七八九"[int(one)] for one in text),
    "fullwidth": _digits(0xFF10),
    "fullascii": lambda text: "".join(chr(ord(one) + 0xFEE0) for one in text),
    "arabic": _digits(0x660),
    "devanagari": _digits(0x966),
    "thai": _digits(0xE50),
    "math": _digits(0x1D7CE),
    "circled": _digits(0x245F),
    "superscript": lambda text: "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(one)] for one in text),
    "tags": lambda text: "".join(chr(0xE0000 + ord(one)) for one in text),
    "zwsp": "\u200b".join,
    "zwj": "\u200d".join,
    "shy": "\u00ad".join,
    "spaces": " ".join,
    "dashes": "-".join,
    "dots": ".".join,
    "emoji": "\N{GRINNING FACE}".join,
    "lettered": "x".join,
    "thin": _between("\u2009"),
    "slashes": _between("/"),
    "bars": _between(" | "),
    "grouped": _between(" "),
    "groupletters": _between("ab"),
    "emojigroups": _between("\N{GRINNING FACE}"),
    "bargroups": _between(" | "),
    "cells": _between("</td><td>"),
    "bold": lambda text: "**" + "** **".join(_groups(text)) + "**",
    "comments": _between("<!-- x -->"),
    "plus": lambda text: '"' + '" + "'.join(_groups(text)) + '"',
    "pylist": lambda text: str(list(text)),
    "column": "\n".join,
    "leet": lambda text: text.replace("1", "l"),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "caesar3": _moved(3),
    "cyrillic": lambda text: text.translate(_ALIKE["cyrillic"]),
    "greek": lambda text: text.translate(_ALIKE["greek"]),
    "lower": str.lower,
    "upper": str.upper,
    "oneline": lambda text: text.replace("\n", "\\n"),
    "fours": lambda text: " ".join(_groups(text)),
    "lines20": lambda text: lines(text, 20),
    "numbered": lambda text: "\n".join(
        f"{n}: {line}" for n, line in enumerate(lines(text, 40).split("\n"), 1)
    ),
    "quoted": lambda text: "> " + lines(text, 40, "\n> "),
    "url": quote,
}
_PLACE = re.compile(r"\{(" + "|".join(sorted(VALUES, key=len, reverse=True)) + r")((?:\|\w+)*)\}")


class Filled:
    """A case with its placeholders filled; `held` are the values in it, `shown` as they stand."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.names: set[str] = set()
        self.shown: set[str] = set()
        self.case: dict[str, Any] = self._fill(case)
        self.names |= set(case.get("holds", ()))

    @property
    def held(self) -> set[str]:
        return {VALUES[name] for name in self.names}

    def _fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return _PLACE.sub(self._filled, value)
        if isinstance(value, dict):
            return {self._fill(key): self._fill(inner) for key, inner in value.items()}
        return [self._fill(one) for one in value] if isinstance(value, list) else value

    def _filled(self, match: re.Match[str]) -> str:
        held = HELD.get(match[1], match[1])
        text = VALUES[match[1]]
        for name in match[2].split("|")[1:]:
            text = FILTERS[name](text)
        if held is not None:
            self.names.add(held)
            if not match[1].startswith("token") or match[1] == "token":
                self.shown.add(text)
        return text


def cases() -> list[dict[str, Any]]:
    return [
        {**case, "file": file.stem}
        for file in sorted(FOLDER.glob("*.yaml"))
        for case in yaml.safe_load(file.read_text("utf-8"))
    ]


def document(case: dict[str, Any]) -> dict[str, Any]:
    """The document of a filled case, without its model."""
    made: dict[str, Any] = {}
    said = case.get("says")
    if said is not None:
        texts = [said] if isinstance(said, str) else said
        made["messages"] = [{"role": "user", "content": text} for text in texts]
    elif "parts" in case:
        parts = [{"type": "text", "text": text} for text in case["parts"]]
        made["messages"] = [{"role": "user", "content": parts}]
    elif "path" not in case:
        made["messages"] = [{"role": "user", "content": "go"}]
    if case.get("stream"):
        made["stream"] = True
    return {**made, **case.get("fields", {})}
