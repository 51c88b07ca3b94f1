"""What is said of a feature."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Condition(StrEnum):
    ACTIVE = "active"
    OFF = "off"
    PROBLEM = "problem"


class Finding(Struct, frozen=True):
    """One feature: whether it is active, and why; `do` says what to do about a problem."""

    feature: str
    condition: Condition
    because: str
    do: str = ""
