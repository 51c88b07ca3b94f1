"""How long deployments take, as the parent hears it from all workers: kept for the next start."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock

import msgspec
from msgspec import Struct

from situs.app.plan import Plan, fleet_view
from situs.config.build import upstream_model
from situs.core.fleet import Deployment, DeploymentState, FleetView
from situs.errors import StoreError
from situs.fleet.times import Times, number_of
from situs.placement.latency import Learned, beginning, learn, resumed
from situs.stores.times import Kept, read_times, write_times

_log = logging.getLogger(__name__)


class _Known(Struct):
    """`kept` is what is written of it, as of its last answer; None: there was none."""

    name: str
    of: str
    learned: Learned
    kept: Kept | None


class Timing:
    """Owns what is learned over all workers, and over restarts while a deployment is the same."""

    def __init__(self, data: Path, times: Times) -> None:
        self._data = data
        self._times = times
        self._plan: Plan | None = None
        self._known: dict[int, _Known] = {}
        self._heard = self._written = 0
        self._writing = Lock()
        self._problem: str | None = None

    def of(self, plan: Plan) -> dict[str, Learned]:
        """What a worker begins this plan with, by deployment; from now on this plan holds."""
        self.hear()
        if plan is not self._plan:
            self._use(plan)
        return {one.name: one.learned for one in self._known.values() if one.kept is not None}

    def hear(self) -> None:
        """Learn what workers measured since it was asked last."""
        now = time.time()
        for number, measured, in_flight in self._times.heard():
            known = self._known.get(number)
            if known is not None:
                known.learned = learn(known.learned, measured, in_flight)
                known.kept = Kept(known.of, now, known.learned)
                self._heard += 1

    async def keep(self) -> None:
        """Write down what is known, where that changed. Never raises StoreError."""
        self.hear()
        heard = self._heard
        if heard == self._written:
            return
        kept = {one.name: one.kept for one in self._known.values() if one.kept is not None}
        try:
            await asyncio.to_thread(self._write, kept)
            self._written, self._problem = heard, None
        except StoreError as error:
            if error.message != self._problem:
                _log.warning("learned times are not kept: %s %s", error.message, error.advice)
            self._problem = error.message

    def _write(self, kept: dict[str, Kept]) -> None:
        with self._writing:
            write_times(self._data, kept)

    def _use(self, plan: Plan) -> None:
        """What is another deployment now begins anew; what was read counts by its age."""
        before = {one.name: one for one in self._known.values()}
        file = _read(self._data) if self._plan is None else {}
        self._plan, self._known, now = plan, {}, time.time()
        for deployment in fleet_view(plan).deployments:
            name, of = deployment.name, _digest(plan, deployment)
            known, kept = before.get(name), file.get(name)
            if known is not None and known.of == of:
                learned, kept = resumed(known.learned, deployment, 0.0), known.kept
            elif kept is not None and kept.of == of:
                learned = resumed(kept.learned, deployment, now - kept.at)
            else:
                learned, kept = beginning(deployment), None
            self._known[number_of(deployment)] = _Known(name, of, learned, kept)


def kept_view(plan: Plan) -> FleetView:
    """The fleet, as fast as it was when a gateway last wrote it down."""
    view, held = fleet_view(plan), holding(plan, _read(Path(plan.data)))
    paces = (held[one.name].learned.pace if one.name in held else None for one in view.deployments)
    states = tuple(DeploymentState(pace=pace) for pace in paces)
    return FleetView(view.deployments, states, view.digest)


def holding(plan: Plan, kept: Mapping[str, Kept]) -> dict[str, Kept]:
    """What of it was learned of deployments that are still the same."""
    now = {one.name: _digest(plan, one) for one in fleet_view(plan).deployments}
    return {name: one for name, one in kept.items() if one.of == now.get(name)}


def _read(data: Path) -> dict[str, Kept]:
    try:
        return read_times(data)
    except StoreError as error:
        _log.warning("times are learned anew: %s %s", error.message, error.advice)
        return {}


def _digest(plan: Plan, deployment: Deployment) -> str:
    """Of all that says what answers there: the node, the model, and what serves it."""
    entry, model = plan.config.deployments[deployment.name], deployment.model
    served = entry.runtime or [entry.endpoint and entry.endpoint.url, upstream_model(entry)]
    facts = [deployment.node, model.name, model.weights, served]
    return sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()
