"""What is there and how it is: models, explain, fleet, liveness and readiness."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import asdict

from situs.core.fleet import SHUT, Condition, DeploymentState, FleetView
from situs.core.request import AUTO
from situs.errors import UnknownModel
from situs.gateway import Gateway
from situs.http.app import Call
from situs.http.inference import request_of
from situs.http.respond import send_json
from situs.placement.explain import explain
from situs.trust.api_keys import Scope


class Admin:
    """`recording` says why no receipt can be written; None while it can.

    `loading` names the models of this machine that the gateway was started with and that are not
    known to load or to fail yet. `sessions` says why requests that name a session are refused,
    `conditions` what the health of deployments is due to.
    """

    def __init__(
        self,
        gateway: Gateway,
        recording: Callable[[], str | None],
        loading: Callable[[], list[str]] = list,
        sessions: Callable[[], str | None] = lambda: None,
        conditions: Callable[[], Mapping[str, Condition]] = dict,
    ) -> None:
        self._gateway = gateway
        self._recording = recording
        self._loading = loading
        self._sessions = sessions
        self._conditions = conditions

    async def livez(self, call: Call) -> None:
        await send_json(call.send, 200, {"status": "alive"})

    async def readyz(self, call: Call) -> None:
        """200 when a deployment is usable, none is still loading and receipts can be written.

        Else 503. A gateway that refuses sessions serves others, so it is ready, and says so.
        Names and reasons are told to those who may see the fleet.
        """
        usable = [d.name for d, state in _pairs(self._fleet()) if state.health not in SHUT]
        problem, loading = self._recording(), self._loading()
        ready = bool(usable) and not loading and problem is None
        told: dict[str, Any] = {"status": "ready" if ready else "not_ready"}
        if Scope.ADMIN in call.caller.scopes:
            sessions = await asyncio.to_thread(self._sessions)
            told |= {"usable": usable, "loading": loading}
            told |= {"receipts": problem, "sessions": sessions}
        await send_json(call.send, 200 if ready else 503, told)

    async def models(self, call: Call) -> None:
        await send_json(call.send, 200, {"object": "list", "data": self._models()})

    async def model(self, call: Call) -> None:
        name = call.path.removeprefix("/v1/models/")
        for model in self._models():
            if model["id"] == name:
                await send_json(call.send, 200, model)
                return
        raise UnknownModel("No deployment, model or route has this name.", param="model")

    async def fleet(self, call: Call) -> None:
        """Every deployment as this worker sees it: its facts, its state, and why that is so."""
        fleet, conditions = self._fleet(), self._conditions()
        deployments = [
            {"deployment": d, "state": _shown(state), "condition": conditions.get(d.name)}
            for d, state in _pairs(fleet)
        ]
        await send_json(call.send, 200, {"digest": fleet.digest, "deployments": deployments})

    async def explain(self, call: Call) -> None:
        """The decision for this request and what every filter and scorer said; nothing is sent."""
        snapshot = self._gateway.situation.current().snapshot
        request = await request_of(call, snapshot)
        decision = await self._gateway.explain(request)
        await send_json(call.send, 200, explain(request, decision, snapshot))

    def _fleet(self) -> FleetView:
        return self._gateway.situation.current().snapshot.fleet

    def _models(self) -> list[dict[str, Any]]:
        """`auto`, the routes, then every deployment and every model by name, without repeats."""
        snapshot = self._gateway.situation.current().snapshot
        owners = dict.fromkeys((AUTO, *snapshot.routes.table), "situs")
        for deployment in snapshot.fleet.deployments:
            owners.setdefault(deployment.name, deployment.locus.operator)
            owners.setdefault(deployment.model.name, deployment.model.origin)
        return [
            {"id": name, "object": "model", "created": 0, "owned_by": owner}
            for name, owner in owners.items()
        ]


def _shown(state: DeploymentState) -> dict[str, Any]:
    """The learned times by their names; in receipts they are a list."""
    pace = None if state.pace is None else asdict(state.pace)
    return {**asdict(state), "pace": pace}


def _pairs(fleet: FleetView) -> list[tuple[Any, Any]]:
    return list(zip(fleet.deployments, fleet.states, strict=True))
