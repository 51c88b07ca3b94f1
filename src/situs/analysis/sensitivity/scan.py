"""Scanning: one pass of an RE2 set says which detectors can match; only those look for where.

Everything is linear in the text, and what costs more than a pass of RE2 is bounded for all texts
together: what is left unread then is a finding itself. RE2 reads UTF-8, so a text is encoded once
and offsets are turned back into characters on hits alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile

from msgspec import Struct

from situs.analysis.sensitivity import phones, views
from situs.analysis.sensitivity.detector import AROUND, CONFIRMED, Check, Detector, Doubt
from situs.analysis.sensitivity.disguise import COUNTS, Disguise
from situs.analysis.sensitivity.disguises import DISGUISES
from situs.analysis.sensitivity.near import Chars, Near, matches
from situs.analysis.sensitivity.seams import Seams, ends, scattered
from situs.analysis.sensitivity.table import (
    DETECTORS,
    DISGUISED,
    ENCODED,
    SCATTERED,
    SPECIAL,
    Table,
    compiled,
    standard,
)
from situs.core.label import Finding, Label

MAX_FINDINGS = 1000
MAX_STEPS = 2_000_000
"""What reading all texts of one request may cost; a step takes about a microsecond."""

UNREAD = "unread"
"""The detector of a finding that stands for what was not read, and its kind if none is known."""

_TEXT, _RUN, _PIECE, _APART = 8, 15, 2, 2
"""Steps for a text, an encoded run, a trick that is undone, and a number or a word of context that
are not near each other."""

_SHORTEST = 6
_REMEMBERED = 4096
_UNSURE = 0.5
_DEPTH = 4
_SCATTERED = Detector("card_scattered", "card", "", _UNSURE)
_BARE = Detector("bare_media", views.MEDIA, "", CONFIRMED)
_SECRET = frozenset({"credential", "private_key"})


class Scan(Struct, frozen=True):
    """The first findings in order (that something is unread is always one of them), and how many
    there are of each kind in all."""

    findings: tuple[Finding, ...]
    counts: dict[str, int]


class _Hit(Struct, frozen=True):
    """`begin` is where the whole match begins, of which `start:end` is the entity; `more` marks
    the further pieces of one that was cut, `hidden` a stretch that stands for something."""

    begin: int
    start: int
    end: int
    detector: Detector
    checked: bool
    more: bool = False
    hidden: bool = False


class _Work:
    """The table that a request is read with, how many steps are left for it, and what checks said
    of the candidates that came last."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.left = MAX_STEPS
        self._said: dict[tuple[Check, str], bool | None] = {}

    def take(self, steps: int) -> bool:
        """Whether that could still be done."""
        self.left -= steps
        return self.left >= 0

    def judged(self, row: Detector, text: str) -> bool | None:
        """What the check says; one that fails (many are not ours) cannot say."""
        if row.check is None:
            return None
        key = row.check, text
        if key not in self._said:
            if len(self._said) >= _REMEMBERED:
                self._said.clear()
            self._said[key] = _judged(row.check, text)
        return self._said[key]


def joined(texts: Sequence[str]) -> bytes:
    """All texts in UTF-8, a line each: what the gates run over, and tokens are counted in."""
    return "\n".join(texts).encode("utf-8", "replace")


def scan(
    texts: Sequence[str],
    floors: dict[str, Label],
    data: bytes | None = None,
    order: Sequence[int] | None = None,
    table: Table | None = None,
) -> Scan:
    """Finds what the table knows in each text, and over the borders between them.

    `data` is `joined(texts)`. `order` names the parts that are neighbours; without it all are, as
    they come. `table` is the standard one, unless a tenant has its own. Of overlapping findings
    the one with the higher floor stays, then the checked one, then the longer one. What was cut is
    one finding in every part that holds a piece, counted once. Beyond `MAX_STEPS` nothing is
    called clean: a finding of the detector `UNREAD` covers it.
    """
    work = _Work(standard() if table is None else table)
    matched = work.table.matching(joined(texts) if data is None else data)
    order = range(len(texts)) if order is None else order
    cut = _cut(texts, order, floors, work, bool(matched)) if len(order) > 1 else {}
    if not (matched or cut):
        return Scan((), {})
    if SCATTERED in matched:
        for more, (part, start, end) in enumerate(scattered(texts, order)):
            hit = _Hit(start, start, end, _SCATTERED, True, more > 0)
            cut.setdefault(part, []).append(hit)
    findings: list[Finding] = []
    counts: Counter[str] = Counter()
    known = matched if len(texts) == 1 else None
    over = not matched
    for part, text in enumerate(texts):
        hits = cut.get(part, [])
        if not over and len(text) >= _SHORTEST:
            over = not work.take(_TEXT)
            if not over:
                hits = [*_hits(text, _DEPTH, work, known), *hits]
            elif work.table.matching(joined(texts[part:])):
                hits = [_rest(0, text), *hits]
        for hit in _resolve(hits, floors):
            row = hit.detector
            counts[row.kind] += not hit.more
            if len(findings) < MAX_FINDINGS + (row.name == UNREAD):
                score = CONFIRMED if hit.checked else row.score
                findings.append(
                    Finding(row.kind, part, hit.start, hit.end, score, row.name, hit.checked)
                )
    return Scan(tuple(findings), dict(counts))


def _cut(
    texts: Sequence[str],
    order: Sequence[int],
    floors: dict[str, Label],
    work: _Work,
    spaced: bool,
) -> dict[int, list[_Hit]]:
    """What stands over the borders of texts, by part: glued together, and a line each.

    With a line each only if `spaced`: the gates ran over the texts that way already. A look-alike
    that no check confirmed counts only where the stakes are high.
    """
    found: dict[int, list[_Hit]] = {}
    if not work.take(_TEXT * len(order)):
        longest = max(order, key=lambda part: len(texts[part]))
        return {longest: [_rest(0, texts[longest])]}
    pieces = ends(texts, order)
    for glue in ("", "\n") if spaced else ("",):
        text = glue.join(pieces)
        matched = work.table.matching(text.encode("utf-8", "replace"))
        if not matched:
            continue
        seams = Seams(texts, order, glue)
        for hit in _hits(text, _DEPTH, work, matched):
            row = hit.detector
            crossed = {part for part, _, _ in seams.places(hit.begin, hit.end)}
            if len(crossed) > 1 and (
                hit.checked or floors.get(row.kind, Label.RESTRICTED) > Label.INTERNAL
            ):
                for more, (part, start, end) in enumerate(seams.places(hit.start, hit.end)):
                    piece = _Hit(start, start, end, row, hit.checked, more > 0)
                    found.setdefault(part, []).append(piece)
    return found


def warm() -> None:
    """Compiles every pattern and imports what checks need, so that no request waits for it."""
    for _ in warming():
        pass


def warming() -> Iterator[None]:
    """The same in steps, between which a server can answer.

    The first step is what every text needs, in ten milliseconds. The others are one for each row,
    most under a millisecond, two of fifteen; what a request needs sooner is done for it.
    """
    standard().matching(b"")
    yield
    for row in DETECTORS:
        compiled(row.pattern)
        if row.context:
            compiled(row.context)
        if row.check:
            _judged(row.check, "0000000000")
        yield
    compiled(views.WRAPPED)
    phones.is_planned("+12025550123")


def _hits(text: str, depth: int, work: _Work, matched: list[int] | None = None) -> list[_Hit]:
    data = text.encode("utf-8", "replace")
    hits: list[_Hit] = []
    for index in work.table.matching(data) if matched is None else matched:
        if index >= 0:
            hits.extend(_find(index, text, data, work, depth == _DEPTH))
        elif depth and index == SPECIAL:
            hits.extend(_folded(text, depth, work))
        elif index == SCATTERED:
            continue  # of all texts together
        elif index == ENCODED:
            hits.extend(_decoded(text, data, depth, work))
        elif depth:
            hits.extend(_undisguised(DISGUISES[DISGUISED - index], text, data, depth, work))
    return hits


def _rest(start: int, text: str, kind: str = UNREAD) -> _Hit:
    """From there on the text is not read."""
    return _Hit(start, start, len(text), Detector(UNREAD, kind, "", _UNSURE), False)


def _folded(text: str, depth: int, work: _Work) -> Iterator[_Hit]:
    folded = views.Folded(text, max(0, work.left // _PIECE))
    work.take(_PIECE * folded.pieces)
    if folded.text != text:
        for hit in _hits(folded.text, depth - 1, work):
            start, end = folded.span(hit.start, hit.end)
            if hit.detector.doubt and text[start:end] == folded.text[hit.start : hit.end]:
                continue  # The text as it came was asked.
            yield _Hit(start, start, end, hit.detector, hit.checked, hidden=hit.hidden)
    if folded.read < len(text):
        yield _rest(folded.read, text)


def _decoded(text: str, data: bytes, depth: int, work: _Work) -> Iterator[_Hit]:
    """What base64 runs hold; a finding covers the whole run, with all its lines.

    What is still encoded when all that may be was undone is unread.
    """
    to_chars = Chars(text, data)
    for start, end in matches(compiled(views.WRAPPED), data):
        first = to_chars(start)
        for begin, stop, run in views.runs(data[start:end].decode("ascii")):
            if not work.take(_RUN + len(run) // 32):
                yield _rest(first + begin, text)
                return
            if views.is_media(run):
                yield _Hit(first + begin, first + begin, first + end - start, _BARE, True)
            decoded = views.decode(run)
            if decoded is not None and not depth:
                yield _rest(first + begin, text)
                return
            if decoded is not None:
                seen = {h.detector: h.checked for h in _hits(decoded, depth - 1, work)}
                for detector, checked in seen.items():
                    yield _Hit(first + begin, first + begin, first + stop, detector, checked)


def _undisguised(
    disguise: Disguise, text: str, data: bytes, depth: int, work: _Work
) -> Iterator[_Hit]:
    """What stretches that one disguise may stand for say; a finding covers its stretch."""
    if work.left < 0:
        return  # something is unread already
    to_chars = Chars(text, data)
    for start, end in matches(compiled(disguise.pattern), data):
        if end - start < _SHORTEST:
            continue
        if not work.take(_RUN + (end - start) // disguise.pace):
            yield _rest(to_chars(start), text)
            return
        run = data[start:end].decode("utf-8", "replace")
        if (reach := disguise.reach(run)) < len(run):
            run = run[:reach]
            end = start + len(run.encode("utf-8"))
        for said in disguise.read(run):
            matched = work.table.matching(said.encode("utf-8", "replace"))
            plain = [index for index in matched if index > DISGUISED]
            for hit in _hits(said, depth - 1, work, plain):
                row = hit.detector
                if row.kind in COUNTS and (hit.checked or row.kind in _SECRET):
                    first, last = to_chars(start), to_chars(end)
                    yield _Hit(first, first, last, row, hit.checked, hidden=not disguise.mends)


def _find(index: int, text: str, data: bytes, work: _Work, plain: bool) -> Iterator[_Hit]:
    """Where one detector matches, and what its check says; doubts only in a text as it came.

    Who hides a number knows what it is.
    """
    row = work.table.rows[index]
    near = None
    to_chars = Chars(text, data)
    pattern, place = compiled(row.pattern), 0
    group = min(1, pattern.groups)
    while (match := pattern.search(data, place)) is not None:
        if row.context and near is None:
            words = matches(compiled(row.context), data)
            near = Near(takewhile(lambda _: work.take(_APART), words), row.reach)
        start, end = match.span(group)
        place = max(end, place + 1)
        close = near is None or near.covers(start, end)
        if not work.take(_steps(row, end - start) if close else _APART):
            yield _rest(to_chars(start), text, row.kind)
            return
        if not close:
            continue
        candidate = data[start:end].decode("utf-8")
        whole, first, last = to_chars(match.start() if group else start), to_chars(start), 0
        spans = _spans(row, candidate, work.left // row.cost)
        read = work.take(row.cost * max(0, len(spans) - 1))
        for begin, stop, checked in _accepted(row, candidate, spans, work):
            if plain and row.doubt and _doubted(row.doubt, text, first + begin, first + stop):
                continue
            at = first + begin if row.split else whole
            yield _Hit(at, first + begin, first + stop, row, checked)
            last = max(last, stop)
        if not read:
            yield _rest(first + spans[-1][0], text, row.kind)
            return
        if row.again:
            # The candidate is ASCII here, so characters are bytes.
            place = start + (last or 2)


def _steps(row: Detector, size: int) -> int:
    """What a candidate costs: one that is split is walked through, group by group."""
    return row.cost + (size // 4 if row.split else 0)


def _spans(row: Detector, candidate: str, most: int) -> list[tuple[int, int]]:
    """What to check in a candidate; at most so many and two more, so that their number shows it."""
    if row.split is None:
        return [(0, len(candidate))]
    return list(islice(row.split(candidate), most + 2))


def _accepted(
    row: Detector, candidate: str, spans: list[tuple[int, int]], work: _Work
) -> Iterator[tuple[int, int, bool]]:
    """The spans of a candidate that the check does not refuse, none overlapping another."""
    done = 0
    for start, end in spans:
        if start < done:
            continue
        verdict = work.judged(row, candidate[start:end])
        if verdict is not False:
            yield start, end, verdict is True
            done = end


def _doubted(doubt: Doubt, text: str, start: int, end: int) -> bool:
    before, behind = text[max(0, start - AROUND) : start], text[end : end + AROUND]
    return doubt(before, text[start:end], behind)


def _judged(check: Check, text: str) -> bool | None:
    try:
        return check(text)
    except Exception:
        return None


def _resolve(hits: list[_Hit], floors: dict[str, Label]) -> list[_Hit]:
    """Drops what a better hit overlaps; the rest in order of place."""
    if len(hits) < 2:
        return hits

    def rank(hit: _Hit) -> tuple[int, bool, bool, int, int, str]:
        floor = floors.get(hit.detector.kind, Label.RESTRICTED)
        return (
            -floor.rank,
            not hit.checked,
            hit.hidden,
            hit.start - hit.end,
            hit.start,
            hit.detector.name,
        )

    kept: list[_Hit] = []
    taken = bytearray(max(hit.end for hit in hits))
    for hit in sorted(hits, key=rank):
        if taken.find(1, hit.start, hit.end) < 0:
            taken[hit.start : hit.end] = b"\1" * (hit.end - hit.start)
            kept.append(hit)
    return sorted(kept, key=lambda hit: hit.start)
