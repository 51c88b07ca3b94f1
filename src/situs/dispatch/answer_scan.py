"""Looks at an answer on its way to the caller: what is found stops it, is taken out, or is counted.

What is given out has been looked at together with what stands before and behind it, so what was cut
into pieces is found. Held back are twice `HELD` characters at most, besides what is found until it
is whole, and an unbroken run such as a token, up to `LONGEST` characters.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from situs.analysis.entry import LIKELY
from situs.analysis.sensitivity import merged, scan
from situs.analysis.sensitivity.scan import UNREAD
from situs.analysis.transforms.carry_out import KEY_FOOT, KEY_HEADS
from situs.analysis.transforms.survivors import covered, marked
from situs.analysis.transforms.swap import QUOTE, Pair, Swaps, units
from situs.core.decision import Obligation
from situs.core.heads import Heads
from situs.core.label import Finding, Label
from situs.core.snapshot import Labels
from situs.errors import AnswerStopped

ANSWER_SCAN: Final = "answer_scan"
HELD: Final = 128
LONGEST: Final = 2048

_STEP = 128
_LARGEST_STEP = 2048
_BEFORE = 320
_FOOT = 128
_RUN = string.ascii_letters + string.digits + "+/_-.=~%"
_ACTIONS = ("note", "redact", "stop")


class Sought(Struct, frozen=True):
    """What is looked for in an answer, and what is done with it.

    `table` are the detectors (None: the standard ones), `names` finds persons and the like where
    these are sought, `own` is what Situs put into the request in place of something.
    """

    owed: tuple[Obligation, ...]
    floors: Mapping[str, Label]
    table: Any = None
    names: Callable[[Sequence[str]], list[Finding]] | None = None
    own: Swaps | None = None

    def action(self, kind: str) -> str | None:
        """The strictest that is asked for; None where this kind is not looked for."""
        return _strictest(self.owed, self.floors, kind)

    def found(self, text: str) -> list[Finding]:
        """In order, none overlapping another."""
        findings = scan([text], dict(self.floors), table=self.table).findings
        if self.names is not None:
            likely = [one for one in self.names([text]) if one.score >= LIKELY]
            findings, _ = merged(findings, likely)
        found = [one for one in findings if self.action(one.kind) is not None]
        if not found or self.own is None:
            return found
        marks = marked(self.own, text)
        return [one for one in found if not covered(text, marks, one.start, one.end)]


def sought(
    owed: Sequence[Obligation], labels: Labels, tenant: str, heads: Heads, own: Sequence[str]
) -> Sought | None:
    """What these obligations ask for; None where one of them asks for what nothing here can find.

    Without kinds it is whatever makes a text confidential.
    """
    scans = tuple(one for one in owed if one.kind == ANSWER_SCAN)
    named = any(_strictest(scans, labels.floors, kind) for kind in heads.name_kinds)
    if named and heads.names is None:
        return None
    pairs = [Pair(text, text, bounded=False, loose=True) for text in own]
    return Sought(
        owed=scans,
        floors=labels.floors,
        table=labels.table_of(tenant),
        names=heads.names if named else None,
        own=Swaps(pairs) if pairs else None,
    )


def _strictest(owed: Sequence[Obligation], floors: Mapping[str, Label], kind: str) -> str | None:
    high = floors.get(kind, Label.RESTRICTED) >= Label.CONFIDENTIAL
    asked = [one.action for one in owed if (kind in one.findings if one.findings else high)]
    if kind == UNREAD:
        asked = [one.action for one in owed]
    return max(asked, key=_ACTIONS.index, default=None)


class AnswerScan:
    """One text of an answer; see `dispatch.mend.Filter`.

    With `json` the text is JSON source and stays it: a placeholder goes into a string, 0 in the
    place of a number. Both what is looked at and what that costs grow with the text, no faster.
    """

    def __init__(self, sought: Sought, *, json: bool = False) -> None:
        self._sought = sought
        self._json = json
        self._waiting = ""
        self._open = ""
        self._text = ""
        self._raws: list[str] = []
        self._gone = 0
        self._in_string = False
        self._within = False
        self._in_key = False
        self._count = 0

    @property
    def applied(self) -> dict[str, int]:
        return {ANSWER_SCAN: self._count}

    def feed(self, text: str) -> str:
        """Raises AnswerStopped where something is found that is to stop it."""
        self._waiting += text
        out = []
        while len(self._waiting) >= max(_STEP, len(self._text) // 8):
            self._take(self._waiting[:_LARGEST_STEP])
            self._waiting = self._waiting[_LARGEST_STEP:]
            out.append(self._advance(over=False))
        return "".join(out)

    def close(self) -> str:
        """What is there. If the text goes on all the same, it is looked at together with this."""
        self._take(self._waiting)
        self._waiting = ""
        if self._open:
            self._text += self._open
            self._raws += self._open
            self._open = ""
        return self._advance(over=True) if self._gone < len(self._text) else ""

    def _take(self, text: str) -> None:
        if not self._json:
            self._text += text
            return
        found, raws, self._open = units(self._open + text)
        self._text += found
        self._raws += raws

    def _advance(self, *, over: bool) -> str:
        """What may go on of what is there now; the rest, and something before it, stays."""
        skipped = self._rest_of_key() if self._in_key else ""
        found = [self._whole(one) for one in self._sought.found(self._text.replace(QUOTE, '"'))]
        cut = len(self._text) if over else self._cut(found)
        out = skipped + self._given(found, cut)
        begin = _before(self._text, self._gone - _BEFORE, 0)
        self._text, self._raws = self._text[begin:], self._raws[begin:]
        self._gone -= begin
        return out

    def _whole(self, found: Finding) -> Finding:
        """A key goes on to its last line, or to the end of what is there."""
        text, end = self._text, found.end
        if found.detector in KEY_HEADS and not KEY_FOOT.search(text, found.start, end):
            end = self._end_of_key(end) or len(text)
        return Finding(found.kind, 0, found.start, max(end, found.end), found.score, found.detector)

    def _end_of_key(self, place: int) -> int | None:
        """Behind its last line, or at the end of the JSON string that it stands in."""
        foot = KEY_FOOT.search(self._text, place)
        ends = [] if foot is None else [foot.end()]
        quote = self._text.find(QUOTE, place)
        return min([*ends, quote] if quote >= 0 else ends, default=None)

    def _rest_of_key(self) -> str:
        """What is left of a key that was taken out so far, less all that belongs to it."""
        end = self._end_of_key(max(0, self._gone - _FOOT))
        if end == len(self._text):
            end = None  # its last line may not be whole
        self._in_key = end is None
        stop = len(self._text) if end is None else max(end, self._gone)
        return self._instead("", stop)

    def _cut(self, found: Sequence[Finding]) -> int:
        """How far what is there may go on: no run and nothing that was found is parted."""
        text = self._text
        cut = _before(text, len(text) - HELD, self._gone)
        for one in found:
            if one.start < cut < one.end:
                cut = one.start if len(text) - one.start <= LONGEST else one.end
        return max(cut, self._gone)

    def _given(self, found: Sequence[Finding], cut: int) -> str:
        """Up to `cut`, with what was found taken out."""
        out = []
        within = False
        for one in found:
            if one.start >= cut or one.end <= self._gone:
                continue
            action = self._sought.action(one.kind)
            again = self._within and one.start <= self._gone
            self._count += not again
            if action == "stop":
                raise AnswerStopped(f"The answer holds what policy stops ({one.kind}).")
            within = one.end >= len(self._text)
            if action != "redact":
                continue
            out.append(self._as_it_is(max(one.start, self._gone)))
            out.append(self._instead("" if again else f"[{one.kind.upper()}]", one.end))
            self._in_key = within and one.detector in KEY_HEADS
        if self._gone < cut:
            out.append(self._as_it_is(cut))
        self._within = within
        return "".join(out)

    def _as_it_is(self, end: int) -> str:
        begin, self._gone = self._gone, end
        if not self._json:
            return self._text[begin:end]
        self._in_string ^= self._text.count(QUOTE, begin, end) % 2 == 1
        return "".join(self._raws[begin:end])

    def _instead(self, placeholder: str, end: int) -> str:
        """The placeholder for all up to `end`; what makes JSON what it is stays."""
        begin, self._gone = self._gone, end
        if not self._json:
            return placeholder
        return "".join(self._json_instead(placeholder, begin, end))

    def _json_instead(self, placeholder: str, begin: int, end: int) -> Iterator[str]:
        number = False
        for place in range(begin, end):
            char = self._text[place]
            if char == QUOTE:
                self._in_string = not self._in_string
                yield self._raws[place]
            elif self._in_string:
                yield placeholder
                placeholder = ""
            elif char in "{}[]:, \t\r\n":
                yield self._raws[place]
            elif not number:
                yield "0"
            number = not self._in_string and char not in "{}[]:, \t\r\n" + QUOTE


def _before(text: str, place: int, least: int) -> int:
    """The last place up to `place` that parts no run.

    A longer one than is held is parted at a multiple of four, as what is base64 must be.
    """
    if place <= least:
        return least
    begin = len(text[:place].rstrip(_RUN))
    if len(text) - begin > LONGEST + HELD:
        begin = place - (place - begin) % 4
    return max(begin, least)
