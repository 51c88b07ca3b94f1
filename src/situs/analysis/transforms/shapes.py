"""Invented texts that look like the ones they stand for, drawn from a key."""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from string import ascii_lowercase, ascii_uppercase, digits

from situs.analysis.transforms.letters import SIGNS, SOUNDS

_SYLLABLES = 3
_BLOCK = 128
_LEAST = 6
_HEX = re.compile("[0-9a-f]+|[0-9A-F]+")


class Draw:
    """Numbers that follow from a key and some words, without end."""

    def __init__(self, key: bytes, *what: str) -> None:
        name = "\0".join(what).encode("utf-8", "surrogatepass")
        self._seed = hmac.digest(key, name, "sha256")
        self._blocks = 0
        self._left = b""

    def below(self, most: int) -> int:
        if len(self._left) < 4:
            self._blocks += 1
            self._left = hmac.digest(self._seed, self._blocks.to_bytes(4, "big"), "sha256")
        number, self._left = int.from_bytes(self._left[:4], "big"), self._left[4:]
        return number % most

    def one_of(self, options: Sequence[str]) -> str:
        return options[self.below(len(options))]

    def digits(self, count: int) -> str:
        return "".join(self.one_of(digits) for _ in range(count))


def opaque(text: str, draw: Draw) -> str:
    """Every letter and digit another of its class; what would be too short grows."""
    inside = "".join(filter(str.isalnum, text))
    hexadecimal = bool(_HEX.fullmatch(inside)) and not inside.isdecimal()
    made: list[str] = []
    weight, last = 0, -1
    for place, char in enumerate(text):
        new = another(char, draw, hexadecimal, first=place == 0 or not text[place - 1].isalnum())
        made.append(new)
        if char.isalnum():
            weight, last = weight + (2 if ord(char) > _BLOCK else 1), place
    if last < 0:
        return word("xxx", draw)
    while weight < _LEAST:
        made.insert(last + 1, another(text[last], draw, hexadecimal))
        weight += 1
    return "".join(made)


def another(char: str, draw: Draw, hexadecimal: bool = False, *, first: bool = False) -> str:
    """A character of the same class; a number that does not begin with 0 still does not."""
    if char.isdecimal():
        zero = ord(char) - unicodedata.decimal(char)
        if first:
            return char if ord(char) == zero else chr(zero + 1 + draw.below(9))
        return chr(zero + draw.below(10))
    if not char.isalpha():
        return char
    if char.isascii():
        letters = ascii_lowercase if char.islower() else ascii_uppercase
        return draw.one_of(letters[:6] if hexadecimal else letters)
    start = ord(char) // _BLOCK * _BLOCK
    kind = unicodedata.category(char)
    alike = [char for char in map(chr, range(start, start + _BLOCK)) if _is(char, kind)]
    return draw.one_of(alike) if alike else char


def _is(char: str, kind: str) -> bool:
    """Of this category, and one character in either case."""
    return unicodedata.category(char) == kind and len(char.upper()) == len(char.lower()) == 1


def filled(text: str, characters: str, belongs: Callable[[str], bool] = str.isdecimal) -> str:
    """`text` with other characters in the places of those that belong, in the same digits."""
    source = iter(characters)
    made = []
    for char in text:
        if not belongs(char):
            made.append(char)
            continue
        new = next(source)
        if char.isdecimal() and new.isdecimal():
            new = chr(ord(char) - unicodedata.decimal(char) + int(new))
        made.append(new.lower() if char.islower() else new)
    return "".join(made)


def decimals(text: str) -> str:
    """Its digits, of whatever script, as 0 to 9."""
    return "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())


def is_sign(char: str) -> bool:
    """Whether it is a sign that may stand for a letter or a number and has no others like it."""
    return not char.isascii() and unicodedata.category(char) in ("No", "Nl", "So")


def stretches(text: str) -> Iterator[tuple[str, str]]:
    """`letters`, `digits` and `other`, with what stands there."""
    for kind, run in groupby(text, _class):
        yield kind, "".join(run)


def _class(char: str) -> str:
    if char.isalpha() or unicodedata.category(char)[0] == "M":
        return "letters"
    return "digits" if char.isdecimal() else "other"


def word(like: str, draw: Draw) -> str:
    """An invented word of the same script and case; of an initial, another initial."""
    if len(like) == 1 and like.isascii():
        return another(like, draw)
    script = _script(like)
    sounds = SOUNDS.get(script)
    if sounds is None:
        signs = like if len(like) > 1 else like * 2
        return "".join(_sign(char, draw) for char in signs)
    first, second, last = sounds
    made = "".join(draw.one_of(first) + draw.one_of(second) for _ in range(_SYLLABLES))
    made += draw.one_of(last)
    if like.isupper() and len(like) > 1:
        return made.upper()
    return made if like[0].islower() else made.capitalize()


def _script(text: str) -> str:
    return unicodedata.name(text[0], "").partition(" ")[0].lower()


def _sign(char: str, draw: Draw) -> str:
    if not char.isalpha():
        return char
    signs = SIGNS.get(_script(char))
    return draw.one_of(signs) if signs else another(char, draw)
