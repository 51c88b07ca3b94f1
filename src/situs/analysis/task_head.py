"""Which task is it? A linear head over hashed n-grams of the part that asks, and its shape.

The fast tier sums rows of two tables. Where it is unsure, the encoder's vector of the same part
(`asked`) is added by a second linear layer. Both say calibrated probabilities.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from situs.analysis.features import Hashes, rows, see, summed
from situs.core.heads import Guess, Seen

GRAM_BITS, MARK_BITS = 17, 14
"""The tables have 2**17 rows for n-grams and 2**14 for marks (shape and first words)."""

_READ = 2048
_FIRST, _LAST, _SHORT, _LEAST = 320, 200, 300, 24
"""Characters: of the first line, of a last line that may ask, of a line that may, of one that does
without the next."""

_SPREAD, _SALT, _TRIPLE = np.uint32(0x9E3779B1), np.uint32(0x51ED270B), np.uint32(0x85EBCA6B)
_NTH = np.arange(1, 4, dtype=np.uint32) * _SALT
_SET_APART = re.compile(
    r'```.*?(?:```|\Z)|"[^"\n]{40,}"|“[^”\n]{40,}”|^>[^\n]*', re.DOTALL | re.MULTILINE
)
_MARKS = ('"', "```", "“", "\n>")
_DIGITS, _SIGNS = b"0123456789", b"{}()[];=<>"
_LISTED = re.compile(r"\n\s*(?:[-*•]|\d{1,2}[.)])")

_NEAR = (("advice", "open_qa"), ("open_qa", "advice"))


def asked(text: str) -> str:
    """The part of a text that says what to do: its first line, or the last one, or both.

    What is quoted or fenced is left out where anything else is there.
    """
    text = text.strip()
    if len(text) > 2 * _READ:
        text = f"{text[:_READ]}\n{text[-_READ:]}"
    if text.startswith(">") or any(one in text for one in _MARKS):
        text = _SET_APART.sub(' "" ', text).strip(' "\n') or text
    head, _, rest = text.partition("\n")
    rest = rest.strip()
    while rest and len(head) < _LEAST:
        more, _, rest = rest.partition("\n")
        head, rest = f"{head} {more}", rest.strip()
    if not rest:
        return head if len(head) <= _FIRST else f"{head[:_FIRST]} {head[-_LAST // 2 :]}"
    last = rest[rest.rfind("\n") + 1 :]
    if len(last) > _LAST:
        return head if len(head) <= _SHORT else f"{head[:_FIRST]} {last[-_LAST // 2 :]}"
    return f"{last} {head[:64]}" if len(head) > _SHORT else f"{head[:_FIRST]} {last}"


def marked(seen: Seen) -> tuple[Hashes, Hashes]:
    """The features: n-grams of what is asked, and marks. The high bits say the row of a table."""
    found: tuple[Hashes, Hashes] | None = seen.kept.get("marked")
    if found is None:
        found = seen.kept["marked"] = _marked(seen, asking(seen))
    return found


def asking(seen: Seen) -> str:
    """`asked` of its text."""
    part: str | None = seen.kept.get("asked")
    if part is None:
        part = seen.kept["asked"] = asked(seen.text)
    return part


def _marked(seen: Seen, part: str) -> tuple[Hashes, Hashes]:
    own = see(part)
    words, pairs = own.words, own.pairs
    triples = (pairs[:-1] ^ (words[2:] * _TRIPLE)) * _SPREAD if len(words) > 2 else words[:0]
    grams = np.concatenate((words, pairs, triples, *own.pieces))
    first = words[:3]
    starts = ((first + _NTH[: len(first)]) * _SPREAD, (pairs[:2] ^ _SALT) * _SPREAD)
    shapes = np.array(_shapes(seen, part), np.uint32) * _SPREAD
    shapes ^= shapes >> np.uint32(15)
    return grams, np.concatenate((*starts, shapes * _SPREAD))


def _shapes(seen: Seen, part: str) -> list[int]:
    """Numbers that say a feature and its bucket."""
    text = seen.text.strip()
    head, _, rest = text.partition("\n")
    head, rest = head.rstrip(), rest.strip()
    data = part.encode("utf-8", "replace")
    start = text[:_READ]
    end = head[-1:]
    size = 2 if not seen.whole else int(len(rest) > 160)
    values = (
        _bucket(len(text) if seen.whole else 1 << 16),
        _bucket(len(part)),
        _bucket(len(rest)),
        _bucket(len(head)),
        min(text.count("\n"), 40),
        _bucket(max(map(len, rest.split("\n"))) if rest else 0),
        min(part.count("?"), 3) * 2 + (end == "?"),
        ord(end) % 64 if end and end in "?:.!,;)" else 0,
        _bucket(len(data) - len(data.translate(None, _DIGITS))),
        min(part.count(","), 8),
        int("```" in start) * 2 + ("def " in start or "{" in start),
        _bucket((len(data) - len(data.translate(None, _SIGNS))) // 2),
        int(part.isascii()),
        min(part.count('"') + part.count("'"), 6),
        min(len(_LISTED.findall(start)), 6),
        int(bool(rest)) * 12 + int(end == "?") * 6 + size * 2 + (len(head) > _SHORT),
        min(head.count(" "), 40),
        min(head.count(". "), 4),
        min(sum(word[0].isupper() for word in head[:_FIRST].split()[1:]), 8),
    )
    return [place * 64 + value for place, value in enumerate(values, 1)]


def _bucket(count: int) -> int:
    """Twice the binary logarithm."""
    return ((count + 1) * (count + 1)).bit_length() - 1


class TaskHead:
    """The head of an artefact; `classes`, temperatures and thresholds are its settings."""

    def __init__(self, arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self.classes: tuple[str, ...] = tuple(settings["classes"])
        self._grams, self._marks = arrays["grams"], arrays["marks"]
        self._scale: NDArray[np.float32] = arrays["scale"]
        self._bias: NDArray[np.float32] = arrays["bias"]
        self._deep: dict[str, Any] = {
            name: arrays[name]
            for name in ("deep_vector", "deep_fast", "deep_bias")
            if name in arrays
        }
        self._heat = float(settings["temperature"])
        self._sure = float(settings["threshold"])
        self._deep_heat = float(settings.get("deep_temperature", 1))
        self._deep_sure = float(settings.get("deep_threshold", 0))

    @property
    def reads_vectors(self) -> bool:
        """Whether the encoder's vector would change what it says."""
        return bool(self._deep)

    def __call__(self, seen: Seen, vector: Any | None = None) -> Guess:
        """The most probable task; with the vector of `asked(seen.text)`, by the deep tier."""
        return self.among(seen, vector, None)

    def among(self, seen: Seen, vector: Any | None, only: Collection[str] | None) -> Guess:
        """The most probable of the tasks `only` (None: of all), as if there were no others.

        Of open questions and advice, one stands for both where the other is not among them.
        """
        said = self.probabilities(seen, vector)
        if only is not None:
            for gone, stays in _NEAR:
                if gone not in only and {gone, stays} <= {*self.classes}:
                    said[self.classes.index(stays)] += said[self.classes.index(gone)]
            said = said * np.array([one in only for one in self.classes], np.float32)
            said = said / max(float(said.sum()), 1e-12)
        best = int(said.argmax())
        sure = self._sure if vector is None or not self._deep else self._deep_sure
        return Guess(self.classes[best], float(said[best]), bool(said[best] < sure))

    def probabilities(self, seen: Seen, vector: Any | None = None) -> NDArray[np.float32]:
        """Of each of `classes`; they sum to 1."""
        said = self.scores(seen)
        if vector is None or not self._deep:
            return _softmax(said / self._heat)
        deep = self._deep
        said = _log_softmax(said / self._heat) @ deep["deep_fast"] + deep["deep_bias"]
        return _softmax((said + vector @ deep["deep_vector"]) / self._deep_heat)

    def scores(self, seen: Seen) -> NDArray[np.float32]:
        """The fast tier before calibration. Column 0 of the n-grams' table is a squared weight.

        The sum over n-grams is divided by the length of the vector that these weights make.
        """
        grams, marks = marked(seen)
        sums = summed(self._grams, rows(grams, GRAM_BITS)) * self._scale[0]
        shape = summed(self._marks, rows(marks, MARK_BITS)) * self._scale[1]
        length = np.sqrt(max(float(sums[0]), 1e-6))
        said: NDArray[np.float32] = sums[1:] / np.float32(length) + shape[1:] + self._bias
        return said


def _log_softmax(said: NDArray[np.float32]) -> NDArray[np.float32]:
    said = said - said.max()
    found: NDArray[np.float32] = said - np.log(np.exp(said).sum())
    return found


def _softmax(said: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.exp(said - said.max())
    found /= found.sum()
    return found


def task_head(arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> TaskHead:
    """The function that an artefact of the head `task` holds."""
    return TaskHead(arrays, settings)
