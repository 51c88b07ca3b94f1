"""Puts texts in the place of others, in a text that arrives in pieces.

The longest one that may stand at a place is taken, the leftmost first. So what is given out never
depends on where the pieces were cut, and never more is held back than the longest text there is.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from situs.analysis.texts import Unchangeable

TOO_MUCH = "too_much"
_NEXT = 3
_HEX = "[0-9a-fA-F]"
_HIGH = f"u[dD][89abAB]{_HEX}{{2}}"
_UNIT = re.compile(
    rf"(?P<plain>[^\\]+)|(?P<pair>\\{_HIGH}\\u[dD][c-fC-F]{_HEX}{{2}})"
    rf"|(?P<open>\\(?:{_HIGH}(?:\\(?:u(?:[dD](?:[c-fC-F]{_HEX}{{0,1}})?)?)?)?|u{_HEX}{{0,3}})?\Z)"
    rf'|(?P<escape>\\(?:u{_HEX}{{4}}|["\\/bfnrt]))|(?P<lone>\\)'
)
"""The characters of JSON source (RFC 8259, section 7), and an escape that is not yet whole."""

QUOTE = "\uffff"
"""Where a string begins or ends in JSON source: in no text, so nothing reaches over it."""


class Pair(Struct, frozen=True):
    """`there` becomes `here`.

    `bounded`: only where no letter or digit of the same word stands beside it; `inflects`: but
    letters may follow (*Johnsons*). `loose`: in any case. `why` is what it is counted as.
    `answers`: only on the way back.
    """

    there: str
    here: str
    bounded: bool = True
    loose: bool = False
    inflects: bool = False
    why: str = ""
    answers: bool = False

    def __repr__(self) -> str:
        return "Pair(...)"


class Swaps:
    """What stands for what; of several pairs for one text the first holds."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._exact: dict[str, Pair] = {}
        self._loose: dict[str, Pair] = {}
        for pair in pairs:
            if pair.there:
                self._exact.setdefault(pair.there, pair)
                if pair.loose:
                    self._loose.setdefault(_fold(pair.there), pair)
        self._keys = sorted({_fold(one) for one in self._exact})
        sizes = {len(one) for one in self._exact}
        self.longest = max(sizes, default=0)
        self._first = min(_NEXT, *sizes, _NEXT)
        self._sizes: dict[str, dict[int, None]] = {}
        for one in sorted(self._keys, key=len, reverse=True):
            self._sizes.setdefault(one[: self._first], {})[len(one)] = None
        self._heads = re.compile("|".join(map(re.escape, sorted(self._sizes))) or r"(?!)")

    def __repr__(self) -> str:
        return f"Swaps({len(self._exact)} texts)"

    def __len__(self) -> int:
        return len(self._exact)

    def texts(self) -> Iterable[str]:
        return self._exact.keys()

    def swapped(self, text: str, *, source: bool = False) -> str:
        """A whole text at once."""
        swapper = Swapper(self, source=source)
        return swapper.feed(text) + swapper.close()

    def begins(self, folded: str, place: int, over: bool) -> int:
        """The next place where one of them begins, or may begin where the text ends too early."""
        match = self._heads.search(folded, place)
        if match is not None:
            return match.start()
        end = len(folded)
        if not over:
            for late in range(max(place, end - self._first + 1), end):
                if self.may_go_on(folded, late):
                    return late
        return end

    def may_go_on(self, folded: str, place: int) -> bool:
        """Whether all from there on is the beginning of one of them, or one itself."""
        if len(folded) - place > self.longest:
            return False
        rest = folded[place:]
        index = bisect_left(self._keys, rest)
        return index < len(self._keys) and self._keys[index].startswith(rest)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where they stand in a whole text."""
        folded, place = _fold(text), 0
        while (place := self.begins(folded, place, over=True)) < len(text):
            found = self.longest_at(text, folded, place, text[place - 1] if place else "")
            if found is not None:
                yield place, place + found[0]
            place += 1 if found is None else found[0]

    def steps(self, folded: str, place: int) -> int:
        """Characters that `longest_at` may have to look at there."""
        return sum(self._sizes.get(folded[place : place + self._first], ()))

    def longest_at(
        self, text: str, folded: str, place: int, before: str
    ) -> tuple[int, Pair, str] | None:
        """The longest that stands there: its size, and what is put in its place."""
        for size in self._sizes.get(folded[place : place + self._first], ()):
            piece = text[place : place + size]
            if len(piece) < size:
                continue
            pair = self._exact.get(piece)
            loose = pair is None
            if pair is None:
                pair = self._loose.get(folded[place : place + size])
            if pair is None:
                continue
            behind = text[place + size : place + size + 1]
            ends = _count_on if pair.inflects else joins
            if pair.bounded and (joins(before, piece[0]) or ends(piece[-1], behind)):
                continue
            return size, pair, _cased(pair.here, piece) if loose else pair.here
        return None


class Swapper:
    """One text on its way; `source` says that it is JSON source, whose escapes are read.

    What is put into JSON source is escaped. Raises Unchangeable after `most` steps; a step takes
    about a nanosecond.
    """

    def __init__(self, swaps: Swaps, *, source: bool = False, most: int | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.steps = 0
        self._most = most
        self._swaps = swaps
        self._source = source
        self._before = ""
        self._text = ""
        self._raws: list[str] = []
        self._open = ""

    def feed(self, text: str) -> str:
        """As much of what arrived as may go on."""
        self._take(text)
        return self._advance(over=False)

    def close(self) -> str:
        """What was held back. Afterwards a new text begins."""
        rest, self._open = self._open, ""
        self._text += rest
        self._raws += rest
        told = self._advance(over=True)
        self._before = ""
        return told

    def _take(self, text: str) -> None:
        if not self._source:
            self._text += text
            return
        found, raws, self._open = units(self._open + text)
        self._text += found
        self._raws += raws

    def _advance(self, *, over: bool) -> str:
        swaps, text = self._swaps, self._text
        folded, end, place = _fold(text), len(text), 0
        out: list[str] = []
        while place < end:
            at = swaps.begins(folded, place, over)
            out.append(self._raw(place, at))
            place = at
            if at == end or (not over and swaps.may_go_on(folded, at)):
                break
            self.steps += swaps.steps(folded, at)
            if self._most is not None and self.steps > self._most:
                raise Unchangeable(TOO_MUCH)
            found = swaps.longest_at(text, folded, at, text[at - 1] if at else self._before)
            if found is None:
                out.append(self._raw(at, at + 1))
                place = at + 1
                continue
            size, pair, here = found
            out.append(escaped(here) if self._source else here)
            self.counts[pair.why] += 1
            place = at + size
        self._before = text[place - 1] if place else self._before
        self._text, self._raws = text[place:], self._raws[place:]
        return "".join(out)

    def _raw(self, start: int, end: int) -> str:
        return "".join(self._raws[start:end]) if self._source else self._text[start:end]


def units(source: str) -> tuple[str, list[str], str]:
    """What JSON source says, the source of each of its characters, and an escape at its end that
    is not yet whole. A quote at which a string begins or ends is `QUOTE`."""
    found: list[str] = []
    raws: list[str] = []
    for match in _UNIT.finditer(source):
        raw = match.group()
        if match.lastgroup == "open":
            return "".join(found), raws, raw
        if match.lastgroup in ("plain", "lone"):
            found.append(raw.replace('"', QUOTE))
            raws += raw
        else:
            found.append(json.loads(f'"{raw}"'))
            raws.append(raw)
    return "".join(found), raws, ""


def escaped(text: str, *, ascii_only: bool = False) -> str:
    """As it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def plain(source: str, start: int, end: int) -> tuple[str, str, str]:
    """What `start:end` of JSON source says, and the characters before and behind it."""
    before, inside, behind = "", "", ""
    place = 0
    for match in _UNIT.finditer(source):
        raw = match.group()
        units = [raw] if match.lastgroup in ("pair", "escape") else list(raw)
        for unit in units:
            char = json.loads(f'"{unit}"') if len(unit) > 1 else unit
            if place + len(unit) <= start:
                before = char
            elif place < end:
                inside += char
            else:
                return inside, before, char
            place += len(unit)
    return inside, before, behind


def joins(one: str, other: str) -> bool:
    """Whether two neighbours belong to one word. In scripts without case nothing does."""
    return bool(one and other) and _in_word(one) and _in_word(other)


def _count_on(one: str, other: str) -> bool:
    """Whether two neighbours belong to one number."""
    return one.isdecimal() and other.isdecimal()


def _in_word(char: str) -> bool:
    return char.isdecimal() or (char.isalpha() and char.lower() != char.upper())


def _cased(text: str, like: str) -> str:
    if like.isupper():
        return text.upper()
    return text.lower() if like.islower() else text


def _fold(text: str) -> str:
    """In lower case, character by character: the places stay the same."""
    return text.lower() if text.isascii() else "".join(map(_low, text))


def _low(char: str) -> str:
    low = char.lower()
    return low if len(low) == 1 else char
