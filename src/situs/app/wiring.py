"""A plan's parts to the objects of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from situs.app.link import Asked, Link, RuntimeState, Told
from situs.app.plan import Plan
from situs.backends.openai_compatible import Endpoint, OpenAICompatible, Origins
from situs.config import build
from situs.config.tree import Deployment as Entry
from situs.core.ports import Backends
from situs.gateway import Gateway
from situs.http.admin import Admin
from situs.http.app import App, Call, Handler
from situs.http.guard import Guard
from situs.http.inference import Chat
from situs.http.respond import send_bytes

RuntimeOf = Callable[[str], Callable[[], RuntimeState | None]]


def backends_of(plan: Plan, origins: Origins, runtime_of: RuntimeOf) -> Backends:
    """What reaches the deployments of this plan, and no others."""
    return OpenAICompatible(
        {
            name: _endpoint(plan, name, entry, runtime_of)
            for name, entry in plan.config.deployments.items()
        },
        origins,
    )


def _endpoint(plan: Plan, name: str, entry: Entry, runtime_of: RuntimeOf) -> Endpoint:
    defaults = plan.config.defaults
    address, key = _reached(plan, name, entry, runtime_of)
    return Endpoint(
        base_url=address,
        model=build.upstream_model(entry),
        key=key,
        connect_timeout_s=defaults.connect_timeout_s,
        first_byte_timeout_s=defaults.first_byte_timeout_s,
        answer_timeout_s=defaults.answer_timeout_s,
        stall_timeout_s=defaults.stall_timeout_s,
    )


def _reached(
    plan: Plan, name: str, entry: Entry, runtime_of: RuntimeOf
) -> tuple[Callable[[], str | None], Callable[[], str | None]]:
    """How to get the base URL and the key: what is supervised changes its own."""
    if entry.endpoint is None:
        runtime = runtime_of(name)
        return (lambda: _loopback_url(runtime())), (lambda: _key(runtime()))
    base, secret = build.base_url(entry.endpoint), plan.secrets.get(name)
    return (lambda: base), (lambda: secret)


def _loopback_url(state: RuntimeState | None) -> str | None:
    if state is None or state.address is None:
        return None
    return f"http://{state.address[0]}:{state.address[1]}/v1"


def _key(state: RuntimeState | None) -> str | None:
    return None if state is None else state.key


class Desk:
    """Questions that only the parent can answer, for it knows all workers."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[Told]] = {}

    async def __call__(self, call: Call) -> None:
        """Hand the request to the parent, and its answer to the caller."""
        number = next(self._numbers)
        waiter = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._link.send(Asked(number, call.path, call.query))
        try:
            answer = await waiter
        finally:
            del self._waiting[number]
        await send_bytes(call.send, answer.status, answer.kind, answer.body)

    def told(self, answer: Told) -> None:
        waiter = self._waiting.get(answer.number)
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)


def application(
    plan: Plan, gateway: Gateway, desk: Desk, recording: Callable[[], str | None]
) -> App:
    """Every URL of the data port."""
    admin, server = Admin(gateway, recording), plan.config.server
    routes: dict[tuple[str, str], Handler] = {
        ("POST", "/v1/chat/completions"): Chat(gateway),
        ("GET", "/v1/models"): admin.models,
        ("GET", "/v1/models/"): admin.model,
        ("POST", "/situs/v1/explain"): admin.explain,
        ("GET", "/situs/v1/fleet"): admin.fleet,
        ("GET", "/situs/v1/"): desk,
        ("GET", "/metrics"): desk,
        ("GET", "/livez"): admin.livez,
        ("GET", "/readyz"): admin.readyz,
    }
    hosts = frozenset(host.lower() for host in server.allowed_hosts)
    origins = frozenset(origin.lower() for origin in server.allowed_origins)
    return App(routes, Guard(hosts, origins), server.max_body_mb * 1_000_000)
