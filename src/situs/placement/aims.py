"""Which aim a request has: its own, its route's, its tenant's, or that of all."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from situs.core.aim import Aim
from situs.core.decision import Analysis
from situs.core.request import Objective, Request
from situs.core.snapshot import Snapshot


def aim_for(request: Request, analysis: Analysis, snapshot: Snapshot) -> Aim:
    """What is said nearer to the request counts; field by field.

    But what is `private` stays private, whatever a route or the caller says: which route a request
    is of is up to who writes it.
    """
    aim = snapshot.aim
    if snapshot.tenants:
        aim = _with(aim, snapshot.tenants.get(request.principal.tenant))
    if snapshot.aims and analysis.routed is not None:
        aim = _with(aim, snapshot.aims.get(analysis.routed.route))
    asked = request.ask.objective
    if asked is None or asked is aim.objective or aim.objective is Objective.PRIVATE:
        return aim
    return replace(aim, objective=asked)


def _with(aim: Aim, said: dict[str, Any] | None) -> Aim:
    if not said:
        return aim
    if aim.objective is Objective.PRIVATE:
        said = {**said, "objective": Objective.PRIVATE}
    return replace(aim, **said)
