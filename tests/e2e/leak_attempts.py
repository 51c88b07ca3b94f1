"""Ways to get what is confidential past the analysis, as data, and prompts that only look like it.

`STAYS` and `GAPS` map a name to the fields of a chat request, `PROMPTS` and `INPUTS` to those of a
completion and of embeddings. Of a gap it is known that it leaves; its name and its reason stand in
docs/reference/detectors.md.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import gzip
import hashlib
import json
from typing import Any
from urllib.parse import quote

CARD = "4111111111111111"
GROUPS = ["4111", "1111", "1111", "1111"]
SPACED = " ".join(GROUPS)
AMEX = "3782 822463 10005"
IBAN = "DE89370400440532013000"
_NAME = "PRIVATE KEY"
KEY = f"-----BEGIN {_NAME}-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END {_NAME}-----"
TOKEN = "AKIA" + "QWERTYUIOPASDF23"
PASSWORD = "Tr0ub4dor" + "&3xyz"

Fields = dict[str, Any]


def says(*texts: str) -> Fields:
    """A message for each text."""
    return {"messages": [{"role": "user", "content": text} for text in texts]}


def parts(*texts: str) -> Fields:
    content = [{"type": "text", "text": text} for text in texts]
    return {"messages": [{"role": "user", "content": content}]}


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def each(form: str, text: str = CARD) -> str:
    """Every character in a form: `{c}` is the character, `{n}` its code point."""
    return "".join(form.format(c=char, n=ord(char)) for char in text)


def moved(first: int) -> str:
    """The card in other digits, of which `first` is the zero."""
    return "".join(chr(first + int(digit)) for digit in CARD)


def called(arguments: Any) -> Fields:
    """An answer of the model that calls a tool, and the tool's result."""
    call = {"id": "c1", "type": "function", "function": {"name": "pay", "arguments": arguments}}
    return {
        "messages": [
            {"role": "user", "content": "pay"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        ]
    }


def tool(**function: Any) -> Fields:
    return {"tools": [{"type": "function", "function": {"name": "f", **function}}]}


def schema(**inner: Any) -> Fields:
    shape = {"name": "s", "schema": {"type": "object", **inner}}
    return {"response_format": {"type": "json_schema", "json_schema": shape}}


def image(url: str) -> Fields:
    content = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}}]
    return {"messages": [{"role": "user", "content": content}]}


def lines(run: str, columns: int, between: str = "\n") -> str:
    return between.join(run[at : at + columns] for at in range(0, len(run), columns))


PADDING = "The quick brown fox jumps over the lazy dog. " * 22_000
EMOJI, COMBINING, MARK = "\N{GRINNING FACE}", "\N{COMBINING LONG STROKE OVERLAY}", "\u200f"

_ENCODED = {
    "percent": says(each("%{n:02X}")),
    "percent twice": says(each("%25{n:02X}")),
    "percent in a query": says(f"https://x.example/?card={quote(SPACED)}"),
    "base64 of the digits": says(b64(CARD)),
    "base64 of groups": says(b64(SPACED)),
    "base64 without padding": says(b64(CARD).rstrip("=")),
    "base64, URL alphabet": says(base64.urlsafe_b64encode(f"??>>{SPACED}".encode()).decode()),
    "base64 twice": says(b64(b64(SPACED))),
    "base64 after bytes": says(b64(bytes(range(200, 250)) + SPACED.encode())),
    "base64 glued to a word": says(f"ab{b64('card ' + SPACED)}"),
    "base64 of UTF-16": says(b64(SPACED.encode("utf-16-le"))),
    "base64 of percent": says(b64(each("%{n:02X}"))),
    "base64 in parts": parts(b64(SPACED)[:12], b64(SPACED)[12:]),
    "hexadecimal": says(CARD.encode().hex()),
    "hexadecimal in capitals": says(SPACED.encode().hex().upper()),
    "HTML decimal": says(each("&#{n};")),
    "HTML hexadecimal": says(each("&#x{n:x};")),
    "HTML without semicolon": says(each("&#{n} ")),
    "HTML, escaped again": says(each("&amp;#{n};")),
    "CSS": says(each("\\{n:06x}")),
    "hexadecimal of UTF-16": says(CARD.encode("utf-16-le").hex()),
    "HTML with zeros": says(each("&#00000{n};")),
    "backslash u": says(each("\\u{n:04x}")),
    "backslash u in braces": says(each("\\u{{{n:x}}}")),
    "backslash x": says(each("\\x{n:02x}")),
    "backslash u, escaped again": says(each("\\\\u{n:04x}")),
    "quoted-printable": says(each("={n:02X}")),
    "base64 of a private key": says(b64(KEY)),
    "base64 of an IBAN": says(b64(IBAN)),
    "percent IBAN": says(each("%{n:02X}", IBAN)),
}

_WRAPPED = {
    f"base64 in lines of {columns}, {name}, {ahead} before": says(
        f"decode this:{between}{lines(b64(PADDING[:ahead] + SPACED), columns, between)}"
    )
    for columns in (64, 76)
    for name, between in (
        ("LF", "\n"),
        ("CRLF", "\r\n"),
        ("quoted", "\n> "),
        ("indented", "\n    "),
    )
    for ahead in (37, 44, 50)
} | {
    "base64.encodebytes": says(base64.encodebytes((PADDING[:45] + SPACED).encode()).decode()),
    "base64 in lines, URL alphabet": says(
        lines(base64.urlsafe_b64encode(f"{'?>' * 20} {SPACED}".encode()).decode(), 64)
    ),
    "base64 in lines, as in PEM": says(
        f"-----BEGIN DATA-----\n{lines(b64(PADDING[:40] + SPACED), 64)}\n-----END DATA-----"
    ),
    "base64 in lines of code": says(
        'x = "' + lines(b64(PADDING[:40] + SPACED), 64, '"\n    "') + '"'
    ),
    "base64 in lines, escaped": called(json.dumps({"x": lines(b64(PADDING[:40] + SPACED), 64)})),
    "base64 in lines of a comment": says("// " + lines(b64(PADDING[:42] + SPACED), 64, "\n// ")),
    "base64 in lines of a patch": says("+" + lines(b64(PADDING[:43] + SPACED), 64, "\n+")),
    "hexadecimal in lines": says(lines((PADDING[:20] + SPACED).encode().hex(), 60)),
}

_WRITTEN = {
    "digits": says(CARD),
    "spaces": says(SPACED),
    "dashes": says("-".join(GROUPS)),
    "dots": says(".".join(GROUPS)),
    "underscores": says("_".join(GROUPS)),
    "lines": says("\n".join(GROUPS)),
    "tabs": says("\t".join(GROUPS)),
    "a space after each digit": says(" ".join(CARD)),
    "a comma after each digit": says(", ".join(CARD)),
    "slashes": says("/".join(GROUPS)),
    "bars": says(" | ".join(GROUPS)),
    "commas between groups": says(", ".join(GROUPS)),
    "stars": says("*".join(GROUPS)),
    "emoji between groups": says(EMOJI.join(GROUPS)),
    "emoji between digits": says(EMOJI.join(CARD)),
    "quotes around digits": says(str(list(CARD))),
    "a list in the text": says(str([int(digit) for digit in CARD])),
    "American Express": says(AMEX),
    "American Express, slashes": says(AMEX.replace(" ", "/")),
    "zero width": says("\u200b".join(CARD)),
    "soft hyphens": says("\u00ad".join(GROUPS)),
    "word joiners": says("\u2060".join(CARD)),
    "right to left marks": says(MARK.join(GROUPS)),
    "right to left override": says(f"\u202e{SPACED}\u202c"),
    "combining marks": says(COMBINING.join(CARD)),
    "keycaps": says("".join(f"{digit}\ufe0f\u20e3" for digit in CARD)),
    "full width": says(moved(0xFF10)),
    "mathematical": says(moved(0x1D7CE)),
    "Arabic": says(moved(0x660)),
    "Devanagari": says(moved(0x966)),
    "superscript and plain": says("\u2074" + CARD[1:]),
    "hard spaces": says("\u00a0".join(GROUPS)),
    "thin spaces": says("\u2009".join(GROUPS)),
    "en dashes": says("\u2013".join(GROUPS)),
    "control characters": says("\x01".join(GROUPS)),
    "Cyrillic O for 0": says("4000 0000 0000 0002".replace("0", "\u041e")),
    "letters around": says(f"x{CARD}x"),
    "in markup": says(f"<b>{CARD}</b>"),
    "in a URL": says(f"https://x.example/{CARD}/pay.png"),
    "in a path": says(f"/home/me/{CARD}.txt"),
    "in code": says(f'card = "{SPACED}"'),
    "named entities": says("&nbsp;".join(GROUPS)),
    "named entities between digits": says("&zwj;".join(CARD)),
    "cells of a table": says("<td>" + "</td><td>".join(GROUPS) + "</td>"),
    "broken lines": says("<br>".join(GROUPS)),
    "a list beside card words": says("my card: 4111,1111,1111,1111, 2029"),
    "five tabs": says("\t\t\t\t\t".join(GROUPS)),
    "six lines": says("\n\n\n\n\n\n".join(GROUPS)),
    "put together in code": says('"' + '" + "'.join(GROUPS) + '"'),
    "circled": says(moved(0x245F)),
    "circled, negative": says(moved(0x2775)),
    "tags between groups": says("\U000e0041".join(GROUPS)),
    "IBAN with entities": says("&nbsp;".join([IBAN[:4], IBAN[4:8], IBAN[8:]])),
    "IBAN, bold": says(f"**{IBAN[:4]}** 3704 0044 0532 0130 00"),
    "bold groups": says("**" + "** **".join(GROUPS) + "**"),
    "bold cells": says("| **" + "** | **".join(GROUPS) + "** |"),
    "struck out": says("~~" + "~~ ~~".join(GROUPS) + "~~"),
    "italic": says("_" + "_ _".join(GROUPS) + "_"),
    "code in cells": says("| `" + "` | `".join(GROUPS) + "` |"),
    "rules between groups": says(" ----- ".join(GROUPS)),
    "a zero fraction": says(f"{CARD}.0"),
    "two zeros": says(f"id,card\n1,{CARD}.00\n"),
    "an exponent": says("4.111111111111111E15"),
    "a zero fraction in JSON": called(f'{{"card": {CARD}.0}}'),
    "an exponent in JSON text": says('{"card": 4.111111111111111e+15}'),
    "grouped IBAN": says("DE89 3704 0044 0532 0130 00"),
    "lower IBAN": says(IBAN.lower()),
    "IBAN, a space after each": says(" ".join(IBAN)),
    "IBAN, zero width": says("\u200b".join(IBAN)),
    "IBAN, full width": says("".join(chr(ord(char) + 0xFEE0) for char in IBAN)),
    "private key": says(KEY),
    "private key, lines escaped": says(KEY.replace("\n", "\\n")),
    "private key, header alone": says(KEY[:27] + " MIIEvQ"),
    "private key, hard spaces": says(KEY.replace(" ", "\u00a0")),
    "private key, entities": says(KEY.replace(" ", "&nbsp;")),
    "private key, two spaces": says(KEY.replace(" ", "  ")),
    "private key, long dashes": says(KEY.replace("-----", "\u2014\u2013")),
    "private key, bold": says(KEY.replace(_NAME, f"**{_NAME}**")),
    "password of a database": says(f"DB_PASS={PASSWORD}"),
    "password, hard space": says(f"DB_PASSWORD\u00a0={PASSWORD}"),
    "password of a command": says(f"curl -u jo:{PASSWORD} https://x.example"),
    "password in a table": says(f"| password | {PASSWORD} |"),
    "password in French": says(f"Mon mot de passe est {PASSWORD}"),
    "password in Spanish": says(f"Mi contraseña es {PASSWORD}"),
    "pass phrase": says("passphrase: correct horse battery staple"),
    "seed phrase": says("seed phrase: " + "legal winner thank year " * 3),
    "credential": says(f"use {TOKEN} for it"),
    "credential, zero width": says("\u200b".join(TOKEN)),
    "password in a URL": says(f"postgres://admin:{PASSWORD}@db.example/x"),
    "password assigned": says(f"DB_PASSWORD={PASSWORD}"),
    "bearer": says("Authorization: Bearer " + "aZ4kP9qLx7" * 3),
}

_SPLIT = {
    "two parts": parts("4111 1111", "1111 1111"),
    "two parts, glued": parts("My card is 41111111", "11111111 thanks"),
    "four parts": parts(*GROUPS),
    "a part for each digit": parts(*CARD),
    "long parts": parts("word " * 100 + "4111 1111", "1111 1111" + " word" * 100),
    "two messages": says("4111 1111", "1111 1111"),
    "four messages": says(*GROUPS),
    "a message for each digit": says(*CARD),
    "IBAN in two parts": parts(IBAN[:9], IBAN[9:]),
    "IBAN in messages": says(IBAN[:4], IBAN[4:12], IBAN[12:]),
    "credential in two parts": parts("use " + TOKEN[:7], TOKEN[7:]),
    "credential in messages": says(TOKEN[:4], TOKEN[4:]),
    "private key header in parts": parts(KEY[:14], KEY[14:]),
    "keys": {"metadata": {"4111 1111": "a", "1111 1111": "b"}},
    "keys at two levels": {"metadata": {"4111 1111": {"1111 1111": "b"}}},
    "password from its name": parts("the password=", PASSWORD),
    "password from its name, a line each": says("DB_PASSWORD:", PASSWORD),
    "a password apart from its sentence": parts("My password is", PASSWORD),
    "array of groups": {"x": GROUPS},
    "array of digits": {"x": list(CARD)},
    "array of numbers": {"x": [4111, 1111, 1111, 1111]},
    "array of one-digit numbers": {"x": [int(digit) for digit in CARD]},
    "arrays in an array": {"x": [[4, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]},
    "numbers under keys": {"x": {"a": 4111, "b": 1111, "c": 1111, "d": 1111}},
    "numbers in objects": {"x": [{"a": 4111}, {"a": 1111}, {"a": 1111}, {"a": 1111}]},
    "numbers under usual keys": {"metadata": {"id": 4111, "n": 1111, "seed": 1111, "type": 1111}},
    "strings and numbers": {"x": ["4111", 1111, "1111", 1111]},
    "strings under keys": {"x": {"a": "4111", "b": "1111", "c": "1111", "d": "1111"}},
}

_PLACES = {
    "system": {
        "messages": [{"role": "system", "content": SPACED}, {"role": "user", "content": "x"}]
    },
    "developer": {
        "messages": [{"role": "developer", "content": SPACED}, {"role": "user", "content": "x"}]
    },
    "assistant": {
        "messages": [{"role": "assistant", "content": SPACED}, {"role": "user", "content": "x"}]
    },
    "refusal": {
        "messages": [{"role": "assistant", "refusal": SPACED}, {"role": "user", "content": "x"}]
    },
    "a role of its own": {"messages": [{"role": SPACED, "content": "x"}]},
    "name": {"messages": [{"role": "user", "name": CARD, "content": "x"}]},
    "tool arguments": called(json.dumps({"card": SPACED})),
    "tool arguments, escaped": called('{"card": "' + each("\\u{n:04x}") + '"}'),
    "tool arguments, encoded twice": called(json.dumps(json.dumps({"card": each("\\u{n:04x}")}))),
    "tool arguments, a number": called(json.dumps({"card": int(CARD)})),
    "tool arguments, digits": called(json.dumps({"card": [int(digit) for digit in CARD]})),
    "tool arguments, an object": called({"card": SPACED}),
    "tool arguments, a password": called(json.dumps({"password": PASSWORD})),
    "tool result": {
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "tool", "tool_call_id": "1", "content": json.dumps({"iban": IBAN})},
        ]
    },
    "tool call id": {
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "tool", "tool_call_id": CARD, "content": "x"},
        ]
    },
    "tool name": {"tools": [{"type": "function", "function": {"name": f"f_{CARD}"}}]},
    "tool description": tool(description=f"pays with {SPACED}"),
    "tool parameter's key": tool(parameters={"type": "object", "properties": {CARD: {}}}),
    "tool parameter's default": tool(parameters={"properties": {"a": {"default": int(CARD)}}}),
    "functions": {"functions": [{"name": "f", "description": IBAN}]},
    "tool choice": {"tool_choice": {"type": "function", "function": {"name": CARD}}},
    "user": {"user": SPACED},
    "metadata": {"metadata": {"note": IBAN}},
    "metadata key": {"metadata": {SPACED: "x"}},
    "metadata password": {"metadata": {"password": PASSWORD}},
    "metadata PIN": {"metadata": {"pin": 482_913}},
    "metadata tax number": {"metadata": {"ssn": "536-90-4399"}},
    "schema name": {
        "response_format": {"type": "json_schema", "json_schema": {"name": CARD, "schema": {}}}
    },
    "schema enum": schema(enum=[SPACED]),
    "schema enum of digits": schema(enum=[int(digit) for digit in CARD]),
    "schema description": schema(description=TOKEN),
    "schema constant": schema(const=int(CARD)),
    "schema property": schema(properties={IBAN: {"type": "string"}}),
    "stop": {"stop": [SPACED]},
    "stop in pieces": {"stop": GROUPS},
    "logit bias": {"logit_bias": {CARD: -100}},
    "logit bias in pieces": {"logit_bias": {"41111111": 1, "11111111": 1}},
    "seed": {"seed": int(CARD)},
    "unknown field": {"x_future": {"a": [{"b": SPACED}]}},
    "stream options": {"stream": True, "stream_options": {"note": SPACED}},
    "deep": {"x": json.loads("[" * 100 + f'"{CARD}"' + "]" * 100)},
    "too deep": {"x": json.loads("[" * 400 + f'"{CARD}"' + "]" * 400)},
    "1 MB before": says(PADDING + SPACED),
    "1 MB after": says(SPACED + PADDING),
    "1 MB of digits before": says("7 " * 500_000 + ". " + SPACED),
    "1 MB of addresses before": says("a@b.io " * 205_000 + SPACED),
    "many texts before": {"x": ["a@b.io " * 1000] * 205 + [SPACED]},
    "1 MB of base64 before": says(b64(PADDING) + " " + SPACED),
    "as an integer": {"x": int(CARD)},
    "as a float": {"x": float(CARD)},
    "as a float with a fraction": {"x": float(CARD) + 0.5},
    "negative": {"x": -int(CARD)},
    "data URL of text": image(f"data:text/plain;base64,{b64(CARD)}"),
    "data URL, percent": image(f"data:text/plain,{quote(SPACED)}"),
    "image URL": image(f"https://x.example/{CARD}.png"),
    "file name": {
        "messages": [
            {"role": "user", "content": [{"type": "file", "file": {"filename": f"{CARD}.pdf"}}]}
        ]
    },
    "file of text": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "file", "file": {"file_data": b64(f"card {SPACED}")}}],
            }
        ]
    },
    "a part of an unknown type": {
        "messages": [{"role": "user", "content": [{"type": "note", "note": SPACED}]}]
    },
}

_DISGUISED: dict[str, Fields] = {
    "numbers in words": says("four " + "one " * 15),
    "reversed in groups": says(SPACED[::-1]),
    "rotated alphabet": says("QR89370400440532013000"),
    "letters for digits": says("4lll llll llll llll"),
    "letters between digits": says("a".join(CARD)),
    "gzip": says(b64(gzip.compress(SPACED.encode(), mtime=0))),
    "base32": says(base64.b32encode(SPACED.encode()).decode()),
    "base85": says(base64.b85encode(SPACED.encode()).decode()),
    "base64 in short pieces": says(" ".join(b64(CARD)[i : i + 4] for i in range(0, 24, 4))),
    "base64 three times": says(b64(b64(b64(CARD)))),
    "character codes": says(" ".join(str(ord(digit)) for digit in CARD)),
    "binary": says(" ".join(f"{int(digit):04b}" for digit in CARD)),
    "octal escapes": says(each("\\{n:03o}")),
    "a decimal fraction": {"x": 0.4111111111111111},
    "inside a longer number": {"x": int(CARD + "0" * 20)},
    "text between the halves": says("4111 1111 and then the other half: 1111 1111"),
    "a long text between the halves": says("4111 1111", "word " * 50, "1111 1111"),
    "key and value": {"metadata": {"41111111": "11111111"}},
    "parameters of the wire": {"seed": 41111111, "n": 1, "top_logprobs": 11111111},
    "IBAN with emoji": says(EMOJI.join([IBAN[:4], IBAN[4:8], IBAN[8:12], IBAN[12:]])),
    "IBAN in cells": says("</td><td>".join([IBAN[:4], IBAN[4:8], IBAN[8:]])),
    "Chinese digits": says("".join("〇一二三四五六七八九"[int(digit)] for digit in CARD)),
    "digits as tag characters": says(moved(0xE0030)),
    "names of characters": says("\\N{DIGIT FOUR}" + "\\N{DIGIT ONE}" * 15),
    "hexadecimal in pairs": says(" ".join(f"{ord(digit):x}" for digit in CARD)),
    "a hex dump": says(
        "00000000: 3431 3131 2031 3131 3120 3131 3131 2031  4111 1111 1111 1\n"
        "00000010: 3131 31                                  111"
    ),
    "base64 in numbered lines": says(
        "".join(
            f"{n}: {line}\n"
            for n, line in enumerate(lines(b64(PADDING[:40] + SPACED), 64).split("\n"))
        )
    ),
    "name and content": {"messages": [{"role": "user", "name": "41111111", "content": "11111111"}]},
    "IBAN with Cyrillic letters": says(IBAN.replace("E", "\u0415")),
    "credential with spaces": says(" ".join(TOKEN)),
    "seed phrase without its name": says("legal winner thank year " * 3),
    "a table with a header": says(f"| user | password |\n|---|---|\n| jo | {PASSWORD} |"),
    "private key without its header": says(KEY.split("\n")[1] * 4),
}

API_KEY = "sk-" + hashlib.sha256(b"a key").hexdigest()
JWT = ".".join(
    b64(part).rstrip("=")
    for part in ('{"alg":"HS256"}', '{"sub":"jo","scope":"all of it"}', "x" * 32)
)


def cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def tens(between: str = " ") -> str:
    return between.join(["forty-one", *["eleven"] * 7])


_BROKEN: dict[str, Fields] = {
    f"{name} {how}": says(f"please check {broken(token)} for me")
    for name, token in (("AWS key id", TOKEN), ("API key", API_KEY), ("JWT", JWT))
    for how, broken in {
        "in lines of ten": lambda token: lines(token, 10),
        "in lines of ten, indented": lambda token: lines(token, 10, "\r\n    "),
        "in two lines": lambda token: lines(token, len(token) // 2 + 1),
        "in a column": "\n".join,
        "with a space after each": " ".join,
        "in groups": lambda token: lines(token, 4, " "),
        "joined by code": lambda token: f'"".join({cut(token, 9)})',
        "in a tuple": lambda token: str(tuple(cut(token, 9))),
        "in strings side by side": lambda token: '"' + lines(token, 9, '"\n    "') + '"',
        "added up": lambda token: "'" + lines(token, 9, "' + '") + "'",
        "partly bold": lambda token: f"{token[:6]}**{token[6:9]}**{token[9:]}",
        "in colours": lambda token: f"{token[:6]}\x1b[31m{token[6:9]}\x1b[0m{token[9:]}",
        "in colours, escaped": lambda token: f"{token[:6]}\\033[31m{token[6:9]}\\033[0m{token[9:]}",
    }.items()
} | {
    "tens in words": says(tens()),
    "tens in words, apart": says(f"it is {tens(', ').replace('-', ' ')}, thanks"),
    "base64 in lines of eight": says(lines(b64(SPACED), 8)),
    "base64 in lines of ten": says(f"this: {lines(b64(f'my card is {SPACED}, thanks'), 10)}"),
    "base64 of UTF-16, big end first": says(b64(SPACED.encode("utf-16-be"))),
    "base64 of UTF-32": says(b64(SPACED.encode("utf-32"))),
    "hexadecimal of UTF-32": says(SPACED.encode("utf-32-be").hex()),
    "uuencode": says(f"begin 644 x.txt\n{binascii.b2a_uu(SPACED.encode()).decode()}`\nend\n"),
    "octal of two digits": says(each("\\{n:o}")),
    "CSS, short": says(each("\\{n:x} ")),
    "percent u": says(each("%u{n:04x}")),
    "characters added up": says("+".join(f"chr({ord(digit)})" for digit in CARD)),
    "characters added up, hexadecimal": says(" . ".join(f"chr(0x{ord(c):x})" for c in CARD)),
    "characters in SQL": says("||".join(f"CHR({ord(digit)})" for digit in CARD)),
    "digits in colours": says(f"{CARD[:4]}\x1b[1m{CARD[4:8]}\x1b[0m{CARD[8:]}"),
    "digits joined by code": says(f'"".join({cut(CARD, 7)})'.replace("'", '"')),
    "digits in strings side by side": says(f'"{CARD[:7]}"\n    "{CARD[7:]}"'),
}

STAYS: dict[str, Fields] = {
    **_ENCODED,
    **_BROKEN,
    **_WRAPPED,
    **_WRITTEN,
    **_SPLIT,
    **_PLACES,
    **_DISGUISED,
}

IDS = [int(group) for group in GROUPS]
HALVES = ["4111 1111", "1111 1111"]


def said(fields: Fields) -> list[str] | None:
    """The texts of what `says` made; long ones take long, and are tried on one wire."""
    contents = [message.get("content") for message in fields.get("messages", [])]
    if not all(type(one) is str and len(one) < len(PADDING) for one in contents):
        return None
    return contents if fields == says(*contents) else None


_SAID = {name: texts for name, fields in STAYS.items() if (texts := said(fields))}


def _batches(field: str) -> dict[str, Fields]:
    """What a prompt and an input have in common: one text or several, or token ids."""
    return {
        **{name: {field: texts[0] if len(texts) == 1 else texts} for name, texts in _SAID.items()},
        "the last of many": {field: ["x"] * 500 + [SPACED]},
        "over two items, among others": {field: ["x", *HALVES, "y"]},
        "an item for each digit": {field: list(CARD)},
        "token ids": {field: IDS},
        "token ids, digits": {field: [int(digit) for digit in CARD]},
        "lists of token ids": {field: [[one] for one in IDS]},
        "lists of token ids, digits": {field: [[int(digit) for digit in CARD], [7]]},
        "user": {field: "x", "user": SPACED},
        "user beside token ids": {field: [7, 8], "user": SPACED},
        "metadata": {field: "x", "metadata": {"note": IBAN}},
        "metadata key": {field: "x", "metadata": {SPACED: "x"}},
        "metadata password": {field: "x", "metadata": {"password": PASSWORD}},
        "tool description": {field: "x", **tool(description=TOKEN)},
        "messages on another wire": {field: "x", **says(SPACED)},
        "unknown field": {field: "x", "x_future": [{"a": SPACED}]},
        "an unknown number": {field: "x", "x_future": int(CARD)},
        "the other wire's fields": {"prompt": SPACED, "input": SPACED} | {field: "x"},
        "a private key in an item": {field: ["x", KEY]},
        "base64 over two items": {field: [b64(SPACED)[:12], b64(SPACED)[12:]]},
    }


PROMPTS: dict[str, Fields] = {
    **_batches("prompt"),
    "suffix": {"prompt": "x", "suffix": SPACED},
    "prompt and suffix": {"prompt": HALVES[0], "suffix": HALVES[1]},
    "suffix before prompt": {"suffix": HALVES[1], "user": "u", "prompt": HALVES[0]},
    "credential in prompt and suffix": {"prompt": f"key {TOKEN[:9]}", "suffix": TOKEN[9:]},
    "suffix of token ids": {"prompt": [7, 8], "suffix": SPACED},
    "stop": {"prompt": "x", "stop": [SPACED]},
    "logit bias": {"prompt": "x", "logit_bias": {CARD: -100}},
    "seed": {"prompt": "x", "seed": int(CARD)},
    "best_of": {"prompt": "x", "best_of": int(CARD)},
    "schema constant": {"prompt": "x", **schema(const=int(CARD))},
    "stream options": {"prompt": "x", "stream": True, "stream_options": {"note": SPACED}},
}

INPUTS: dict[str, Fields] = {
    **_batches("input"),
    "dimensions": {"input": "x", "dimensions": int(CARD)},
    "encoding": {"input": "x", "encoding_format": CARD},
    "image": {"input": [{"image": f"data:text/plain;base64,{b64(CARD)}"}]},
    "data URL": {"input": f"data:text/plain;base64,{b64(CARD)}"},
}

GAPS: dict[str, Fields] = {
    "a number backwards": says(CARD[::-1]),
    "digits moved along": says("".join(str((int(digit) + 1) % 10) for digit in CARD)),
    "letters of a credential rotated": says(codecs.encode(TOKEN, "rot13")),
    "halves among other numbers": says("41111111, not 12345678 or 777, and then 11111111"),
    "words of a language that is not known": says("pedwar " + "un " * 15),
    "tens in another language than English": says("einundvierzig " + "elf " * 7),
    "uuencode without its first line": says(binascii.b2a_uu(SPACED.encode()).decode()),
    "a token cut in what it begins with": says(f'"{TOKEN[:3]}" + "{TOKEN[3:]}"'),
    "a token in pieces of any length": says(" ".join([TOKEN[:5], TOKEN[5:14], TOKEN[14:]])),
}
