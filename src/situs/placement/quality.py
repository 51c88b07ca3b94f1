"""How probable an acceptable answer of a model is, and whether that is good enough.

What is believed of a model comes from what its answers were worth (`learning.beliefs`); without
that, from its capability class. Where a head knows the model and the prompt, both are mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from situs.core import rating
from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis
from situs.core.fleet import Model
from situs.core.snapshot import ANY_KIND, Belief, Beliefs

PRIOR_WEIGHT = 5.0
"""What a capability class says is worth so many observations."""

HEAD_WEIGHT = 200.0
"""What a head says of a model and a prompt is worth so many."""

_AT_LEAST, _ABOVE = 0.9, 0.01
_BELOW = (0.6, 0.35, 0.15, 0.05)


def _prior(able: CapabilityClass, needed: CapabilityClass) -> Belief:
    apart = able.rank - needed.rank
    mean = _AT_LEAST + _ABOVE * apart if apart >= 0 else _BELOW[-apart - 1]
    return Belief(mean, PRIOR_WEIGHT)


PRIORS = {
    (able, needed): _prior(able, needed) for able in CapabilityClass for needed in CapabilityClass
}
"""By class of the model and class needed: 0.9, and 0.01 more for each class above what is needed;
0.6, 0.35, 0.15 and 0.05 for one to four classes below."""


def quality(model: Model, analysis: Analysis, beliefs: Beliefs) -> Belief:
    """The expected probability that this model's answer is acceptable.

    The first of these that is known: the model on this route (without one: at this task) and the
    class needed; the model at anything and the class needed; the model's class. They are made so
    that each is drawn to the next.
    What a head says of the prompt (`analysis.acceptable`) is mixed in, both by their weights.
    """
    table, needs = beliefs.table, analysis.needs
    found = None
    if table:
        found = table.get((model.name, kind_of(analysis), needs.value)) or table.get(
            (model.name, ANY_KIND, needs.value)
        )
    if found is None:
        found = PRIORS[model.capability, needs]
    said = analysis.acceptable.get(model.name) if analysis.acceptable else None
    if said is None:
        return found
    weight = found.weight + HEAD_WEIGHT
    return Belief((found.mean * found.weight + said * HEAD_WEIGHT) / weight, weight)


def on_the_whole(model: Model, beliefs: Beliefs) -> float:
    """The expected quality at the most demanding requests of any kind: what orders all models."""
    most = CapabilityClass.FRONTIER
    found = beliefs.table.get((model.name, ANY_KIND, most.value))
    return (found or PRIORS[model.capability, most]).mean


def interval(belief: Belief) -> tuple[float, float]:
    """Between these the true share lies 19 times out of 20 (Wilson score interval)."""
    n, z = belief.weight, 1.96
    centre = (belief.mean + z * z / (2 * n)) / (1 + z * z / n)
    root = sqrt(belief.mean * (1 - belief.mean) / n + z * z / (4 * n * n))
    apart = z / (1 + z * z / n) * root
    return max(0.0, centre - apart), min(1.0, centre + apart)


def kind_of(analysis: Analysis) -> str:
    """What kind of request it is, as beliefs are kept by."""
    routed = analysis.routed
    return rating.kind_of(None if routed is None else routed.route, analysis.task)


def adequate(qualities: Sequence[float], share: float) -> list[bool]:
    """Which are good enough: those of at least `share` of the best one's quality, itself always."""
    least = share * max(qualities, default=0.0) - _ROUNDING
    return [one >= least for one in qualities]


def full_costs(
    costs: Sequence[float | None], qualities: Sequence[float], share: float, usual: float
) -> list[float | None]:
    """Costs with what the quality that is missing is worth; the least of those adequate is picked.

    All that `share` lets go of is worth `usual`: what a usual request costs at the model that is
    best on the whole. So quality is given up where that saves most, and a request that costs next
    to nothing anywhere goes to the best one. With a share of 1, and a `usual` of 0, costs alone.
    """
    if share >= 1.0 or usual <= 0.0:
        return list(costs)
    best = max(qualities, default=0.0)
    worth = usual / ((1.0 - share) * best) if best > 0.0 else 0.0
    return [
        None if cost is None else cost + worth * (best - one)
        for cost, one in zip(costs, qualities, strict=True)
    ]


_ROUNDING = 1e-9
