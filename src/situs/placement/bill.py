"""What a request cost, and what renting would have cost."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from situs.core.cost import cost_of
from situs.core.decision import Decision
from situs.core.fleet import Deployment
from situs.core.record import Usage
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.placement.columns import table_of

Paid = Sequence[tuple[Deployment, Usage, int]]
"""What is known to be used where, and the bytes sent there."""


class Bill(Struct, frozen=True):
    """What a request cost and saved; None where no price or no usage is known."""

    cost: float | None = None
    saved: float | None = None
    currency: str | None = None


def bill(
    paid: Paid,
    request: Request,
    decision: Decision,
    snapshot: Snapshot,
) -> Bill:
    """The bill from what places reported (with the bytes sent there): every attempt that did is
    paid.

    The saving is against renting: the cheapest adequate public-cloud deployment of the fleet that
    serves this at all, allowed or not, with the last usage; None without one.
    """
    if not paid or any(deployment.price is None for deployment, _, _ in paid):
        return Bill()
    costs = [cost_of(*one) for one in paid]
    cost = sum([one for one in costs if one is not None])
    last, usage, _ = paid[-1]
    to_rent = table_of(snapshot).to_rent(request.wire.service, decision.analysis.needs)
    rented = [cost_of(other, usage, request.size) for other in to_rent]
    known = [there for there in rented if there is not None]
    saved = min(known) - cost if known else None
    return Bill(cost, saved, None if last.price is None else last.price.currency)
