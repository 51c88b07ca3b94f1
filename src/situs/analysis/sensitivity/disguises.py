"""Ways to hide a number or a secret in what reads as something else, each undone by its own row.

A row proposes a stretch of text and says what it may mean (see `disguise.py`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import takewhile

from situs.analysis.sensitivity import views
from situs.analysis.sensitivity.broken import BROKEN
from situs.analysis.sensitivity.detector import NUMBER, RUN
from situs.analysis.sensitivity.disguise import ALONE, WIDE, Disguise
from situs.analysis.sensitivity.money import IBAN_LENGTHS, is_issued
from situs.analysis.sensitivity.secrets import NAMES

_LEAST = 13
"""Digits, or characters, of what is worth hiding."""

_SPOKEN = re.findall(
    r"\S+",
    """
    zero one two three four five six seven eight nine
    null eins zwei drei vier fünf sechs sieben acht neun
    zéro un deux trois quatre cinq six sept huit neuf
    cero uno dos tres cuatro cinco seis siete ocho nueve
    zero uno due tre quattro cinque sei sette otto nove
    zero um dois três quatro cinco seis sete oito nove
    nul een twee drie vier vijf zes zeven acht negen
    oh ein zwo drei vier fuenf sechs sieben acht neun
    """,
)
_DIGIT_OF = {word: str(place % 10) for place, word in enumerate(_SPOKEN)} | {"oh": "0"}
_TIMES = {"double": 2, "triple": 3}
_WORD = "(?:" + "|".join(sorted({*_DIGIT_OF, *_TIMES}, key=len, reverse=True)) + ")"
_BREAK = r"[ ,.;/\r\n\-]{1,3}"


def _spoken(run: str) -> Iterator[str]:
    found, times = [], 1
    for word in re.findall(r"\w+", run.lower()):
        found.append(_DIGIT_OF.get(word, word if len(word) == 1 else "") * times)
        times = _TIMES.get(word, 1)
    yield "".join(found)


_HAN = str.maketrans("〇零一二三四五六七八九", "00123456789")


def _han(run: str) -> Iterator[str]:
    yield "".join(filter(str.isdigit, run.translate(_HAN)))


_BASES: tuple[tuple[str, int], ...] = (
    ("(?:3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6])", 10),
    ("(?:0x)?[2-7][0-9A-Fa-f]", 16),
    (r"(?:U\+)?00[2-7][0-9A-Fa-f]", 16),
    ("0?[01]{7}", 2),
    ("0?[0-7]{2,3}", 8),
)


def _codes(run: str) -> Iterator[str]:
    """A list of codes of characters, or of digits in binary."""
    codes = re.findall(r"[0-9A-Fa-fxU+]+", run)
    for form, base in _BASES:
        if all(re.fullmatch(form, code) for code in codes):
            yield "".join(chr(int(code.removeprefix("U+"), base)) for code in codes)
    if all(re.fullmatch("[01]{4}", code) for code in codes):
        yield "".join(str(int(code, 2)) for code in codes)


def _dumped(run: str) -> Iterator[str]:
    """Lines of an offset, hexadecimal in groups, and what that looks like."""
    groups = [re.split("  +|\t", line.strip(), maxsplit=2) for line in run.splitlines()]
    found = ""
    for line in groups:
        inside = line[0].partition(":")[2] or " ".join(line[1:2])
        found += "".join(re.findall(r"\b[0-9A-Fa-f]{2,16}\b", inside))
    try:
        yield bytes.fromhex(found[: len(found) // 2 * 2]).decode("ascii", "replace")
    except ValueError:
        return


def _backwards(run: str) -> Iterator[str]:
    yield run[::-1]


def _backwards_as_issued(run: str) -> Iterator[str]:
    if is_issued("".join(filter(str.isdigit, run[::-1]))):
        yield run[::-1]


def _shifted(run: str) -> Iterator[str]:
    """The letters of an IBAN moved along the alphabet, by any number of places."""
    for by in range(1, 26):
        moved = "".join(
            chr((ord(one) - 65 + by) % 26 + 65) if one.isalpha() else one for one in run
        )
        if IBAN_LENGTHS.get(moved[:2]) == len(moved):
            yield moved


_ALIKE = str.maketrans("lIOoSBZ", "1100582")


def _lettered(run: str) -> Iterator[str]:
    plain = run.translate(_ALIKE)
    if plain != run and any(map(str.isdigit, run)):
        yield plain


def _without_letters(run: str) -> Iterator[str]:
    yield "".join(filter(str.isdigit, run))


_BETWEEN = r"(?:[ .\-_*\n]|\r\n|[\"'] ?[,+] ?[\"'])"


def _close(run: str) -> Iterator[str]:
    """Single characters, each by itself and all with the same between them."""
    between = re.match(_BETWEEN, run[1:])
    pieces = run.split(between.group()) if between else ()
    found = "".join(takewhile(lambda one: len(one) == 1, pieces))
    if len(found) >= _LEAST:
        yield found


def _pieced(run: str) -> Iterator[str]:
    close = re.sub(r"[ ,\r\n=]", "", run)
    found = views.decode(close) if len(close) >= 18 else None
    if found is not None:
        yield found


def _base85(run: str) -> Iterator[str]:
    for decode in (base64.b85decode, base64.a85decode):
        try:
            octets = decode(run.encode())
        except (ValueError, binascii.Error, OverflowError):
            continue
        if octets.isascii() and octets.decode().isprintable():
            yield octets.decode()


def _base32(run: str) -> Iterator[str]:
    close = run.rstrip("=").upper()
    size = len(close) // 8 * 8 + {2: 2, 4: 4, 5: 5, 7: 7}.get(len(close) % 8, 0)
    octets = base64.b32decode(close[:size] + "=" * (-size % 8))
    if octets.isascii() and octets.decode().replace("\n", " ").isprintable():
        yield octets.decode()


_HEAD = re.compile(r"[ \t\"*`]*[A-Za-z][\w .\-]{0,40}[ \t\"*`]*")
_SECRET = re.compile(rf"(?i)[ \t\"*`]*(?:[a-z0-9]+[ _\-])?(?:{NAMES})s?[ \t\"*`]*")
_RULE = re.compile(r"[ \t|:\-]+")


def _columns(run: str) -> Iterator[str]:
    """Each cell of a table below the name of a secret, with that name before it.

    A table has a line of names, and below it lines of as many cells.
    """
    first, *rest = run.splitlines()
    for sign in "|\t;,":
        heads = _cells(first, sign)
        if len(heads) < 2 or not all(map(_HEAD.fullmatch, heads)):
            continue
        rows = [_cells(line, sign) for line in rest if not _RULE.fullmatch(line)]
        for place in (place for place, name in enumerate(heads) if _SECRET.fullmatch(name)):
            held = [row[place].strip(' \t"*`') for row in rows if len(row) == len(heads)]
            yield "\n".join(f"password is {cell}" for cell in held)


def _cells(line: str, sign: str) -> list[str]:
    return line.strip().strip("|").split(sign) if sign == "|" else line.split(sign)


_MOSTLY = 8
"""Digits that the IBAN of every country has."""

_UNUSUAL = re.compile(r"[^0-9A-Za-z \t\r\n.\-_*]")


_SIGN = re.compile("<[^<>]*>|[0-9A-Za-z]")


def _of_iban(run: str) -> int:
    """To the last letter or digit that an IBAN of this country has; markup does not count."""
    left = IBAN_LENGTHS[run[:2].upper()]
    for match in _SIGN.finditer(run):
        left -= match[0][0] != "<"
        if not left:
            return match.end()
    return len(run)


def _apart(run: str) -> Iterator[str]:
    """An IBAN with markup, emoji or the like between its pieces; a dash alone is that of a UUID."""
    if _UNUSUAL.search(run) is None:
        return
    close = "".join(filter(str.isalnum, re.sub("<[^<>]*>", "", run)))
    close = close[: IBAN_LENGTHS[close[:2].upper()]]
    if sum(map(str.isdigit, close)) >= _MOSTLY:
        yield close


_LATIN = "ABEKMHOPCTYXaeopcyxIJSZNVijs"
_OTHER = "АВЕКМНОРСТУХаеорсухІЈЅΖΝѴіјѕ"  # noqa: RUF001 - that is the point
_GREEK = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo")  # noqa: RUF001
_SAME = str.maketrans(_OTHER, _LATIN)
_MIXED = f"{_OTHER}ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο"  # noqa: RUF001


def _latin(run: str) -> Iterator[str]:
    yield run.translate(_SAME).translate(_GREEK)


def _tags(run: str) -> Iterator[str]:
    yield "".join(chr(ord(one) - 0xE0000) for one in run)


def _phrase(run: str) -> Iterator[str]:
    """A line of as many short words as a seed phrase has (BIP 39)."""
    yield f"seed phrase: {run.strip()}"


_B64 = "[A-Za-z0-9+/]"
_CODED = "(?:" + "|".join(f"{_B64}{{{at}}}[A-Z0-9+/]{_B64}{{{3 - at}}}" for at in (1, 2, 3)) + ")"
"""Four characters of base64 that are no word: a capital or a digit is not at the beginning."""
_COUNTRY = "(?:" + "|".join(IBAN_LENGTHS) + ")"
_BACK = "(?:" + "|".join(one[::-1] for one in IBAN_LENGTHS) + ")"
_FAKE = "[0-9lIOoSBZ]"
_CODE = r"(?:0x|U\+)?[0-9A-Fa-f]{2,8}"
_PREFIX = r"(?:0x|U\+)"
_NEXT = r"[ ,;:\r\n]{1,3}"
_TURNED = (
    r"(?i)\b(?:revers\w*|backwards?|right[ \-]to[ \-]left|mirrored|read from the end|rückwärts|"
    r"umgekehrt|umgedreht|à l'envers|al rev[eé]s|al contrario)\b"
)

DISGUISES = (
    Disguise(
        "spoken",
        rf"(?i)\b{_WORD}{_BREAK}{_WORD}{_BREAK}{_WORD}{_BREAK}{_WORD}\b",
        rf"(?i)\b(?:{_WORD}|[A-Z0-9])(?:{_BREAK}(?:{_WORD}|[A-Z0-9]))+\b",
        _spoken,
    ),
    Disguise(
        "han_digits",
        "[〇零一二三四五六七八九]{4}",
        "[〇零一二三四五六七八九](?:[ ,、\\-]?[〇零一二三四五六七八九])+",
        _han,
        rough=WIDE,
    ),
    Disguise(
        "codes",
        rf"(?:{_CODE}{_NEXT}){{6}}{_CODE}",
        rf"\b{_CODE}(?:{_NEXT}{_CODE})+\b",
        _codes,
        rough=NUMBER,
    ),
    Disguise(
        "dump",
        r"[0-9A-Fa-f]{4,8}:? {1,2}(?:[0-9A-Fa-f]{2,4} ){4}",
        r"(?:[0-9A-Fa-f]{4,8}:? {1,2}(?:[0-9A-Fa-f]{2,8} ?)+[^\n]*\n?)+",
        _dumped,
        rough=NUMBER,
    ),
    Disguise(
        "prefixed",
        rf"(?:{_PREFIX}[0-9A-Fa-f]{{2,6}}{_NEXT}){{3}}",
        rf"{_PREFIX}[0-9A-Fa-f]{{2,6}}(?:{_NEXT}{_PREFIX}[0-9A-Fa-f]{{2,6}})+",
        _codes,
    ),
    Disguise(
        "turned",
        _TURNED,
        r"[0-9](?:[ .\-]?[0-9]){12,18}|[0-9A-Za-z+/=_\-]{13,}",
        _backwards,
    ),
    Disguise(
        "turned_alone",
        r"\A\s*[0-9]{4}(?:[ .\-][0-9]{4}){3}\s*\z",
        r"[0-9]{4}(?:[ .\-][0-9]{4}){3}",
        _backwards_as_issued,
        rough=NUMBER,
    ),
    Disguise(
        "turned_iban",
        rf"[0-9]{{5}}{_BACK}\b",
        rf"\b[0-9A-Z]{{9,30}}[0-9]{{2}}{_BACK}\b",
        _backwards,
        rough=NUMBER,
    ),
    Disguise(
        "shifted_iban",
        r"\b[A-Z]{2}[0-9]{2}[0-9A-Z]{4}[0-9]{6}",
        r"\b[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}\b",
        _shifted,
        rough=NUMBER,
    ),
    Disguise(
        "lettered",
        rf"[0-9SZ]{_FAKE}{{3}}[ .\-]?{_FAKE}{{4}}[ .\-]?{_FAKE}{{4}}",
        rf"\b{_FAKE}(?:[ .\-]?{_FAKE}){{12,18}}\b",
        _lettered,
    ),
    Disguise(
        "parted",
        r"(?:[0-9][A-Za-z]){5}[0-9]|[0-9]{4}[A-Za-z]{1,3}[0-9]{4}[A-Za-z]{1,3}[0-9]{4}",
        r"[0-9](?:[A-Za-z][0-9]){12,18}|[0-9]{4}(?:[A-Za-z]{1,3}[0-9]{4}){3}",
        _without_letters,
        rough=RUN,
    ),
    Disguise(
        "close",
        rf"(?:\b[A-Za-z0-9]{_BETWEEN}){{8}}",
        rf"\b[A-Za-z0-9](?:{_BETWEEN}[A-Za-z0-9/+_.\-])+\b",
        _close,
        rough=ALONE,
    ),
    Disguise(
        "pieced",
        rf"\b(?:{_CODED}[ ,\n]){{2}}",
        r"\b[A-Za-z0-9+/]{4}(?:[ ,\r\n]{1,2}[A-Za-z0-9+/]{2,4}={0,2})+",
        _pieced,
        rough=ALONE,
    ),
    Disguise(
        "base32",
        r"\b(?:[A-Z2-7]{24}|[a-z2-7]{24})",
        r"(?i)\b[A-Z2-7]{20,}={0,6}",
        _base32,
        rough=RUN,
    ),
    Disguise("base85", r"[!-~]{20}", r"[!-~]{16,}", _base85, rough=ALONE, pace=64),
    Disguise(
        "columns",
        rf"(?i)(?:{NAMES})[a-z0-9_]*[ \t\"*`]*(?:[|\t,;][^\n]*)?\r?\n",
        rf"(?i)[^\n]*(?:{NAMES})[^\n]*\n(?:[^\n]+\n?)+",
        _columns,
    ),
    Disguise(
        "iban_apart",
        rf"(?i)\b{_COUNTRY}[0-9]{{2}}[^0-9A-Za-z]",
        rf"(?i)\b{_COUNTRY}[0-9]{{2}}(?:(?:<[^<>]*>|[^0-9A-Za-z<>]){{1,12}}[0-9A-Z]{{1,30}}){{1,16}}",
        _apart,
        rough=NUMBER,
        reach=_of_iban,
    ),
    Disguise(
        "mixed",
        f"[0-9A-Za-z][{_MIXED}]|[{_MIXED}][0-9A-Za-z]",
        f"[0-9A-Za-z{_MIXED}_\\-]{{13,}}",
        _latin,
        rough=WIDE,
    ),
    Disguise("tags", r"[\x{e0020}-\x{e007e}]{6}", r"[\x{e0020}-\x{e007e}]+", _tags, rough=WIDE),
    Disguise(
        "phrase",
        r"(?m)^[ \t]*[a-z]{3,8}(?: [a-z]{3,8}){5}",
        r"(?m)^[ \t]*[a-z]{3,8}(?: [a-z]{3,8}){11}(?:(?: [a-z]{3,8}){3}){0,4}[ \t]*$",
        _phrase,
        rough=ALONE,
    ),
    *BROKEN,
)
