"""What judges a request: policy, and the labels and the evidence that it goes by."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from msgspec.structs import replace

from situs.app.egress import permits_of
from situs.app.plan import fleet_view
from situs.app.planning import load_plan
from situs.app.policy_server import policy_token, server_error
from situs.app.setting import Setting
from situs.config import build
from situs.config.policy import Opa
from situs.config.policy_source import policy_checked, policy_url
from situs.core.fleet import LocusKind
from situs.core.heads import FindsNames
from situs.core.label import Label
from situs.dispatch.egress import Connector
from situs.doctor.diagnosis import Diagnosis, Standing
from situs.policy.evidence import end_of
from situs.policy.judge import KNOWN_OBLIGATIONS
from situs.rego.sample import sample_facts

_SERVER_DO = {
    "engine_down": "See that the OPA server runs, and that policy.engine.url is right.",
    "engine_deadline": "See why the OPA server is slow, or raise policy.engine.deadline_ms.",
    "engine_status": "See the log of the OPA server; policy.engine.token may be wrong.",
    "verdict_undefined": "See that policy.engine.path names the package of the policy.",
}
_SERVER_ODD = "Run `situs policy eval` with what the OPA server holds."


def policy(setting: Setting) -> Iterator[Diagnosis]:
    checked = policy_checked(setting.config, setting.base, setting.data)
    paths = build.policy_paths(setting.config, setting.base)
    bundle = setting.config.policy.bundle
    named = ", ".join(str(path) for path in paths) or "the one that ships with Situs"
    source = policy_url(setting.config) or (bundle.path if bundle else named)
    error = _server_error(setting)
    if error is None:
        yield Diagnosis("policy", Standing.ACTIVE, f"{source}; digest {checked.digest[:16]}")
    else:
        because = f"{source} gives no verdict ({error}), so every request is denied"
        yield Diagnosis("policy", Standing.PROBLEM, because, _SERVER_DO.get(error, _SERVER_ODD))
    clouds = [n for n, x in setting.config.loci.items() if x.kind is LocusKind.SOVEREIGN_CLOUD]
    if setting.config.home is None and clouds:
        yield Diagnosis(
            "home jurisdiction",
            Standing.PROBLEM,
            f"not set, so confidential requests may not use {', '.join(clouds)}",
            "Set home: CC in the configuration.",
        )


def _server_error(setting: Setting) -> str | None:
    """Why the OPA server denies everything, as a code, if there is one and it does."""
    engine = setting.config.policy.engine
    if not isinstance(engine, Opa):
        return None
    example = sample_facts(Label.PUBLIC)
    fleet = fleet_view(load_plan(setting, 0, {}, secrets=False))
    snapshot = replace(example.snapshot, fleet=fleet, home=setting.config.home)
    facts = replace(example, snapshot=snapshot, now=time.time())
    dial = Connector(permits_of(setting, lambda _: None)).dial
    return asyncio.run(server_error(engine, policy_token(setting), dial, facts))


def labels(setting: Setting) -> Iterator[Diagnosis]:
    defaults = setting.config.defaults
    yield Diagnosis(
        "detectors",
        Standing.ACTIVE,
        f"a request without a finding is {defaults.label}; "
        f"one with content that cannot be read is at least {defaults.unread_label}",
    )
    names = setting.config.analysis.names
    told = {
        FindsNames.AUTO: "where they could change what policy says",
        FindsNames.ALWAYS: "in every request",
        FindsNames.NEVER: "analysis.names is never",
    }
    condition = Standing.OFF if names is FindsNames.NEVER else Standing.ACTIVE
    yield Diagnosis("names and addresses", condition, told[names])
    known = ", ".join(sorted(KNOWN_OBLIGATIONS))
    yield Diagnosis("obligations", Standing.ACTIVE, f"what policy may ask for: {known}")


def evidence(setting: Setting) -> Iterator[Diagnosis]:
    """Until when what is said of loci counts."""
    now = time.time()
    until = {
        name: locus.evidence_until
        for name, locus in setting.config.loci.items()
        if locus.evidence_until is not None
    }
    for name, day in until.items():
        if not now < end_of(day):
            because = f"what is said of {name} counted until {day}; nothing is sent there"
            do = f"Ask its operator again, and set loci.{name}.evidence_until anew."
            yield Diagnosis("evidence", Standing.PROBLEM, because, do)
    current = {day: name for name, day in until.items() if now < end_of(day)}
    if current:
        first = min(current)
        because = f"the first to expire is that of {current[first]}, after {first}"
        yield Diagnosis("evidence", Standing.ACTIVE, because)
    elif not until:
        yield Diagnosis("evidence", Standing.OFF, "no locus has a last day (evidence_until)")
