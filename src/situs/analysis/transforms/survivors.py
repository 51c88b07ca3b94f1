"""Looks again at what is about to leave: whether something of what was to be hidden is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from situs.analysis.entry import scanned
from situs.analysis.sensitivity.scan import MAX_FINDINGS, UNREAD
from situs.analysis.transforms.carry_out import Sent, is_unread
from situs.analysis.transforms.pseudonyms import SECRET
from situs.analysis.transforms.swap import Pair, Swaps
from situs.core.snapshot import Labels

_LONG = 6
_GAPS = re.compile(r"[\W_]+")


def survivors(sent: Sent, labels: Labels) -> tuple[str, ...]:
    """The kinds that obligations were about and that are still there; with any, nothing may leave.

    What Situs put there itself looks like findings too and does not count.
    """
    texts = [text.text for text in sent.request.texts]
    found = scanned(sent.request, labels).findings
    own = Swaps(Pair(text, text, bounded=False) for text in sent.placed)
    ours = {part: marked(own, texts[part]) for part in {one.part for one in found}}
    left = {
        one.kind
        for one in found
        if (sent.kinds is None or one.kind in sent.kinds or is_unread(one, sent.kinds))
        and not covered(texts[one.part], ours[one.part], one.start, one.end)
    }
    if len(found) >= MAX_FINDINGS:
        left.add(UNREAD)
    left.update(_in_another_writing(sent, texts))
    hidden = Swaps(Pair(original, original, why=kind) for kind, original in sent.originals)
    for text in texts:
        spans = list(hidden.spans(text))
        marks = marked(own, text) if spans else bytearray()
        for start, end in spans:
            if not covered(text, marks, start, end):
                left.update(kind for kind, one in sent.originals if one == text[start:end])
    return tuple(sorted(left))


def _in_another_writing(sent: Sent, texts: Sequence[str]) -> Iterator[str]:
    """The kinds of those that are there with other signs between their letters and digits."""
    whole = "\n".join(_GAPS.sub("", text) for text in texts)
    for kind, original in sent.originals:
        close = _GAPS.sub("", original)
        telling = kind in SECRET or kind == "email" or sum(map(str.isdigit, close)) >= _LONG
        if telling and len(close) >= _LONG and close in whole:
            yield kind


def marked(own: Swaps, text: str) -> bytearray:
    """A mark for every character that belongs to one of `own`."""
    marks = bytearray(len(text))
    for start, end in own.spans(text):
        marks[start:end] = b"\1" * (end - start)
    return marks


def covered(text: str, marks: bytearray, start: int, end: int) -> bool:
    """Whether every letter and digit of it was put there."""
    return all(marks[place] or not text[place].isalnum() for place in range(start, end))
