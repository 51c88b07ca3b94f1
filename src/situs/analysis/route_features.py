"""A text as routes compare it: what it is spelt like, what it means, and windows of a long one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.analysis.features import rows, summed
from situs.core.heads import Ground, Seen

Vector = NDArray[np.float32]
Places = NDArray[np.intp]

SPELT = 2048
"""Dimensions of the sketch: 8,192 tell routes apart a point better, at four times the cost."""

_KINDS = (2.0, 1.0, 1.0, 1.0, 1.0)
"""How much words, pairs and runs of 3, 4 and 5 bytes weigh."""

_BITS = 16
_SHIFT = np.uint32(32 - int(np.log2(SPELT)))
_LOW, _HALF = np.uint32(1), np.uint32(15)
_FIRST, _SECOND = np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B)


def weigh(texts: Sequence[Seen], routes: Sequence[int], count: int) -> Vector:
    """The weight of each feature: what few of `count` routes have weighs more."""
    found = np.zeros(len(_KINDS) << _BITS, np.float32)
    of_route: list[list[NDArray[np.uint32]]] = [[] for _ in range(count)]
    for text, route in zip(texts, routes, strict=True):
        of_route[route].append(_keys(text))
    for keys in of_route:
        found[np.unique(np.concatenate(keys))] += 1
    weights = np.log((2 + count) / (0.5 + found)).reshape(len(_KINDS), -1)
    weighed: Vector = (weights * np.array(_KINDS)[:, None]).ravel().astype(np.float32)
    return weighed


def spelt(text: Seen, weights: Vector) -> Vector:
    """A sketch of unit length: the product of two is about the cosine of their weighted features.

    Each feature is added to one place, with a sign (Charikar et al., Finding Frequent Items, 2002).
    """
    keys = _keys(text)
    mixed = keys * _FIRST
    mixed ^= mixed >> _HALF
    mixed *= _SECOND
    signed = np.where(mixed & _LOW, weights[keys], -weights[keys])
    found: Vector = np.bincount(mixed >> _SHIFT, signed, SPELT).astype(np.float32)
    return unit(found)


def _keys(text: Seen) -> NDArray[np.uint32]:
    kinds = (text.words, text.pairs, *text.pieces)
    parts = [
        (hashes >> np.uint32(32 - _BITS)) + np.uint32(kind << _BITS)
        for kind, hashes in enumerate(kinds)
    ]
    return np.unique(np.concatenate(parts))


def unit(vectors: Vector) -> Vector:
    """At length 1, each; zeros stay."""
    lengths = np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    found: Vector = vectors / np.maximum(lengths, np.float32(1e-9))
    return found


PARTS = (1.0, 1.0, 0.5)
"""What a text's words, runs of bytes and pairs of words weigh in its gist."""


def gist_rows(text: Seen, word_bits: int, bits: int) -> tuple[Places, Places, Places]:
    """The rows of a text in the table: words, runs of 4 and 5 bytes, pairs of words."""
    base = 1 << word_bits
    pieces = np.unique(np.concatenate([rows(kind, bits) for kind in text.pieces[1:]]))
    return rows(text.words, word_bits), pieces + base, rows(text.pairs, bits) + base + (1 << bits)


class Gist(Struct, frozen=True):
    """A static table, distilled from an encoder: the sum of a text's rows points where it would.

    `table` has int8 rows: 2**`word_bits` for words, 2**`bits` for runs of bytes, as many for pairs.
    """

    table: NDArray[np.int8]
    word_bits: int
    bits: int

    def __call__(self, text: Seen) -> Vector:
        found = np.zeros(self.table.shape[1], np.float32)
        for places, weight in zip(gist_rows(text, self.word_bits, self.bits), PARTS, strict=True):
            if len(places):
                found += summed(self.table, places) * np.float32(weight / np.sqrt(len(places)))
        return unit(found)


def ground(arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> Ground:
    """From the arrays and settings of the artefact `routes`."""
    ordinary = bytes(arrays["ordinary"]).decode().splitlines()
    vectors = arrays.get("vectors", np.zeros((0, 0), np.float16)).astype(np.float32)
    return Ground(
        Gist(arrays["table"], settings["word_bits"], settings["bits"]),
        tuple(ordinary),
        dict(zip(ordinary, vectors, strict=False)),
    )


WINDOW, WINDOWS = 240, 4
"""Characters of a window of a long text (some 60 tokens), and how many there are at most."""

_WORDS = 3
"""A sentence of fewer words is a greeting or a heading, and no request."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+|[\n\r]+")


def windows(text: str) -> list[str]:
    """The text, or of a long one its first and last sentence, its head and its tail.

    A request stands in one of them as a rule; with what surrounds it, it would be like no sample.
    """
    text = text.strip()
    if len(text) <= WINDOW + WINDOW // 2:
        return [text]
    head = text[:WINDOW].rpartition(" ")[0] or text[:WINDOW]
    tail = text[-WINDOW:].partition(" ")[2] or text[-WINDOW:]
    found = (
        _sentence(_SENTENCE.split(text[: 2 * WINDOW])),
        _sentence(_SENTENCE.split(text[-2 * WINDOW :])[::-1]),
        head,
        tail,
    )
    return list(dict.fromkeys(part.strip() for part in found if part.strip()))


_WORD, _SAME, _STRANGE = 32, 8, 10
"""A word's length at most; one word in so many is another one at least; and one character in so
many at most is no text."""

_VOWELS, _IDEOGRAPHS = "\u0300", "\u0e00"
"""From there on are signs of vowels, and scripts that put no spaces between words."""

_MARKS = ".,;:!?\"'()[]{}<>*_`-\u2026\u00ab\u00bb\u00bf\u00a1\u2018\u2019\u201c\u201d"


def readable(text: str) -> bool:
    """Can this be a request? Numbers, a blob, random bytes or one thing over and over cannot."""
    strange = sum(not (one.isprintable() or one.isspace()) or one == "\ufffd" for one in text)
    tokens = [token for token in text.split() if sum(map(str.isalpha, token)) > 1]
    words = [word for word in (token.strip(_MARKS) for token in tokens) if _is_word(word)]
    return (
        strange * _STRANGE <= len(text)
        and len(words) * 3 > len(tokens)
        and len(set(words)) * _SAME > len(words)
    )


def _is_word(token: str) -> bool:
    letters = sum(one.isalpha() or one >= _VOWELS for one in token)
    if token >= _IDEOGRAPHS:
        return len(set(token)) * _SAME > len(token)
    return len(token) <= _WORD and len(set(token)) > 1 and letters * 4 >= len(token) * 3


def _sentence(sentences: Sequence[str]) -> str:
    """The first of them that may be a request."""
    return next((one[:WINDOW] for one in sentences if len(one.split()) >= _WORDS), "")
