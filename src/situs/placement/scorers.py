"""How good is each option? A scorer sees all options at once and answers in [0, 1] for each.

When all options are alike a scorer answers 1.0 for each: its neutral value.
To add one, write it, put it into SCORERS and give it weights in OBJECTIVES.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from situs.core.capability import CapabilityClass
from situs.core.fleet import Health
from situs.core.request import Objective
from situs.placement.filters import Option

Scorer = Callable[[Sequence[Option]], list[float]]

_HEALTH = {Health.HEALTHY: 1.0, Health.UNKNOWN: 1.0, Health.STALE: 0.0}


def cheap(options: Sequence[Option]) -> list[float]:
    """1 for the cheapest, 0 for the dearest and for an unknown price, linear between."""
    known = [o.estimate.cost for o in options if o.estimate.cost is not None]
    if not known:
        return [1.0] * len(options)
    low, high = min(known), max(known)
    return [0.0 if o.estimate.cost is None else _down(o.estimate.cost, low, high) for o in options]


def fast(options: Sequence[Option]) -> list[float]:
    """1 for the shortest predicted E2E, 0 for the longest, linear between."""
    times = [o.estimate.e2e_s for o in options]
    low, high = min(times), max(times)
    return [_down(time, low, high) for time in times]


def capable(options: Sequence[Option]) -> list[float]:
    """The capability class, as a share of the highest class there is."""
    return [o.deployment.model.capability.rank / CapabilityClass.FRONTIER.rank for o in options]


def idle(options: Sequence[Option]) -> list[float]:
    """The free share of the slots."""
    return [1.0 - o.state.in_flight / o.deployment.max_in_flight for o in options]


def steady(options: Sequence[Option]) -> list[float]:
    """0 for a deployment that failed lately and has not been seen well since."""
    return [_HEALTH.get(o.state.health, 0.0) for o in options]


def _down(value: float, low: float, high: float) -> float:
    return 1.0 if high <= low else (high - value) / (high - low)


SCORERS: dict[str, Scorer] = {
    "cost": cheap,
    "latency": fast,
    "capability": capable,
    "load": idle,
    "health": steady,
}

OBJECTIVES: dict[Objective, dict[str, float]] = {
    Objective.CHEAPEST_ADEQUATE: {"cost": 0.6, "latency": 0.1, "load": 0.1, "health": 0.2},
    Objective.FASTEST: {"latency": 0.6, "load": 0.2, "health": 0.2},
    Objective.BEST: {"capability": 0.7, "latency": 0.05, "load": 0.05, "health": 0.2},
    Objective.PRIVATE: {"capability": 0.3, "latency": 0.3, "load": 0.2, "health": 0.2},
}
"""The weights of each named profile; each row sums to 1. `private` also filters: owned only."""
