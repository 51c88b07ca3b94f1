"""What was broken in pieces: by lines, by code that puts it together, by marks between."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from string import ascii_letters, digits

from situs.analysis.sensitivity import views
from situs.analysis.sensitivity.detector import NUMBER
from situs.analysis.sensitivity.disguise import Disguise
from situs.analysis.sensitivity.money import is_card, is_issued

_EXACT = (
    r"AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9]|gh[pousr]_|github_|glpa|gl[a-z]{2,5}-|[rs]k_[lt]|whsec_|AIza|"
    r"GOCSPX|ya29\.|npm_|pypi-|hf_|situs_|SG\.|dapi[0-9a-f]|eyJ"
)
"""How tokens begin whose whole form tells what they are."""
_LOOSE = (
    r"sk-|xox[a-z]|xapp|gsk_|xai-|pplx-|r8_|lin_api|ntn_|figd_|glsa_|glc_|dckr_|NRAK-|PMAK-|"
    r"do[por]_v|shp[acps]{2}_|HRKU-|sbp_|rubygems_|tskey-|sntrys_|ATATT"
)
"""How those begin that must have some digits too, if they are in pieces."""
_DIGITS = 3

_HEAD = f"(?:{_EXACT}|{_LOOSE})"
_CHAR = r"[A-Za-z0-9_\-.+/]"
_ESCAPE = r"(?:\x1b|\\(?:x1[bB]|033|e|u001[bB]))?\[[0-9;]{0,12}m"
_LINE = r"\\?[ \t]{0,8}(?:\r?\n|\\{1,2}n)(?:[ \t>|#*+]{0,40}|[ \t]{0,16}//[ \t]?)"
_CODE = (
    r"\\?[\"'`][ \t\r\n]{0,4}(?:[,+.&]|\|\|)?[ \t]{0,4}\\?(?:\r?\n)?[ \t]{0,40}[+.&]?[ \t]{0,4}"
    r"[fbru]?\\?[\"'`]"
)
_MARKS = r"[*~`]{1,3}|</?[a-z]{1,8}>"
_TIGHT = rf"{_CODE}|(?:{_ESCAPE}){{1,3}}|{_MARKS}"
_GLUE = f"(?:{_TIGHT}|{_LINE}| )"
_SEAM = re.compile(f"(?:{_TIGHT}|({_LINE}| ))({_CHAR}*)")
_CHARS = ascii_letters + digits + "_-.+/"
_PLAIN = re.compile(r"[A-Za-z][a-z]{2,}(?:[\-/.][a-z]+)*[.\-/]*|[A-Za-z]?[.\-]?")
_BEGINS = re.compile(_HEAD)


def _token_end(run: str) -> int:
    """To where the pieces belong to one token: what lines or spaces part is all as long as the
    second piece, but for the first and the last."""
    first = len(run) - len(run.lstrip(_CHARS))
    end, size, last = first, 0, False
    while not last and (seam := _SEAM.match(run, end)) is not None:
        parted, piece = seam.groups()
        if parted:
            most = first if parted == " " else size or len(piece)
            begins = _BEGINS.match(piece) and run[end - 1] != "."  # as a JWT's payload does
            if begins or len(piece) > most or _is_word(piece, size or first):
                break
            size, last = most, len(piece) < most
        end = seam.end()
    return end


def _is_word(piece: str, size: int) -> bool:
    """Whether it is a word that is not as long as a piece."""
    return len(piece) != size and _PLAIN.fullmatch(piece) is not None


def _token(run: str) -> Iterator[str]:
    made = re.sub(_GLUE, "", run)
    loose = re.match(_LOOSE, made) and sum(map(str.isdigit, made)) < _DIGITS
    if made != run and not loose:
        yield made


_QUOTED = r"[\"'][ \t\r\n]*(?:[+.&\\]|\|\|)?[ \t\r\n]*[\"']"
_LISTED = r"[\"'][ \t\r\n]*,[ \t\r\n]*[\"']"


def _number(run: str) -> Iterator[str]:
    number = "".join(filter(str.isdigit, run))
    if is_issued(number) and is_card(number):
        yield number


_UNITS = "zero one two three four five six seven eight nine".split()  # noqa: SIM905
_TEENS = (
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
_SAID = {
    **{word: str(value) for value, word in enumerate([*_UNITS, *_TEENS])},
    **{word: str(value) for value, word in enumerate(_TENS, 2)},
    "oh": "0",
    "o": "0",
    "fourty": "4",
}
_NAME = "(?:" + "|".join(sorted(_SAID, key=len, reverse=True)) + ")"
_HIGH = "(?:" + "|".join([*_TEENS, *_TENS, "fourty"]) + ")"
_SPACE = r"[ ,.;/\r\n\-]{1,3}"


def _tens(run: str) -> Iterator[str]:
    """Numbers of two digits in words, also as `forty` and `one`."""
    words = re.findall("[a-z]+", run.lower())
    found = ""
    for place, word in enumerate(words):
        found += _SAID[word]
        following = words[place + 1 : place + 2]
        if (word in _TENS or word == "fourty") and not (following and following[0] in _UNITS[1:]):
            found += "0"
    yield from _number(found)


def _short_lines(run: str) -> Iterator[str]:
    """Base64 in lines shorter than a run that is decoded by itself."""
    found = views.decode("".join(re.findall("[A-Za-z0-9+/]+", run)))
    if found is not None:
        yield found


_MOST_OF_LINE = 45


def _uuencoded(run: str) -> Iterator[str]:
    """Lines that begin with their length (POSIX uuencode)."""
    octets = b""
    for line in run.splitlines():
        size = (ord(line[0]) - 32) & 63 if line else 0
        if 0 < size <= _MOST_OF_LINE and len(line.rstrip()) <= 1 + (size + 2) // 3 * 4 + 1:
            try:
                octets += binascii.a2b_uu(line)
            except binascii.Error:
                continue
    yield octets.decode("utf-8", "replace")


def _escapes(run: str) -> Iterator[str]:
    """Escapes of two or three digits, in octal as in C or in hexadecimal as in CSS."""
    codes = re.findall(r"[0-9A-Fa-f]+", run)
    for base in (8, 16):
        try:
            yield "".join(chr(int(code, base)) for code in codes)
        except ValueError:
            continue


_CALL = r"(?i:n?cha?r)w?\(\s?(?:0x)?[0-9A-Fa-f]{2,4}\s?\)"
_AND = r"[ \t\r\n]{0,4}(?:[+.&,]|\|\|)[ \t\r\n]{0,4}"


def _calls(run: str) -> Iterator[str]:
    codes = re.findall(r"\(\s?(0[xX][0-9A-Fa-f]+|[0-9]+)", run)
    yield "".join(chr(int(code, 0)) for code in codes if not code.isdigit() or code[0] != "0")


_RUN = "[A-Za-z0-9+/]"
_BREAK = r"(?:\r?\n|\\{1,2}n)[ \t>]{0,16}"

BROKEN = (
    Disguise(
        "broken_token",
        rf"\b{_HEAD}",
        rf"\b{_HEAD}{_CHAR}*(?:{_GLUE}{_CHAR}+)+",
        _token,
        reach=_token_end,
        mends=True,
    ),
    Disguise(
        "broken_number",
        rf"[0-9]{_QUOTED}[0-9]|join\(\s*[\[(]?\s*[\"'][0-9]",
        rf"[0-9]+(?:{_QUOTED}[0-9]+)+|join\(\s*[\[(]?\s*[\"'][0-9]+(?:{_LISTED}[0-9]+)+",
        _number,
        rough=NUMBER,
    ),
    Disguise(
        "tens",
        rf"(?i)\b{_HIGH}{_SPACE}(?:{_NAME}{_SPACE}){{5}}",
        rf"(?i)\b{_NAME}(?:{_SPACE}{_NAME}){{6,20}}\b",
        _tens,
    ),
    Disguise(
        "short_lines",
        rf"(?:\n|\\n)[ \t>]*{_RUN}*[a-z0-9+/][A-Z+/]{_RUN}*(?:\r?\n|\\{{1,2}}n)",
        rf"{_RUN}{{4,17}}(?:{_BREAK}{_RUN}{{4,17}})+(?:{_BREAK}{_RUN}{{1,3}})?={{0,2}}",
        _short_lines,
    ),
    Disguise(
        "uuencoded",
        r"\bbegin [0-7]{3,4} ",
        r"\bbegin [0-7]{3,4} [^\n]*\n(?:[!-`][ -`]{0,61}\r?\n?)+",
        _uuencoded,
    ),
    Disguise(
        "escaped",
        r"(?:\\[0-9A-Fa-f]{2,3} ?){6}",
        r"(?:\\[0-9A-Fa-f]{2,3} ?){12,}",
        _escapes,
        rough=NUMBER,
    ),
    Disguise("calls", rf"{_CALL}{_AND}(?i:n?cha?r)w?\(", rf"{_CALL}(?:{_AND}{_CALL})+", _calls),
)
