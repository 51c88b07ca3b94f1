"""What is said of a locus counts until a date: past it, no deployment there may be used."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import inf
from typing import Final

from msgspec.structs import replace

from situs.core.decision import Exclusion, PolicyDecision
from situs.core.fleet import FleetView
from situs.core.snapshot import Memory, Snapshot

EXPIRED: Final = "evidence_expired"

Ends = tuple[tuple[float, str], ...]
"""When evidence ends, in seconds since the epoch, and for which deployment; the first first."""


def with_evidence(decision: PolicyDecision, snapshot: Snapshot, now: float) -> PolicyDecision:
    """The decision without what stands on evidence that has expired.

    The date is the last day, in UTC. A time that is no number is past every date.
    """
    ends = _ends(snapshot.fleet, snapshot.policy.memory)
    if not ends or now < ends[0][0] or decision.error is not None:
        return decision
    over = {name for end, name in ends if not now < end}
    excluded = {Exclusion(name, "policy", EXPIRED) for name in over} | set(decision.exclusions)
    return replace(
        decision,
        allowed=tuple(name for name in decision.allowed if name not in over),
        exclusions=tuple(sorted(excluded, key=lambda one: (one.deployment, one.code))),
        obligations=tuple(one for one in decision.obligations if one.deployment not in over),
    )


def _ends(fleet: FleetView, memory: Memory | None) -> Ends:
    """Found out once for each fleet digest, where there is a memory."""
    key = b"evidence:" + fleet.digest.encode()
    known: Ends | None = None if memory is None else memory.get(key)
    if known is None:
        known = tuple(
            sorted(
                (end_of(one.locus.evidence_until), one.name)
                for one in fleet.deployments
                if one.locus.evidence_until is not None
            )
        )
        if memory is not None:
            memory.put(key, known)
    return known


def end_of(until: str) -> float:
    """The first moment after a day, in seconds since the epoch; what is no day has never been."""
    try:
        after = date.fromisoformat(until) + timedelta(days=1)
    except (ValueError, OverflowError):
        return -inf
    return datetime(after.year, after.month, after.day, tzinfo=UTC).timestamp()
