"""Looks again at what is about to leave: whether something of what was to be hidden is there."""

from __future__ import annotations

import re

from situs.analysis.entry import scanned
from situs.analysis.sensitivity.scan import MAX_FINDINGS, UNREAD
from situs.analysis.transforms.carry_out import Sent
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
    ours = {part: _marked(own, texts[part]) for part in {one.part for one in found}}
    left = {
        one.kind
        for one in found
        if (sent.kinds is None or one.kind in sent.kinds or one.detector == UNREAD)
        and not _covered(texts[one.part], ours[one.part], one.start, one.end)
    }
    if len(found) >= MAX_FINDINGS:
        left.add(UNREAD)
    whole = "\n".join(_GAPS.sub("", text) for text in texts)
    for kind, original in sent.originals:
        close = _GAPS.sub("", original)
        telling = kind in SECRET or kind == "email" or sum(map(str.isdigit, close)) >= _LONG
        if telling and len(close) >= _LONG and close in whole:
            left.add(kind)
    return tuple(sorted(left))


def _marked(own: Swaps, text: str) -> bytearray:
    marks = bytearray(len(text))
    for start, end in own.spans(text):
        marks[start:end] = b"\1" * (end - start)
    return marks


def _covered(text: str, marks: bytearray, start: int, end: int) -> bool:
    """Whether every letter and digit of it was put there."""
    return all(marks[place] or not text[place].isalnum() for place in range(start, end))
