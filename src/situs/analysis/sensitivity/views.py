"""Other readings of a text: without tricks (folded), and what its encoded runs say.

A reading keeps a map back, so that every span points into the text as it came.
"""

from __future__ import annotations

import bz2
import html
import lzma
import re
import unicodedata
import zlib
from binascii import a2b_base64
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice

from situs.analysis.sensitivity.detector import RUN

_UNICODE = r"\\(?:u[0-9A-Fa-f]{4}|0000[2-7][0-9A-Fa-f]|x[0-9A-Fa-f]{2}|u\{0{0,4}[0-9A-Fa-f]{1,4}\})"
_NAMED = "&(?:nbsp|ensp|emsp|thinsp|hairsp|zwn?j|shy|lrm|rlm|[nm]dash|hyphen|Tab|NewLine);"
_CALLED = r"\\N\{[A-Z][A-Z \-]{2,60}\}"
_ESCAPES = (
    rf"(?:%(?:u00)?[0-9A-Fa-f]{{2}})+|(?:=[0-9A-F]{{2}}){{3,}}|{_UNICODE}|&#[xX]?[0-9A-Fa-f]{{1,8}};?|"
    rf"{_NAMED}|&amp;(?=#|[a-zA-Z]{{2,8}};)|(?:\\[0-3][0-7]{{2}}){{3,}}|{_CALLED}"
)
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u20e3\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef"
)
_JOINTS = "\u00a0\u2000-\u200a\u2010-\u2015\u202f\u205f\u2212\ufe58\ufe63"
_FORMS = (
    "\u00b2\u00b3\u00b9\u2070-\u209f\u2460-\u24ff\u2776-\u2793\u3000\ufb00-\ufb06\uff01-\uff5e"
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f10a\u1369-\u1371\u19da\U00010a40-\U00010a43"
    "\U00010e60-\U00010e68\U00011052-\U0001105a"
)
_DECIMALS = "".join(
    f"{chr(first)}-{chr(first + 9)}"
    for first in (
        *(0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66),
        *(0xDE6, 0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80),
        *(0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50),
        *(0xABF0, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0),
        *(0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0),
        *(0x16B50, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0),
    )
)
_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_LOOKALIKES = {
    **dict.fromkeys("\u041e\u043e\u039f\u03bf", "0"),  # Cyrillic and Greek O
    **dict.fromkeys("\u0406\u04c0\u0399", "1"),  # Cyrillic I and palochka, Greek iota
    **dict.fromkeys("\u0417\u0437", "3"),  # Cyrillic ze
}

_MARKS = "[*_~`]{1,3}"
_BETWEEN = r"[ \t\r\n|,;/\-]"
_RULE = r"[ \t]{0,3}(?:-{3,}|={3,}|_{3,}|\.{3,}|~{3,}|\*{3,})[ \t]{0,3}"

SPECIAL = (
    rf"[0-9]{_MARKS}{_BETWEEN}{{1,5}}{_MARKS}[0-9]|[0-9]{_RULE}[0-9]|"
    rf"[0-9]\.[0-9]{{11,18}}[eE]\+?1[2-5]|"
    rf"%(?:u00)?[0-9A-Fa-f]{{2}}|\\(?:033|e)\[|(?:=[0-9A-F]{{2}}){{3}}|{_UNICODE}|&(?:amp;)*(?:#[xX]?[0-9A-Fa-f]|"
    rf"{_NAMED[1:]})|(?:\\[0-3][0-7]{{2}}){{3}}|\\N\{{[A-Z]|"
    f"[{_CONTROLS}{_FORMS}{_DECIMALS}]|[!-~ ][{_INVISIBLE}]|[0-9][{''.join(_LOOKALIKES)}]|"
    f"[0-9A-Za-z][{_JOINTS}][0-9]{{1,6}}[{_JOINTS}]|[0-9]{{5}}[{_JOINTS}][0-9A-Za-z]|"
    f"[0-9A-Za-z][{_JOINTS}][0-9]{{5}}|[A-Za-z][{_JOINTS}][A-Za-z]{{0,5}}[0-9]|"
    f"[0-9][{_JOINTS}](?:[0-9]{{1,2}}[A-Za-z]|[A-Za-z]{{4}}[0-9])|"
    f"(?:^|[^0-9])[0-9]{{3}}[{_JOINTS}][0-9]{{4}}"
)
"""RE2: the text has something to fold. Most texts, in any script, do not: a dash or a hard space
counts only beside digits (and not in a span of years), an invisible character only after ASCII."""

_RUN = r"[A-Za-z0-9+/_\-]"
_NEXT = r"(?:(?:[+\-]|//)[ \t\"'])?[ \t>|\"'`#*]*(?:[0-9]{1,5}[:.)|][ \t]+)?"
_WRAP = rf"[\"'`]?[ \t]*[+.&\\]?(?:(?:\r\n?|\n|(?:\\{{1,4}}r)?\\{{1,4}}n){_NEXT}){{1,3}}"
"""Between two lines of a run: the break, also as an escape, with indentation and marks of quotes.
Fewer breaks than `BREAK` has."""

ENCODED = RUN
"""RE2: a run that may be base64 or hexadecimal. `decode` says what it holds; a card of 13 digits
is the shortest that counts."""

WRAPPED = rf"(?:{_RUN}+{_WRAP})?{ENCODED}(?:{_WRAP}{ENCODED})*(?:{_WRAP}{_RUN}+)?"
"""RE2: such a run, with the lines before and after it that may belong to it. See `runs`."""

BREAK = "\n\n\n\n|\n\n\n\n"
"""Stands between texts that do not touch: no number and no key reaches over it."""

_LONGEST_MIXED = 16_384
"""In a longer run, text after bytes that are none is not looked for: it is an image or the like."""

_ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_MOST_INFLATED = 1 << 16
_MOST_MEMORY = 32 << 20

_CHAR = 3
"""So many bytes at the end may be a piece of a character."""

_BEFORE_RUN = 8
"""So many characters before a run belong to what the run begins."""

MEDIA = "media"
"""The kind of what is a picture, a recording or a file in a text: nobody reads it."""

_MEDIA = (
    *("iVBORw0KGg", "/9j/", "_9j_", "R0lGODlh", "R0lGODdh", "UklGR", "SUkqAA", "TU0AK", "JVBERi0"),
    *("UEsDB", "SUQz", "T2dnUw", "AAAAGGZ0eXA", "AAAAHGZ0eXA", "AAAAIGZ0eXA", "GkXfo"),
    *("89504e470d0a", "89504E470D0A", "ffd8ff", "FFD8FF", "255044462d", "255044462D"),
)
"""How PNG, JPEG, GIF, WebP and WAV, TIFF, PDF, zip (office files), MP3, Ogg, MP4 and Matroska
begin in base64; some in hexadecimal."""
_LEAST_MEDIA = 64

_SHORTEST = 18
_OVERLAP = 512
"""Lines put together are read in windows of `_LONGEST_MIXED`, which share so many characters."""

_PLAIN = {"marks": "", "rule": ",", "row": "|", "colour": ""}
_LAYOUT = (
    rf"(?<=[0-9])(?P<row>{_MARKS}[ \t]*\|[ \t]*\r?\n[ \t]*\|[ \t]*{_MARKS})(?=[0-9])|"
    rf"(?P<marks>(?<=[0-9]){_MARKS}(?={_BETWEEN}{{1,5}}{_MARKS}[0-9])|"
    rf"(?<={_BETWEEN}){_MARKS}(?=[0-9]))|(?<=[0-9])(?P<rule>{_RULE})(?=[0-9])|"
    r"(?P<colour>(?:\x1b|\\(?:x1[bB]|033|e|u001[bB]))\[[0-9;]{0,12}[A-Za-z])|"
    r"(?<![0-9.])(?P<scaled>[0-9]\.[0-9]{11,18}[eE]\+?1[2-5])(?![0-9])"
)
_SPECIAL = re.compile(
    f"{_LAYOUT}|{_ESCAPES}|[{_CONTROLS}{_INVISIBLE}{_JOINTS}{_FORMS}{_DECIMALS}]+|"
    f"(?<=[0-9])[{''.join(_LOOKALIKES)}]+(?:[ -][{''.join(_LOOKALIKES)}]+)*"
)
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63")
_KEPT = re.compile(f"[^{_CONTROLS}{_INVISIBLE}]")
_HEX = re.compile("[0-9A-Fa-f]+")
_LINE = re.compile(rf"({_RUN}+)(?:{_WRAP})?")
_PRINTABLE = re.compile(rb"(?:[\t\n\r -~]\0{0,3}){13,}")


class Folded:
    """A text with its tricks undone, and where each of its characters came from.

    At most `most` pieces are undone: `pieces` says how many were, `read` up to where.
    """

    def __init__(self, text: str, most: int | None = None) -> None:
        self._at: list[int] = []
        self._source: list[tuple[int, int]] = []
        found: list[str] = []
        self.pieces = done = length = 0
        for piece, first, last in islice(_pieces_of(text), most):
            self.pieces += 1
            if piece:
                self._at.append(length)
                self._source.append((first, last))
                found.append(piece)
                length += len(piece)
            done = last
        self.read = len(text) if self.pieces != most else done
        self._at.append(length)
        self._source.append((done, len(text)))
        self._at.append(length + len(text) - done)
        self.text = "".join((*found, text[done:]))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where `start:end` of the folded text stands in the original."""
        return self._place(start)[0], self._place(end - 1)[1]

    def _place(self, offset: int) -> tuple[int, int]:
        index = bisect_right(self._at, offset) - 1
        first, last = self._source[index]
        if last - first != self._at[index + 1] - self._at[index]:
            return first, last
        first += offset - self._at[index]
        return first, first + 1


def _pieces_of(text: str) -> Iterator[tuple[str, int, int]]:
    """What is read as it stands, and what stands for each trick, up to the last one."""
    done = 0
    for match in tricks(text):
        yield text[done : match.start()], done, match.start()
        yield from _fold(match)
        done = match.end()


def tricks(text: str, window: int = 1 << 14) -> Iterator[re.Match[str]]:
    """What `_SPECIAL` finds, a window at a time: other threads can go on between two of them.

    A match that comes near the end of a window may go on behind it, so it is looked for again.
    """
    at, size = 0, window
    while at < len(text):
        end = at + size
        sure = end - size // 4 if end < len(text) else len(text) + 1
        for match in _SPECIAL.finditer(text, at, end):
            if match.end() >= sure:
                size = 2 * size if match.start() == at else size
                at = match.start()
                break
            yield match
            at, size = match.end(), window
        else:
            # A run of one character may be the beginning of a match.
            behind = at + len(text[at:sure].rstrip(text[min(sure, len(text)) - 1])) - _BEFORE_RUN
            at, size = (behind, size) if behind > at else (at, 2 * size)
            at = len(text) if sure > len(text) else at


def _fold(match: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """The pieces that stand for one match, each with the span it came from.

    A rule between digits reads as a comma, emphasis between numbers as nothing, and the end of a
    row between them as the end of a cell: a table of numbers is one list.
    """
    found, start = match.group(), match.start()
    if match.lastgroup:
        plain = _PLAIN.get(match.lastgroup)
        yield _unscaled(found) if plain is None else plain, start, match.end()
    elif found[0] == "%" and len(found) > 1:
        octets = bytes.fromhex(found.replace("%u00", "").replace("%", ""))
        yield octets.decode("utf-8", "replace"), start, match.end()
    elif found[:2] == "\\N":
        yield _called(found), start, match.end()
    elif found[0] == "\\" and found[1].isdigit() and found[1:5] != "0000":
        codes = re.findall("[0-7]{3}", found)
        yield "".join(chr(int(code, 8)) for code in codes), start, match.end()
    elif found[0] == "\\":
        yield chr(int(found.strip("\\ux{}"), 16)), start, match.end()
    elif found[0] == "=":
        octets = bytes.fromhex(found.replace("=", ""))
        yield octets.decode("utf-8", "replace"), start, match.end()
    elif found[0] == "&" and len(found) > 2:
        yield "".join(map(fold, html.unescape(found))), start, match.end()
    else:
        for place, char in enumerate(found, start):
            yield fold(char), place, place + 1


def _called(found: str) -> str:
    """`\\N{DIGIT FOUR}` as that character."""
    try:
        return unicodedata.lookup(found[3:-1])
    except KeyError:
        return found


def _unscaled(number: str) -> str:
    """`4.2E1` as `42`; as it is, if it is no whole number."""
    mantissa, _, power = number.lower().partition("e")
    first, _, fraction = mantissa.partition(".")
    size = int(power)
    whole = first + fraction[:size].ljust(size, "0")
    return number if fraction[size:].strip("0") else whole


def fold(char: str) -> str:
    """What one character stands for; nothing, if it is invisible."""
    if "\U000e0030" <= char <= "\U000e0039":
        return chr(ord(char) - 0xE0000)
    if not _KEPT.match(char):
        return ""
    if char in _DASHES:
        return "-"
    if char in _LOOKALIKES:
        return _LOOKALIKES[char]
    digit = unicodedata.digit(char, None)
    return str(digit) if digit is not None else unicodedata.normalize("NFKC", char)


def runs(chain: str) -> Iterator[tuple[int, int, str]]:
    """What to decode in a match of `WRAPPED`, with its span there: long lines, and all as one.

    Of a very long one only windows in which lines meet; a line of its own is read by itself.
    """
    lines: list[tuple[int, int]] = []
    place = 0
    while (match := _LINE.match(chain, place)) is not None:
        lines.append(match.span(1))
        place = match.end()
    for start, end in lines:
        if end - start >= _SHORTEST:
            yield start, end, chain[start:end]
    if len(lines) > 1:
        added = all(chain[start] == "+" for start, _ in lines)  # by a patch
        lines = [(start + added, end) for start, end in lines]
        yield from _windows(chain, lines)
        hexadecimal = [line for line in lines if _HEX.fullmatch(chain, *line)]
        if 1 < len(hexadecimal) < len(lines):
            yield from _windows(chain, hexadecimal)


def _windows(chain: str, lines: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    whole = "".join(chain[start:end] for start, end in lines)
    meets = list(accumulate(end - start for start, end in lines))
    step = _LONGEST_MIXED - _OVERLAP
    for place in (0, *range(step, len(whole) - _OVERLAP, step)):
        stop = min(place + _LONGEST_MIXED, len(whole))
        first, last = bisect_right(meets, place), bisect_left(meets, stop)
        if first < last:
            start = lines[first][1] - (meets[first] - place)
            yield start, lines[last][1] - (meets[last] - stop), whole[place:stop]


def is_media(run: str) -> bool:
    """Whether the run is a picture, a recording or a file."""
    return len(run) >= _LEAST_MEDIA and run.startswith(_MEDIA)


def decode(run: str) -> str | None:
    """The text that a run of hexadecimal or base64 (either alphabet) holds, or None.

    Base64 may begin with any of the first four characters. Where it does not begin as text, its
    printable pieces of 13 bytes or more are text.
    """
    found: list[str] = []
    if _HEX.fullmatch(run):
        octets = _inflated(bytes.fromhex(run[: len(run) // 2 * 2]))
        if _is_text(octets[:15]):
            found.append(octets.decode("utf-8", "replace"))
        elif len(run) <= _LONGEST_MIXED:
            found.extend(_pieces(octets))
    run = run.replace("-", "+").replace("_", "/")
    short = len(run) <= _LONGEST_MIXED
    for skip in range(4):
        octets = _inflated(_base64(run if short else run[: skip + 20], skip))
        if _is_text(octets[:15]):
            octets = octets if short else _base64(run, skip)
            found.append(octets.decode("utf-8", "replace"))
        elif short:
            found.extend(_pieces(octets))
    return BREAK.join(found) if found else None


def _inflated(octets: bytes) -> bytes:
    """What gzip, zlib, bzip2 or xz packed, as far as it may be; other bytes as they are."""
    try:
        if octets[:3] == b"\x1f\x8b\x08" or octets[:2] in _ZLIB:
            return zlib.decompressobj(47).decompress(octets, _MOST_INFLATED)
        if octets[:3] == b"BZh":
            return bz2.BZ2Decompressor().decompress(octets, _MOST_INFLATED)
        if octets[:6] == b"\xfd7zXZ\x00":
            return lzma.LZMADecompressor(memlimit=_MOST_MEMORY).decompress(octets, _MOST_INFLATED)
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return octets
    return octets


def _pieces(octets: bytes) -> list[str]:
    """The printable pieces of bytes that are none as a whole; UTF-16 and UTF-32 of ASCII are."""
    return [piece.replace(b"\0", b"").decode("ascii") for piece in _PRINTABLE.findall(octets)]


def _base64(run: str, skip: int) -> bytes:
    """What the run says from `skip` on; a last group of one character says nothing."""
    size = len(run) - skip
    usable = run[skip : len(run) - 1] if size % 4 == 1 else run[skip:]
    return a2b_base64(usable + "=" * (-len(usable) % 4))


def _is_text(head: bytes) -> bool:
    if len(head) > _CHAR and (0x80 <= head[0] < 0xC2 or head[0] > 0xF4):
        return False  # no character begins so
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - _CHAR:
            return False
        text = head[: error.start].decode("utf-8")
    return all(char.isprintable() or char in "\t\r\n" for char in text)
