"""Every check, in the order in which it is told. A new one goes into the module of its subject."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from situs.app.setting import Setting
from situs.doctor import (
    cascades,
    fleet,
    judging,
    learned,
    process,
    record,
    routes,
    stores,
    watching,
)
from situs.doctor.diagnosis import Diagnosis, Standing
from situs.errors import SitusError

Check = Callable[[Setting], Iterator[Diagnosis]]
"""Yields a diagnosis for each feature. One that raises is a problem of the feature of its name."""

CHECKS: tuple[Check, ...] = (
    process.data,
    judging.policy,
    fleet.models,
    fleet.deployments,
    fleet.prices,
    judging.labels,
    judging.evidence,
    stores.sessions,
    stores.approvals,
    stores.feedback,
    stores.comparisons,
    stores.times,
    stores.index,
    learned.heads,
    routes.routes,
    cascades.cascade,
    routes.pilots,
    record.receipts,
    record.anchors,
    watching.watching,
    process.listening,
    process.egress,
)


def examine(setting: Setting, url: str | None = None) -> list[Diagnosis]:
    """Every check in order. Reads only; a running gateway is not disturbed.

    `url` is where the gateway that runs on the data directory says it listens, if it was asked.
    """
    found = [process.gateway(setting, url)]
    for check in CHECKS:
        try:
            found.extend(check(setting))
        except SitusError as error:
            found.append(Diagnosis(check.__name__, Standing.PROBLEM, error.message, error.advice))
    return found
