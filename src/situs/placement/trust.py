"""Which of two places is trusted more."""

from __future__ import annotations

from situs.core.fleet import Locus, LocusKind, TrainingUse

_NEAR = (
    LocusKind.PUBLIC_CLOUD,
    LocusKind.SOVEREIGN_CLOUD,
    LocusKind.EDGE,
    LocusKind.ON_PREM,
    LocusKind.DEVICE,
)


def as_strict(one: Locus, other: Locus) -> bool:
    """Whether what may be sent to `one` may as well be sent to `other`, without a new decision.

    It must be owned if `one` is; else under the same law and of a kind no more public. It may not
    keep or train on what `one` does not.
    """
    if other.name == one.name:
        return True
    if one.owned:
        return other.owned
    return other.owned or (
        other.jurisdiction == one.jurisdiction
        and _NEAR.index(other.kind) >= _NEAR.index(one.kind)
        and (other.retention == "none" or other.retention == one.retention)
        and (other.training_use is TrainingUse.NONE or other.training_use is one.training_use)
        and (other.transit == one.transit or other.transit == "none")
    )
