"""A plan's parts to the objects of a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from situs.app.endpoints import RuntimeOf, endpoint_of
from situs.app.link import Asked, Lease, Leased, Link, Told
from situs.app.plan import Plan, models_dir
from situs.backends.by_deployment import ByDeployment
from situs.backends.onnx_embeddings import Encoders, OnnxEmbeddings
from situs.backends.openai_compatible import OpenAICompatible, Origins
from situs.config import build
from situs.config.terms import is_loopback
from situs.config.tree import Onnx
from situs.core.ports import Backends
from situs.gateway import Gateway
from situs.http.admin import Admin
from situs.http.app import App, Call, Handler
from situs.http.approvals import ApprovalDesk
from situs.http.auth import Auth
from situs.http.feedback import PATH as FEEDBACK
from situs.http.feedback import FeedbackDesk
from situs.http.guard import Guard
from situs.http.inference import EXPLAIN, FORMS, Inference
from situs.http.respond import send_bytes
from situs.trust.allowance import Grant, Report


def backends_of(
    plan: Plan, origins: Origins, encoders: Encoders, runtime_of: RuntimeOf
) -> Backends:
    """What reaches the deployments of this plan, and no others."""
    entries, models = plan.config.deployments, plan.config.models
    within = OnnxEmbeddings(
        {
            name: build.onnx_of(models[entry.model], entry.runtime, models_dir(plan))
            for name, entry in entries.items()
            if isinstance(entry.runtime, Onnx)
        },
        encoders,
    )
    reached = OpenAICompatible(
        {
            name: endpoint_of(plan, name, entry, runtime_of)
            for name, entry in entries.items()
            if not isinstance(entry.runtime, Onnx)
        },
        origins,
    )
    return ByDeployment(
        {
            name: within if isinstance(entry.runtime, Onnx) else reached
            for name, entry in entries.items()
        }
    )


class Desk:
    """Questions that only the parent can answer, for it knows all workers."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def __call__(self, call: Call) -> None:
        """Hand the request to the parent, and its answer to the caller."""
        answer: Told = await self._ask(lambda number: Asked(number, call.path, call.query))
        await send_bytes(call.send, answer.status, answer.kind, answer.body)

    async def lease(self, report: Report) -> Grant:
        """More of a key's requests per minute."""
        answer: Leased = await self._ask(lambda number: Lease(number, report))
        return answer.grant

    def told(self, answer: Told | Leased) -> None:
        waiter = self._waiting.get(answer.number)
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    async def _ask(self, question: Callable[[int], Asked | Lease]) -> Any:
        number = next(self._numbers)
        waiter = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._link.send(question(number))
        try:
            return await waiter
        finally:
            del self._waiting[number]


def application(
    plan: Plan, gateway: Gateway, admin: Admin, desks: tuple[Desk, ApprovalDesk], auth: Auth
) -> App:
    """Every URL of the data port."""
    desk, approvals = desks
    inference, server = Inference(gateway), plan.config.server
    routes: dict[tuple[str, str], Handler] = {
        **{("POST", path): inference for path in FORMS},
        ("GET", "/v1/models"): admin.models,
        ("GET", "/v1/models/"): admin.model,
        ("POST", EXPLAIN): admin.explain,
        ("POST", f"{EXPLAIN}/"): admin.explain,
        ("GET", "/situs/v1/fleet"): admin.fleet,
        ("GET", "/situs/v1/approvals"): approvals.list,
        ("POST", "/situs/v1/approvals/"): approvals.decide,
        ("POST", FEEDBACK): FeedbackDesk(Path(plan.data), time.time),
        ("GET", "/situs/v1/"): desk,
        ("GET", "/metrics"): desk,
        ("GET", "/livez"): admin.livez,
        ("GET", "/readyz"): admin.readyz,
    }
    hosts = frozenset(host.lower() for host in server.allowed_hosts)
    origins = frozenset(origin.lower() for origin in server.allowed_origins)
    guard = Guard(hosts, origins, addresses=not is_loopback(server.host))
    return App(routes, guard, server.max_body_mb * 1_000_000, auth, server.max_held_mb * 1_000_000)
