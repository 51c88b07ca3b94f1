"""What an answer was worth, as somebody says it."""

from __future__ import annotations

from msgspec import Struct

from situs.core.capability import CapabilityClass


class Rating(Struct, frozen=True):
    """What one answer was worth, from 0 to 1; `at` is wall time in seconds.

    `kind` is as `placement.quality.kind_of` has it. `by` is whose word it is; "" is trusted.
    """

    model: str
    kind: str
    needs: CapabilityClass
    score: float
    at: float
    by: str = ""
