"""An OPA server that judges: how it is asked, and what it is shown."""

from __future__ import annotations

from msgspec.structs import replace

from situs.app.setting import Setting
from situs.backends.http1 import Dial
from situs.backends.opa import OpaData
from situs.backends.openai_compatible import Origins
from situs.config.policy import Embedded, Opa, server_name
from situs.config.secrets import resolve
from situs.core.snapshot import Snapshot
from situs.policy.input import Facts
from situs.rego.opa import RemotePolicy


def remote_of(engine: Opa, token: str | None, origins: Origins) -> RemotePolicy:
    """Asks the server, over connections that outlive a reload."""
    origin = origins.origin(engine.url.rstrip("/"))
    ask = OpaData(origin.pool, origin.host, f"{origin.path}/v1/data/{engine.path}", token)
    return RemotePolicy(ask, server_name(engine), engine.deadline_ms / 1000)


def asking(
    snapshot: Snapshot, engine: Embedded | Opa, token: str | None, origins: Origins
) -> Snapshot:
    """The snapshot, whose policy asks the server where there is one."""
    if not isinstance(engine, Opa):
        return snapshot
    remote = remote_of(engine, token, origins)
    return replace(snapshot, policy=replace(snapshot.policy, ask=remote.verdict))


async def server_error(engine: Opa, token: str | None, dial: Dial, facts: Facts) -> str | None:
    """The code for which the server's answer to an example denies all; None: it is a verdict.

    It is asked again where there was none, for the first answer may be late: nothing is warm.
    """
    origins = Origins(dial)
    try:
        remote = remote_of(engine, token, origins)
        first = await remote.verdict(facts)
        return first.error and (await remote.verdict(facts)).error
    finally:
        origins.close()


def policy_token(setting: Setting) -> str | None:
    """The secret that the OPA server is shown. Raises ConfigError if it is not here."""
    engine = setting.config.policy.engine
    if not isinstance(engine, Opa) or engine.token is None:
        return None
    return resolve(engine.token, setting.base, at="policy.engine.token").reveal()
