"""How probable an acceptable answer of a model is, and whether that is good enough.

What is believed of a model comes from what its answers were worth (`learning.beliefs`); without
that, from its capability class. Where a head knows the model and the prompt, both are mixed.
"""

from __future__ import annotations

from collections.abc import Sequence

from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis
from situs.core.fleet import Model
from situs.core.snapshot import ANY_TASK, Belief, Beliefs

PRIOR_WEIGHT = 5.0
"""What a capability class says is worth so many observations."""

HEAD_WEIGHT = 50.0
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

    The first of these that is known: the model at this task and the class needed; the model at any
    task and the class needed; the model's class. They are made so that each is drawn to the next.
    What a head says of the prompt (`analysis.acceptable`) is mixed in, both by their weights.
    """
    table, needs = beliefs.table, analysis.needs
    found = None
    if table:
        found = table.get((model.name, analysis.task, needs.value)) or table.get(
            (model.name, ANY_TASK, needs.value)
        )
    if found is None:
        found = PRIORS[model.capability, needs]
    said = analysis.acceptable.get(model.name) if analysis.acceptable else None
    if said is None:
        return found
    weight = found.weight + HEAD_WEIGHT
    return Belief((found.mean * found.weight + said * HEAD_WEIGHT) / weight, weight)


def adequate(qualities: Sequence[float], share: float) -> list[bool]:
    """Which are good enough: those of at least `share` of the best one's quality, itself always."""
    least = share * max(qualities, default=0.0) - _ROUNDING
    return [one >= least for one in qualities]


_ROUNDING = 1e-9
