"""How good is each place that is left? A scorer sees all of them and answers in [0, 1] for each.

When all are alike a scorer answers 1.0 for each: its neutral value.
To add one, write it, put it into SCORERS and give it weights in OBJECTIVES.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from situs.core.fleet import Health
from situs.placement.prefix import affinity


class Field(Struct, frozen=True):
    """All places that are left, a column a figure. `at` are their positions in the fleet.

    `load` is the share of the places in flight that is taken. Tokens are those of the prompt; one
    that must be read takes `prompt_s`, and `read` were read lately (`placement.prefix`).
    """

    at: Sequence[int]
    cost: Sequence[float | None]
    ttft_s: Sequence[float]
    e2e_s: Sequence[float]
    quality: Sequence[float]
    load: Sequence[float]
    health: Sequence[Health]
    prompt_tokens: Sequence[int]
    cached_tokens: Sequence[int]
    prompt_s: Sequence[float]
    read: Sequence[int]


Scorer = Callable[[Field], list[float]]


def cheap(field: Field) -> list[float]:
    """The least cost over this one; 0 where no price is known, 1 for all where none is."""
    known = [cost for cost in field.cost if cost is not None]
    if not known:
        return [1.0] * len(field.at)
    least = min(known)
    if len(known) == len(field.at):
        return [least / cost if cost > least else 1.0 for cost in known]
    return [0.0 if cost is None else least / cost if cost > least else 1.0 for cost in field.cost]


def fast(field: Field) -> list[float]:
    """The shortest predicted E2E over this one."""
    least = min(field.e2e_s)
    return [least / time if time > least else 1.0 for time in field.e2e_s]


def good(field: Field) -> list[float]:
    """The expected quality over the best one."""
    best = max(field.quality)
    return [one / best for one in field.quality] if best > 0.0 else [1.0] * len(field.at)


def idle(field: Field) -> list[float]:
    """The free share of the places in flight, over that of the idlest."""
    most = 1.0 - min(field.load)
    if most <= 0.0:  # all are full
        return [1.0] * len(field.at)
    return [(1.0 - one) / most for one in field.load]


def steady(field: Field) -> list[float]:
    """0 for a deployment that failed lately and has not been seen well since."""
    if Health.STALE not in field.health:
        return [1.0] * len(field.at)
    stale = field.health.count(Health.STALE) < len(field.at)
    return [0.0 if stale and one is Health.STALE else 1.0 for one in field.health]


def prefix(field: Field) -> list[float]:
    """Where most of its beginning is in the cache, but for places that have much to read."""
    if len(field.at) < 2 or not (any(field.cached_tokens) or any(field.read)):
        return [1.0] * len(field.at)
    return affinity(field.prompt_tokens, field.cached_tokens, field.prompt_s, field.read)


SCORERS: dict[str, Scorer] = {
    "cost": cheap,
    "latency": fast,
    "quality": good,
    "load": idle,
    "health": steady,
    "prefix": prefix,
}
