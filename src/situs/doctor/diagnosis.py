"""What is said of a feature."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Standing(StrEnum):
    ACTIVE = "active"
    OFF = "off"
    PROBLEM = "problem"


class Diagnosis(Struct, frozen=True):
    """One feature: whether it is active, and why; `do` says what to do about a problem."""

    feature: str
    condition: Standing
    because: str
    do: str = ""
