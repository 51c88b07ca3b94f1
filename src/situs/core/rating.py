"""What an answer was worth, as somebody says it, or as it is judged by machine."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from situs.core.capability import CapabilityClass


class Origin(StrEnum):
    """Where a rating comes from: somebody's word; a question whose right answer is known; what a
    cascade saw in the answer; or what the answer has in common with the one that the caller got, of
    which it was a copy.
    """

    PERSON = "person"
    BENCH = "bench"
    CASCADE = "cascade"
    SHADOW = "shadow"


class Rating(Struct, frozen=True):
    """What one answer was worth, from 0 to 1; `at` is wall time in seconds.

    `kind` is as `kind_of` has it. `by` is the key whose word it is, or who asked where a machine
    judged; the word of "" is trusted.
    """

    model: str
    kind: str
    needs: CapabilityClass
    score: float
    at: float
    by: str = ""
    origin: Origin = Origin.PERSON


class Likeness(Struct, frozen=True):
    """How alike the answers of two models to one request are: that of `model` was a copy.

    `similarity` is from 0 to 1; see `dispatch.shadow.agreement`. `by` is who asked.
    """

    model: str
    other: str
    kind: str
    needs: CapabilityClass
    similarity: float
    at: float
    by: str


def kind_of(route: str | None, task: str) -> str:
    """What kind of request it is, as beliefs are kept by: its route, or else its task."""
    return task if route is None else f"route:{route}"
