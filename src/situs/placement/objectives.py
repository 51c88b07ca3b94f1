"""What each objective is after, and what decides among places that are nearly equal in that."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from msgspec import Struct

from situs.core.request import Objective


class Profile(Struct, frozen=True):
    """The place with the least `goal` comes first (`goal` names a figure; see `GOALS`).

    Those that are `within` a share of it are as good; among these the higher score comes first: the
    sum of what the scorers say, by `weights`.
    """

    goal: str
    within: float
    weights: dict[str, float]


GOALS = ("cost", "e2e_s", "flaws")
"""Money, seconds, and one over the quality."""

_CHEAP = Profile("cost", 0.02, {"latency": 0.3, "load": 0.3, "health": 0.2, "prefix": 0.2})

OBJECTIVES: dict[Objective, Profile] = {
    Objective.CHEAPEST_ADEQUATE: _CHEAP,
    Objective.FASTEST: Profile(
        "e2e_s", 0.05, {"cost": 0.3, "load": 0.3, "quality": 0.2, "health": 0.2}
    ),
    Objective.BEST: Profile(
        "flaws", 0.005, {"cost": 0.3, "latency": 0.2, "load": 0.2, "health": 0.2, "prefix": 0.1}
    ),
    Objective.PRIVATE: _CHEAP,
}
"""The weights of each sum to 1. `private` also filters: owned only."""

INADEQUATE_WITHIN = 0.005
"""Those whose quality is not enough come last, the best first; so near in flaws are equals."""


def flaws(qualities: Sequence[float]) -> list[float]:
    """One over each quality, so that less is better and errors count by ratio."""
    return [1.0 / one if one > 0.0 else inf for one in qualities]
