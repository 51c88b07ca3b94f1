"""Finds persons, addresses, places, organisations and dates: a small tagger, all in numpy.

Each token is the sum of a few rows of a table; three layers look at windows of tokens, at last
seven to either side, so what is found depends on nothing farther away. The cost is linear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from situs.analysis.sensitivity.merge import merged
from situs.analysis.sensitivity.names_signs import addressed, is_nobody
from situs.analysis.sensitivity.names_tokens import LANES, Numbers, Reader, Tokens
from situs.core.label import Finding

REACHES = (1, 2, 4)
REACH = sum(REACHES)
"""Tokens to either side that can matter."""

DETECTOR = "names"
_ADDRESSED = 0.9
"""The score of who is found by a title."""

_BLOCK = 1024
_MOST, _LOOK = 1 << 16, 256
"""Characters that are read at once; so far before a cut a space is looked for."""

Weights = NDArray[np.float32]


def tagger(
    arrays: Mapping[str, Any], settings: Mapping[str, Any]
) -> Callable[[Sequence[str]], list[Finding]]:
    """The function that finds names in the texts of a request, in order of part and place.

    `settings` has `kinds`, and for each of them in `thresholds` the probability from which on it
    is a finding; `low` is that for words beside one, `sign` for signs between them.
    A finding's score is the mean probability of its tokens to the `power` that makes it honest.
    """
    return _Tagger(arrays, settings).find


def portions(texts: Sequence[str], most: int = _MOST) -> Iterator[list[tuple[int, int, str]]]:
    """The texts, or pieces of long ones with their part and place, at most so long together.

    A long text is cut at the end of a line, else of a word, where there is one.
    """
    portion: list[tuple[int, int, str]] = []
    size = 0
    for part, text in enumerate(texts):
        at = 0
        while at < len(text):
            end = len(text)
            if end - at > most - size:
                if size and end - at <= most:
                    yield portion
                    portion, size = [], 0
                    continue
                end = at + most - size
                cut = max(text.rfind("\n", at + 1, end), text.rfind(" ", end - _LOOK, end))
                end = cut if cut > at else end
            portion.append((part, at, text[at:end]))
            size += end - at
            at = end
            if size >= most - _LOOK:
                yield portion
                portion, size = [], 0
    if portion:
        yield portion


class _Tagger:
    """Owns the weights as they are needed for arithmetic."""

    def __init__(self, arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self._reader = Reader(arrays["lists"])
        self._table = arrays["table"]
        weights = [np.asarray(arrays[f"w{layer}"], np.float32) for layer in range(len(REACHES))]
        weights[0] = weights[0] * np.float32(arrays["scale"])
        biases = [np.asarray(arrays[f"b{layer}"], np.float32) for layer in range(len(REACHES))]
        self._layers = list(zip(REACHES, weights, biases, strict=True))
        self._last = np.asarray(arrays["w"], np.float32), np.asarray(arrays["b"], np.float32)
        self._kinds: tuple[str, ...] = tuple(settings["kinds"])
        thresholds = settings["thresholds"]
        self._low, self._sign = settings["low"], settings["sign"]
        self._power = settings["power"]
        self._limits = np.array([thresholds[kind] for kind in self._kinds], np.float32)

    def find(self, texts: Sequence[str]) -> list[Finding]:
        """In portions: memory is bounded, and other threads go on between them."""
        found: list[Finding] = []
        for portion in portions(texts):
            for one in self._find([piece for _, _, piece in portion]):
                part, at, _ = portion[one.part]
                moved = replace(one, part=part, start=one.start + at, end=one.end + at)
                found.append(moved if at or part != one.part else one)
        return found

    def _find(self, texts: Sequence[str]) -> list[Finding]:
        tokens = self._reader.read(texts)
        if not len(tokens.part):
            return []
        tagged = self._found(tokens, self.probabilities(tokens))
        found = [one for one in tagged if not is_nobody(texts[one.part], one.start, one.end)]
        told = [
            Finding("person", part, start, end, _ADDRESSED, DETECTOR)
            for part, text in enumerate(texts)
            for start, end in addressed(text)
        ]
        return list(merged(told, found)[0]) if told else found

    def probabilities(self, tokens: Tokens) -> Weights:
        """For each token: none, then begin and inside of each kind. Texts do not see each other."""
        size, place = len(tokens.part), np.arange(len(tokens.part)) + REACH * (tokens.part + 1)
        padded = np.zeros((int(place[-1]) + 1 + REACH, LANES), np.intp)
        padded[place] = tokens.rows
        blocks = [
            self._block(padded[first : first + _BLOCK + 2 * REACH])
            for first in range(0, len(padded) - 2 * REACH, _BLOCK)
        ]
        scores = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return scores if len(scores) == size else scores[place - REACH]

    def _block(self, rows: Numbers) -> Weights:
        summed = self._table.take(rows[:, 0], axis=0).astype(np.int16)
        for lane in range(1, LANES):
            summed += self._table.take(rows[:, lane], axis=0)
        hidden = summed.astype(np.float32)
        for layer, (reach, weight, bias) in enumerate(self._layers):
            size = len(hidden) - 2 * reach
            window = np.concatenate(
                (hidden[:size], hidden[reach : reach + size], hidden[2 * reach :]), axis=1
            )
            new = window @ weight
            new += bias
            np.maximum(new, 0, out=new)
            hidden = new if layer == 0 else np.add(new, hidden[reach : reach + size], out=new)
        scores: Weights = hidden @ self._last[0]
        scores += self._last[1]
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return scores

    def _found(self, tokens: Tokens, scores: Weights) -> Iterator[Finding]:
        """Stretches of tokens that may be part of a name, if one of them surely is.

        Within a stretch, neighbours of one kind are one finding until a token rather begins
        another. A sign is part of a name only between words of it, and if it surely is.
        """
        may = 1 - scores[:, 0] >= np.where(tokens.word, self._low, self._sign)
        inner = np.zeros(len(may), np.bool_)
        inner[1:-1] = may[:-2] & may[2:]
        likely = np.flatnonzero(may & (tokens.word | inner))
        if not len(likely):
            return
        scores = scores[likely]
        mass = scores[:, 1::2] + scores[:, 2::2]
        above = mass / self._limits
        part = tokens.part[likely]
        fresh = np.append(True, (likely[1:] != likely[:-1] + 1) | (part[1:] != part[:-1]))
        stretch = np.flatnonzero(fresh)
        sizes = np.diff(np.append(stretch, len(likely)))
        kept = np.repeat(np.maximum.reduceat(above.max(axis=1), stretch) >= 1, sizes)
        words = tokens.word[likely]
        kind = above.argmax(axis=1)
        places = np.arange(len(kind))
        fresh |= scores[places, 1 + 2 * kind] > scores[places, 2 + 2 * kind]
        fresh[1:] |= kind[1:] != kind[:-1]
        first = np.flatnonzero(fresh)
        kept = kept[first] & np.logical_or.reduceat(words, first)
        sizes = np.diff(np.append(first, len(likely)))
        last = first + sizes - 1
        sure = (np.add.reduceat(mass[places, kind], first) / sizes) ** self._power
        start, end = tokens.start[likely[first]], tokens.end[likely[last]]
        found = (kind[first], part[first], start, end, sure, kept)
        for which, text, begin, stop, score, keep in zip(*(x.tolist() for x in found), strict=True):
            if keep:
                yield Finding(self._kinds[which], text, begin, stop, round(score, 3), DETECTOR)
