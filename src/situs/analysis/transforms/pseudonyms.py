"""What stands for a value: of the same form, and never something real where that can be had.

Equal values have equal pseudonyms under one key; different values have different ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from situs.analysis.sensitivity.money import is_card, is_iban, luhn
from situs.analysis.texts import Unchangeable
from situs.analysis.transforms.shapes import (
    Draw,
    another,
    decimals,
    filled,
    is_sign,
    opaque,
    stretches,
    word,
)

_ATTEMPTS = 64
_ESCAPED = re.compile(
    r"%[0-9A-Fa-f]{2}|=[0-9A-F]{2}=|\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|u\{)|&#?\w{1,8};"
)
_NUMBERS = re.compile(r"\d+(?:, \d+)+")
"""Numbers of a list: none of them may begin with a zero."""
_ARMOUR = re.compile(r"(-{4,}[A-Z0-9 ]+-{4,})")
_TEST_CARDS = (
    ("4", "400000"),
    ("3[47]", "378282"),
    ("3[0689]", "305693"),
    ("35", "356600"),
    ("60|64|65|81|82|508", "601111"),
    ("62", "620000"),
    ("50|5[6-8]|63|67", "639000"),
    ("5|2", "555555"),
)
"""Leading digits of an issuer's cards, and those of its cards for tests: none of them is issued."""
_ANY_CARD = "9"
_DOMAINS = ("example.org", "example.com")
_PARTICLES = frozenset(
    """
    of and the for in on at de la le les du des di da del della do dos das der den von van zu zum
    am im und et y e a an bin ibn al el ter ten af av og i och
    """.split()  # noqa: SIM905 - a hundred quotes would hide the words
)
_KEPT = frozenset(
    """
    street st road rd avenue ave lane ln drive dr court ct place pl square sq boulevard blvd way
    terrace close crescent highway hwy suite unit apt floor level box po rue place allee chemin via
    viale piazza calle plaza avenida rua platz strasse weg allee gasse straat laan inc incorporated
    corp corporation co company ltd limited llc llp lp plc gmbh ag kg se sa sas sarl srl spa bv nv
    ab as oy aps kk pty bank group holding holdings hospital clinic university school college
    institute department ministry council association foundation mr mrs ms miss dr prof sir
    """.split()  # noqa: SIM905
)
"""Words that say what kind of thing it is, and not which."""

Make = Callable[[str, Draw], str | None]
"""A value and where to draw from; None: it has not the form that it should have."""


class Pseudonyms:
    """Invents them for one request; `taken` says what may not be invented."""

    def __init__(self, taken: Callable[[str], bool]) -> None:
        self._taken = taken
        self._made: dict[tuple[bytes, str, str], str] = {}
        self._words: dict[tuple[bytes, str], str] = {}
        self._whose: dict[str, str] = {}
        self._lower: dict[str, str] = {}

    def of(self, kind: str, value: str, key: bytes) -> str:
        """Raises Unchangeable where nothing can be invented."""
        known = self._made.get((key, kind, value))
        if known is None:
            known = self._made[key, kind, value] = self._invented(kind, value, key)
        return known

    def word(self, one: str, key: bytes) -> str:
        """What stands for a word of a name, wherever it stands."""
        known = self._words.get((key, one.lower()))
        if known is None:
            for attempt in range(_ATTEMPTS):
                known = word(one.lower(), Draw(key, "word", one.lower(), str(attempt)))
                if len(known) == 1 or self._free(known, one.lower()):
                    break
            else:
                raise Unchangeable("no_pseudonym")
            self._words[key, one.lower()] = known
        if one.isupper() and len(one) > 1:
            return known.upper()
        return known if one[0] == one[0].lower() else known.capitalize()

    def knows(self, one: str, key: bytes) -> bool:
        """Whether something stands for this word already."""
        return (key, one.lower()) in self._words

    def _invented(self, kind: str, value: str, key: bytes) -> str:
        same = value
        if kind in _ANY_FORM:
            same = "".join(filter(str.isalnum, value)).casefold() or value
        elif kind == "email":
            same = value.casefold()
        for attempt in range(_ATTEMPTS):
            draw = Draw(key, kind, same, str(attempt))
            made = self._attempt(kind, value, draw, key, attempt)
            if made is not None and self._free(made, value, kind in WORDED):
                return made
        raise Unchangeable("no_pseudonym")

    def _attempt(self, kind: str, value: str, draw: Draw, key: bytes, attempt: int) -> str | None:
        if _ESCAPED.search(value) or any(map(is_sign, value)):
            return _token(draw)
        if _NUMBERS.fullmatch(value):
            return opaque(value, draw)
        if kind in WORDED and attempt < _ATTEMPTS // 2:
            again = f"{key.hex()}{attempt}".encode() if attempt else key
            return _worded(value, draw, lambda one: self.word(one, again))
        made = _MAKE.get(kind, opaque)(value, draw)
        return opaque(value, draw) if made is None else made

    def _free(self, made: str, value: str, worded: bool = False) -> bool:
        """Whether it may stand for the value; then nothing else may have it. What is made of words
        that nobody else has is another one in another case."""
        low = made.lower()
        if low == value.lower() or self._taken(made):
            return False
        mine = self._whose.setdefault(made, value) == value
        return mine and (worded or self._lower.setdefault(low, value.lower()) == value.lower())


def _token(draw: Draw) -> str:
    """For what stands in escapes or in signs, whatever its form is."""
    return opaque("a0" * 8, draw)


def _worded(value: str, draw: Draw, of: Callable[[str], str]) -> str | None:
    """Word by word: what names something is another word, what says what it is stays.

    Small words between great ones stay too. Where all would stay, nothing does.
    """
    words = [one for kind, one in stretches(value) if kind == "letters"]
    great = any(one[0] != one[0].lower() for one in words)
    stays = {one for one in words if _stays(one, great)}
    if stays.issuperset(words):
        stays = set()
    parts: list[str] = []
    for kind, one in stretches(value):
        if kind == "letters" and one not in stays:
            one = of(one)
        elif kind == "digits":
            one = "".join(another(char, draw, first=not at) for at, char in enumerate(one))
        parts.append(one)
    return "".join(parts) if words else None


def _stays(one: str, great: bool) -> bool:
    low = one.lower()
    return low in _KEPT or (great and one == low and low in _PARTICLES)


def _email(value: str, draw: Draw) -> str | None:
    local, at, domain = value.rpartition("@")
    if not (local and at and domain):
        return None
    words = (one if one.isascii() else "xxx" for one in (local, domain))
    name, site = (_label(one, draw) for one in words)
    made = f"{name}@{site.partition('.')[0]}.{draw.one_of(_DOMAINS)}"
    return made.upper() if value.isupper() else made


def _label(text: str, draw: Draw) -> str:
    """Words in lower case for the words, digits for the digits, and what stands between."""
    parts: list[str] = []
    for kind, one in stretches(text):
        if kind == "letters":
            one = word("xxx", draw)
        elif kind == "digits":
            one = draw.digits(len(one))
        parts.append(one if one.isalnum() else "." if one == "." else "-")
    return "".join(parts).strip(".-") or word("xxx", draw)


def _phone(value: str, draw: Draw) -> str | None:
    """The country and the beginning stay; at least six digits do not."""
    known = decimals(value)
    kept = 3 if value.lstrip().startswith("+") else 5 if known.startswith("00") else 2
    kept = max(0, min(kept, len(known) - _NEW_DIGITS))
    if not known:
        return None
    size = max(len(known), _NEW_DIGITS) - kept
    made = filled(value, known[:kept] + draw.digits(len(known) - kept))
    return made + draw.digits(size - (len(known) - kept))


_NEW_DIGITS = 6


def _card(value: str, draw: Draw) -> str | None:
    """The issuer's cards for tests, the same length, a right check digit (ISO/IEC 7812)."""
    known = decimals(value)
    if not is_card(known):
        return None
    start = next((test for lead, test in _TEST_CARDS if re.match(lead, known)), _ANY_CARD)
    body = start + draw.digits(len(known) - len(start) - 1)
    check = next(digit for digit in "0123456789" if luhn(body + digit))
    return filled(value, body + check)


def _iban(value: str, draw: Draw) -> str | None:
    """The same country and right check digits (ISO 13616)."""
    if not is_iban(value) or not value.isascii():
        return None
    known = "".join(filter(str.isalnum, value)).upper()
    account = "".join(another(char, draw) for char in known[4:])
    number = "".join(str(int(char, 36)) for char in f"{account}{known[:2]}00")
    return filled(value, f"{known[:2]}{98 - int(number) % 97:02}{account}", str.isalnum)


def _ip(value: str, draw: Draw) -> str:
    """From the addresses for benchmarks (RFC 2544) and for documentation (RFC 3849)."""
    if ":" in value:
        return "2001:db8:" + ":".join(f"{draw.below(1 << 16):x}" for _ in range(6))
    return f"198.{18 + draw.below(2)}.{draw.below(256)}.{draw.below(256)}"


def _date(value: str, draw: Draw) -> str | None:
    """Another date written alike; what may be a month stays one, also where it is a day."""
    groups = re.findall(r"\d+", value)
    if not groups or any(len(one) not in (1, 2, 4) or not one.isascii() for one in groups):
        return None
    if any(not one.isascii() and _month(one) is None for one in _LETTERS.findall(value)):
        return None

    def other(match: re.Match[str]) -> str:
        shown = match.group()
        if shown.isalpha():
            return _another_month(shown, draw)
        number = int(shown)
        if len(shown) == 4:
            return str(1930 + draw.below(80))
        low, high = (1, 12) if number <= 12 else (13, 28) if number <= 31 else (32, 99)
        width = len(shown) if shown[0] == "0" or number > 9 else 1
        high = min(high, 9) if width == 1 else high
        return str(low + draw.below(high - low + 1)).zfill(width)

    return re.sub(rf"\d+|{_LETTERS.pattern}", other, value)


_LETTERS = re.compile(r"[^\W\d_]+")
_MONTHS = tuple(
    tuple(names.split())
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "jan feb mär apr mai jun jul aug sep okt nov dez",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv févr mars avr mai juin juil août sept oct nov déc",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene feb mar abr may jun jul ago sep oct nov dic",
        (
            "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
            "dicembre"
        ),
        "gen feb mar apr mag giu lug ago set ott nov dic",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "jan fev mar abr mai jun jul ago set out nov dez",
        "januari februari maart april mei juni juli augustus september oktober november december",
    )
)
"""Their names and how these are shortened, by language."""


def _month(shown: str) -> tuple[str, ...] | None:
    """All months as this one is called, if it is one."""
    return next((names for names in _MONTHS if shown.lower() in names), None)


def _another_month(shown: str, draw: Draw) -> str:
    names = _month(shown)
    if names is None:
        return shown
    made = draw.one_of(names)
    if shown.isupper():
        return made.upper()
    return made if shown[0].islower() else made.capitalize()


def _url(value: str, draw: Draw) -> str:
    scheme, parted, _ = value.partition("://")
    site = f"{word('xxx', draw)}.{draw.one_of(_DOMAINS)}/{word('xxx', draw)}"
    return f"{scheme}://{site}" if parted else site


def _armoured(value: str, draw: Draw) -> str:
    """A key between its header and its footer."""
    parts = _ARMOUR.split(value)
    if not any(char.isalnum() for part in parts[::2] for char in part):
        return opaque(value, draw)
    return "".join(
        part if place % 2 or not part.strip() else opaque(part, draw)
        for place, part in enumerate(parts)
    )


def _number(value: str, draw: Draw) -> str | None:
    """The same, whatever stands between its digits."""
    known = "".join(filter(str.isalnum, value))
    made = opaque(known, draw) if known else ""
    return filled(value, made, str.isalnum) if known and len(made) == len(known) else None


_MAKE: Final[dict[str, Make]] = {
    "email": _email,
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "ip": _ip,
    "date": _date,
    "date_of_birth": _date,
    "url": _url,
    "private_key": _armoured,
    **dict.fromkeys(("bank_account", "national_id", "health_id", "company_id"), _number),
}
"""For all other kinds letters stay letters and digits digits."""

WORDED: Final = frozenset({"person", "address", "organisation", "location"})
"""Kinds whose values are words."""

SECRET: Final = frozenset({"credential", "private_key", "crypto_wallet"})
"""Kinds in which a letter in another case is another value."""

_ANY_FORM: Final = frozenset(
    {"phone", "card", "iban", "bank_account", "national_id", "health_id", "company_id"}
)
"""Kinds whose values are the same with other signs between their digits."""
