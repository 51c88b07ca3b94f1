"""Where the deployments of a plan answer: for workers that send requests, for probes that ask."""

from __future__ import annotations

from collections.abc import Callable

from situs.app.link import RuntimeState
from situs.app.plan import Plan
from situs.backends.openai_compatible import Endpoint
from situs.config import build
from situs.config.tree import Deployment as Entry

RuntimeOf = Callable[[str], Callable[[], RuntimeState | None]]


def endpoint_of(plan: Plan, name: str, entry: Entry, runtime_of: RuntimeOf) -> Endpoint:
    """Where a deployment answers, and how long it has for that."""
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
        stream_timeout_s=defaults.stream_timeout_s,
        supervised=entry.endpoint is None,
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
