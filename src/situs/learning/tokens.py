"""Learns to estimate token counts from texts and what real tokenizers make of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from situs.analysis.token_counts import (
    CHANCE_STEP,
    COUNTS,
    PLACE_BITS,
    SLOT_BITS,
    characters,
    neighbourhoods,
    pieces,
    slots_of,
)
from situs.analysis.token_units import Units, kinds, units

LEAST = 3
"""A unit seen so often has a place in the table."""

RARE = 20
"""Characters of units seen at most so often teach what unknown units look like."""

ROUNDS, DAMPING = 8, 1.0


_EDGES = (COUNTS[1:] + COUNTS[:-1]) / 2


class Cut:
    """Texts cut into units: `at` are the first characters, among those of all texts together."""

    def __init__(self, texts: Sequence[str]) -> None:
        table = kinds()
        self.parts: list[tuple[int, int, Units]] = []
        offset = 0
        for number, text in enumerate(texts):
            for piece in pieces(text.encode("utf-8", "replace")):
                found = units(piece, table)
                self.parts.append((number, offset, found))
                offset += len(found.padded) - 3
        self.characters = offset
        self.hashes = np.concatenate([part.hashes for *_, part in self.parts])
        self.at = np.concatenate([part.starts + start for _, start, part in self.parts])


def learn(
    texts: Sequence[str], begins: Mapping[str, NDArray[np.uint8]], running: int
) -> dict[str, Any]:
    """The arrays of an artefact.

    `begins` says for each family how many tokens begin at each character of all texts together.
    The first texts, `running` of them, are as people write; the others are lists of words, which
    have a place in the table but say nothing about words that are not listed.
    """
    cut = Cut(texts)
    unique, inverse, seen = np.unique(cut.hashes, return_inverse=True, return_counts=True)
    of_units = {
        name: np.add.reduceat(counts, cut.at, dtype=np.int64) for name, counts in begins.items()
    }
    means = {name: np.bincount(inverse, counts) / seen for name, counts in of_units.items()}
    small = np.max(list(means.values()), axis=0) <= COUNTS[-1]
    frequent = np.flatnonzero((seen >= LEAST) & small)
    frequent = frequent[np.argsort(-seen[frequent], kind="stable")]
    slots, first = np.unique(slots_of(unique[frequent]), return_index=True)
    chosen = frequent[first]
    keys = np.zeros(2**SLOT_BITS, np.uint16)
    keys[slots] = unique[chosen].astype(np.uint16)
    known = np.zeros((len(begins), 2**SLOT_BITS), np.uint8)
    for row, name in enumerate(begins):
        known[row, slots] = np.searchsorted(_EDGES, means[name][chosen])
    places, which = _rare(cut, seen[inverse], running)
    weights = [_weights(places, counts[which]) for counts in begins.values()]
    return {"keys": keys, "known": known, "weights": np.array(weights)}


def begins_of(tokenizer: Any, texts: Iterable[str]) -> NDArray[np.uint8]:
    """How many tokens begin at each character of the texts, one after the other.

    `tokenizer` is one of the package tokenizers; a token of a part of a character begins there.
    """
    found = []
    for text in texts:
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        at = np.array([start for start, _ in offsets], np.intp)
        counts = np.bincount(np.minimum(at, max(0, len(text) - 1)), minlength=len(text))
        found.append(counts.astype(np.uint8))
    return np.concatenate(found)


def _rare(cut: Cut, seen: NDArray[Any], running: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """For each character of a rare unit its rows in the table of weights, and which one it is."""
    rows, which, unit = [], [], 0
    for number, start, part in cut.parts:
        if number >= running:
            break
        at = characters(part, seen[unit : unit + len(part.starts)] <= RARE)
        unit += len(part.starts)
        if len(at):
            rows.append(neighbourhoods(part, at))
            which.append(at + start)
    return np.concatenate(rows, axis=1), np.concatenate(which)


def _weights(places: NDArray[Any], counts: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Least squares with a penalty, feature by feature on what the others leave."""
    size = sum(2**bits for bits in PLACE_BITS)
    seen = [np.bincount(row, minlength=size) + DAMPING for row in places]
    weights = np.zeros(size, np.float32)
    left = counts.astype(np.float32)
    for _ in range(ROUNDS):
        for row, often in zip(places, seen, strict=True):
            step = (np.bincount(row, left, size) / often).astype(np.float32)
            weights += step
            left -= step[row]
    whole: NDArray[np.int8] = np.rint(np.clip(weights * CHANCE_STEP, -127, 127)).astype(np.int8)
    return whole
