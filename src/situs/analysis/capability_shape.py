"""What a prompt is like apart from its words, as the capability head sees it."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from situs.analysis.features import rows, see
from situs.core.heads import Seen

Numbers = NDArray[np.float32]

_OPTION = re.compile(r"^\(?[A-J][.)] .*", re.MULTILINE)
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_CUE_BITS = 16
_CUES = (
    "half third quarter twice times double triple each every per",
    "more less than remaining left total",
    "if then when suppose assume",
    "not except least false incorrect",
    "percent",
)
_KINDS = (
    b" \n\t",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    b"+-*/=^_\\<>{}[]()|$",
    b"=^_\\{}<>",
    bytes(range(0x80, 0x100)),
)


def _kinds() -> Numbers:
    found = np.zeros((256, len(_KINDS)), np.float32)
    for kind, octets in enumerate(_KINDS):
        found[[*octets], kind] = 1
    return found


def _cues() -> NDArray[np.intp]:
    """Which group of cue words a hashed word is of; the number of groups: of none."""
    found = np.full(1 << _CUE_BITS, len(_CUES), np.intp)
    for group, words in enumerate(_CUES):
        found[rows(see(words).words, _CUE_BITS)] = group
    return found


_KIND, _CUE = _kinds(), _cues()


def shape(seen: Seen) -> Numbers:
    """What a prompt is like apart from its words: sizes, numbers, formulas, options, cues."""
    text = seen.text
    octets = np.frombuffer(text.encode("utf-8", "replace") or b" ", np.uint8)
    space, upper, signs, formula, high = np.bincount(octets, minlength=256) @ _KIND
    size, words = octets.size, len(seen.words) + 1
    numbers = _NUMBER.findall(text)
    options = _OPTION.findall(text)
    stem = text[: text.find(options[0])] if options else text
    cues = np.bincount(_CUE[rows(seen.words, _CUE_BITS)], minlength=len(_CUES) + 1)[:-1]
    counted = [
        size,
        len(stem),
        len(numbers),
        len(set(numbers)),
        formula,
        text.count("$"),
        text.count("\n"),
        high,
        sum(map(stem.count, (". ", "? ", "! ", "; ", ".\n", "?\n"))),
        sum("." in one for one in numbers),
        sum(map(len, options)) / max(1, len(options)),
        cues[0] + cues[1],
        cues[2],
    ]
    shares = [
        sum(map(len, numbers)) / size,
        signs / size,
        upper / size,
        (size - space) / words,
        len(np.unique(seen.words)) / words,
        len(options) / 4,
        sum(_NUMBER.search(one) is not None for one in options) / max(1, len(options)),
        min(max(map(len, numbers), default=0), 10),
    ]
    has = [
        *("?" in stem, "__" in text, '"' in text or "\u201c" in text, bool(options)),
        *("NOT" in stem or "EXCEPT" in stem, "Statement 1" in text),
        *("%" in text or cues[4] > 0, cues[0] > 0, cues[3] > 0),
    ]
    return np.concatenate([np.log1p(np.array(counted, np.float32)), shares, has]).astype(np.float32)
