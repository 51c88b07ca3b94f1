"""What an artefact of each head may say: settings in their bounds, arrays of the sizes they name.

A head that is not listed here is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from situs.analysis import effort, task_head, token_counts
from situs.core.capability import CapabilityClass
from situs.errors import OperatorError
from situs.learning import confidence
from situs.learning.artefacts import Artefact
from situs.placement.signals import NAMES

Share = Annotated[float, Meta(ge=0, le=1)]
Heat = Annotated[float, Meta(gt=0, le=1000)]
Factor = Annotated[float, Meta(ge=-1000, le=1000)]
Bits = Annotated[int, Meta(ge=1, le=24)]
Names = Annotated[tuple[str, ...], Meta(min_length=1)]

Shape = tuple[int | None, ...]
"""Of an array; None where any length will do."""


class _Limits(Struct, frozen=True):
    """The settings that a head reads. Of arrays whose name begins with `deep_`, all may lack."""

    def shapes(self) -> dict[str, Shape]:
        return {}

    def problem(self) -> str | None:
        """What no bound of a single setting can say."""
        return None


class Task(_Limits, frozen=True):
    classes: Names
    temperature: Heat
    threshold: Share
    deep_temperature: Heat = 1.0
    deep_threshold: Share = 0.0

    def shapes(self) -> dict[str, Shape]:
        count = len(self.classes)
        return {
            "grams": (1 << task_head.GRAM_BITS, count + 1),
            "marks": (1 << task_head.MARK_BITS, count + 1),
            "scale": (2,),
            "bias": (count,),
            "deep_fast": (count, count),
            "deep_vector": (None, count),
            "deep_bias": (count,),
        }


class Complexity(_Limits, frozen=True):
    enough: Share
    tasks: tuple[str, ...]

    def shapes(self) -> dict[str, Shape]:
        count = len(effort.CLASSES)
        return {"table": (1 << effort.BITS, count), "scale": (count,), "bias": (count,)}


class Length(_Limits, frozen=True):
    tasks: tuple[str, ...]
    weights: dict[str, Factor]

    def shapes(self) -> dict[str, Shape]:
        rows = len(self.tasks) + 1
        return {
            "table": (1 << effort.BITS, 1),
            "scale": (1,),
            "base": (rows, 3),
            "spread": (rows, 2),
        }


class Tokens(_Limits, frozen=True):
    families: Names
    default: Names

    def shapes(self) -> dict[str, Shape]:
        count, slots = len(self.families), 1 << token_counts.SLOT_BITS
        places = sum(1 << bits for bits in token_counts.PLACE_BITS)
        return {"keys": (slots,), "known": (count, slots), "weights": (count, places)}

    def problem(self) -> str | None:
        unknown = set(self.default) - set(self.families)
        return f"settings.default: {min(unknown)} is none of families" if unknown else None


class NameKinds(_Limits, frozen=True):
    kinds: Names
    thresholds: dict[str, Annotated[float, Meta(gt=0, le=1)]]
    low: Share
    sign: Share
    power: Heat

    def shapes(self) -> dict[str, Shape]:
        count = 1 + 2 * len(self.kinds)
        return {"w": (None, count), "b": (count,)}

    def problem(self) -> str | None:
        lacking = set(self.kinds) - set(self.thresholds)
        return f"settings.thresholds: there is none for {min(lacking)}" if lacking else None


class Routes(_Limits, frozen=True):
    word_bits: Bits
    bits: Bits

    def shapes(self) -> dict[str, Shape]:
        return {"table": ((1 << self.word_bits) + (2 << self.bits), None)}


class Fit(Struct, frozen=True):
    models: Names


class Capability(_Limits, frozen=True):
    fits: Annotated[tuple[Fit, ...], Meta(min_length=1)]
    classes: dict[str, CapabilityClass]


class Confidence(_Limits, frozen=True):
    delta: Share
    entries: Annotated[tuple[confidence.Entry, ...], Meta(min_length=1)]

    def problem(self) -> str | None:
        for one in self.entries:
            for view in one.calibration.views:
                sizes = {len(view.levels), len(view.errors), len(view.kept)}
                if sizes != {confidence.LEVELS} or len(view.weights) != len(NAMES):
                    return f"settings.entries: {one.model}, {one.task}: too many or too few"
                if list(view.levels) != sorted(view.levels, reverse=True):
                    return f"settings.entries: {one.model}, {one.task}: levels that do not fall"
        return None


_LIMITS: Mapping[str, type[_Limits]] = {
    "task": Task,
    "complexity": Complexity,
    "length": Length,
    "tokens": Tokens,
    "names": NameKinds,
    "routes": Routes,
    "capability": Capability,
    "confidence": Confidence,
}


def check(artefact: Artefact) -> None:
    """Raises OperatorError, with head, version, what is wrong and what is allowed."""
    problem = next(_problems(artefact), None)
    if problem is not None:
        card = artefact.card
        raise OperatorError(
            f"The artefact {card.head} {card.version} cannot be used: {problem}.",
            do="Use another version: name it under analysis.artefacts, or leave it out.",
        )


def _problems(artefact: Artefact) -> Iterator[str]:
    limits = _LIMITS.get(artefact.card.head)
    if limits is None:
        return
    try:
        settings = msgspec.convert(artefact.card.settings, type=limits)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        yield f"settings{where.rstrip('`')}: {what[:1].lower()}{what[1:]}"
        return
    if (problem := settings.problem()) is not None:
        yield problem
    for name, expected in settings.shapes().items():
        found = artefact.arrays.get(name)
        if found is None and not name.startswith("deep_"):
            yield f"the array {name} is missing"
        elif found is not None and not _fits(found.shape, expected):
            yield f"the array {name} is {_said(found.shape)}; expected {_said(expected)}"
    for name, found in artefact.arrays.items():
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            yield f"the array {name} holds what is no finite number"


def _fits(shape: tuple[int, ...], expected: Shape) -> bool:
    return len(shape) == len(expected) and all(
        wanted in (None, length) for length, wanted in zip(shape, expected, strict=True)
    )


def _said(shape: Shape) -> str:
    return " x ".join("any" if one is None else str(one) for one in shape) or "a number"
