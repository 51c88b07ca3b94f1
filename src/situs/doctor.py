"""What works here and what does not: one finding a feature, each with its because."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from situs.app.cascades import cascades
from situs.app.confine import why_not_sealed
from situs.app.egress import permits_of
from situs.app.heads import encoder
from situs.app.plan import fleet_view, load_plan
from situs.app.policies import policy_token, server_error
from situs.app.setting import Setting
from situs.config import build
from situs.config.collector import collector_of
from situs.config.modes_rules import scopes
from situs.config.policy import Opa
from situs.config.policy_source import policy_checked, policy_url
from situs.config.prices_told import doubts
from situs.config.rules import is_loopback
from situs.config.secrets import resolve
from situs.config.tree import Deployment, LlamaCpp, Model, Onnx
from situs.core.aim import Mode
from situs.core.fleet import LocusKind
from situs.core.heads import FindsNames
from situs.core.label import Label
from situs.dispatch.egress import Connector
from situs.errors import SitusError
from situs.http.auth import key_required
from situs.learning.versions import open_version, shipped_heads
from situs.policy.evidence import end_of
from situs.policy.judge import KNOWN_OBLIGATIONS
from situs.rego.sample import sample_facts
from situs.runtimes.llama_cpp import check_loadable, locate
from situs.runtimes.onnx import check_onnx
from situs.stores.anchor_places import place
from situs.stores.anchors import held, newest
from situs.stores.approvals import count_waiting
from situs.stores.layout import chains, receipts_dir
from situs.stores.pilots import rolled_back
from situs.stores.sessions import FILE as SESSIONS
from situs.stores.sessions import check_sessions
from situs.stores.verify import verify
from situs.trust.api_keys import Scope, load_keys
from situs.trust.keys import pinned_keys


class Condition(StrEnum):
    ACTIVE = "active"
    OFF = "off"
    PROBLEM = "problem"


class Finding(Struct, frozen=True):
    """One feature: whether it is active, and why; `do` says what to do about a problem."""

    feature: str
    condition: Condition
    because: str
    do: str = ""


_SERVER_DO = {
    "engine_down": "See that the OPA server runs, and that policy.engine.url is right.",
    "engine_deadline": "See why the OPA server is slow, or raise policy.engine.deadline_ms.",
    "engine_status": "See the log of the OPA server; policy.engine.token may be wrong.",
    "verdict_undefined": "See that policy.engine.path names the package of the policy.",
}
_SERVER_ODD = "Run `situs policy eval` with what the OPA server holds."

Check = Callable[[Setting], Iterator[Finding]]


def examine(setting: Setting, url: str | None = None) -> list[Finding]:
    """Every check in order. Reads only; a running gateway is not disturbed.

    `url` is where the gateway that runs on the data directory says it listens, if it was asked.
    """
    found = [_gateway(setting, url)]
    for check in (
        _data,
        _policy,
        _models,
        _deployments,
        _prices,
        _labels,
        _evidence,
        _sessions,
        _approvals,
        _heads,
        _routes,
        _cascade,
        _pilots,
        _receipts,
        _anchors,
        _watching,
        _listening,
        _egress,
    ):
        try:
            found.extend(check(setting))
        except SitusError as error:
            name = check.__name__.removeprefix("_")
            found.append(Finding(name, Condition.PROBLEM, error.message, error.advice))
    return found


def _data(setting: Setting) -> Iterator[Finding]:
    data = setting.data
    nearest = next(p for p in (data, *data.parents) if p.exists())
    if not os.access(nearest, os.W_OK):
        yield Finding(
            "data", Condition.PROBLEM, f"{nearest} cannot be written", "Choose another --data DIR."
        )
    else:
        yield Finding("data", Condition.ACTIVE, str(data))


def _gateway(setting: Setting, url: str | None) -> Finding:
    """What runs on the data directory, which need not be what is configured."""
    holder, server = _holder(setting.data), setting.config.server
    if holder is None:
        return Finding("gateway", Condition.OFF, f"none is running on {setting.data}")
    if not url:
        because = f"process {holder} holds the data directory, and does not say where it listens"
        return Finding("gateway", Condition.ACTIVE, because)
    because = f"process {holder} listens on {url}"
    if server.port not in (0, urlsplit(url).port):
        because += f"; this configuration says port {server.port}"
    return Finding("gateway", Condition.ACTIVE, because)


def _holder(data: Path) -> str | None:
    """The pid of the gateway that holds the directory."""
    with suppress(OSError), (data / "gateway.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read(32).strip() or "unknown"
    return None


def _policy(setting: Setting) -> Iterator[Finding]:
    policy = policy_checked(setting.config, setting.base, setting.data)
    paths = build.policy_paths(setting.config, setting.base)
    bundle = setting.config.policy.bundle
    named = ", ".join(str(path) for path in paths) or "the one that ships with Situs"
    source = policy_url(setting.config) or (bundle.path if bundle else named)
    error = _server_error(setting)
    if error is None:
        yield Finding("policy", Condition.ACTIVE, f"{source}; digest {policy.digest[:16]}")
    else:
        because = f"{source} gives no verdict ({error}), so every request is denied"
        yield Finding("policy", Condition.PROBLEM, because, _SERVER_DO.get(error, _SERVER_ODD))
    clouds = [n for n, x in setting.config.loci.items() if x.kind is LocusKind.SOVEREIGN_CLOUD]
    if setting.config.home is None and clouds:
        yield Finding(
            "home jurisdiction",
            Condition.PROBLEM,
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


def _models(setting: Setting) -> Iterator[Finding]:
    config = setting.config
    owned = {n: d for n, d in config.deployments.items() if d.runtime is not None}
    if not owned:
        yield Finding("owned models", Condition.OFF, "no deployment has a runtime")
        return
    served = any(isinstance(d.runtime, LlamaCpp) for d in owned.values())
    if served and importlib.util.find_spec("xllamacpp") is None:
        yield Finding(
            "llama.cpp",
            Condition.PROBLEM,
            "the package xllamacpp is not installed",
            "Install the extra local (in a checkout: `pip install -e '.[local]'`).",
        )
    for name, deployment in owned.items():
        try:
            _check_model(config.models[deployment.model], deployment, setting.data / "models")
        except SitusError as error:
            yield Finding(f"model {name}", Condition.PROBLEM, error.message, error.advice)
        else:
            yield Finding(f"model {name}", Condition.ACTIVE, "weights verified; it fits in memory")


def _check_model(model: Model, deployment: Deployment, models_dir: Path) -> None:
    match deployment.runtime:
        case LlamaCpp() as runtime if model.file is not None:
            context_tokens = runtime.context_tokens or model.context_tokens
            check_loadable(locate(model.file, models_dir), context_tokens, runtime.parallel)
        case Onnx() as runtime:
            check_onnx(build.onnx_of(model, runtime, models_dir))


def _deployments(setting: Setting) -> Iterator[Finding]:
    for name, deployment in setting.config.deployments.items():
        endpoint = deployment.endpoint
        if endpoint is None:
            continue
        if endpoint.key is not None:
            try:
                resolve(endpoint.key, setting.base, at=f"deployments.{name}.endpoint.key")
            except SitusError as error:
                yield Finding(f"endpoint {name}", Condition.PROBLEM, error.message, error.advice)
                continue
        key = f"key from {endpoint.key}" if endpoint.key else "without a key"
        yield Finding(f"endpoint {name}", Condition.ACTIVE, f"{endpoint.url}, {key}")


def _prices(setting: Setting) -> Iterator[Finding]:
    """Where they come from, and whether that is too old."""
    because, do = doubts(setting.config, datetime.now(UTC).date())
    yield Finding("prices", Condition.PROBLEM if do else Condition.ACTIVE, because, do)


def _labels(setting: Setting) -> Iterator[Finding]:
    defaults = setting.config.defaults
    yield Finding(
        "detectors",
        Condition.ACTIVE,
        f"a request without a finding is {defaults.label}; "
        f"one with content that cannot be read is at least {defaults.unread_label}",
    )
    names = setting.config.analysis.names
    told = {
        FindsNames.AUTO: "where they could change what policy says",
        FindsNames.ALWAYS: "in every request",
        FindsNames.NEVER: "analysis.names is never",
    }
    condition = Condition.OFF if names is FindsNames.NEVER else Condition.ACTIVE
    yield Finding("names and addresses", condition, told[names])
    known = ", ".join(sorted(KNOWN_OBLIGATIONS))
    yield Finding("obligations", Condition.ACTIVE, f"what policy may ask for: {known}")


def _evidence(setting: Setting) -> Iterator[Finding]:
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
            yield Finding("evidence", Condition.PROBLEM, because, do)
    current = {day: name for name, day in until.items() if now < end_of(day)}
    if current:
        first = min(current)
        because = f"the first to expire is that of {current[first]}, after {first}"
        yield Finding("evidence", Condition.ACTIVE, because)
    elif not until:
        yield Finding("evidence", Condition.OFF, "no locus has a last day (evidence_until)")


def _sessions(setting: Setting) -> Iterator[Finding]:
    """Raises StoreError where requests that name a session are refused."""
    check_sessions(setting.data)
    yield Finding(
        "sessions", Condition.ACTIVE, f"their labels are kept in {setting.data / SESSIONS}"
    )


def _approvals(setting: Setting) -> Iterator[Finding]:
    count = count_waiting(setting.data, time.time())
    if count:
        what = f"{count} waiting for a person's word: `situs approvals list`"
        yield Finding("approvals", Condition.ACTIVE, what)
    else:
        yield Finding("approvals", Condition.ACTIVE, "nothing waits for a person's word")


def _heads(setting: Setting) -> Iterator[Finding]:
    """What was learned, head by head, and the deep tier."""
    settings = setting.config.analysis
    for head in sorted(shipped_heads() | set(settings.artefacts)):
        wanted = settings.artefacts.get(head)
        try:
            found = open_version(head, wanted, setting.data)
        except SitusError as error:
            yield Finding(f"head {head}", Condition.PROBLEM, error.message, error.advice)
            continue
        where = "of the package" if wanted is None else "that the configuration names"
        what = f"version {found.card.version} {where}; digest {found.digest[:16]}"
        yield Finding(f"head {head}", Condition.ACTIVE, what)
    if not settings.deep:
        yield Finding("deep tier", Condition.OFF, "analysis.deep is false")
    elif encoder() is None:
        what = "the extra local is not installed, so the fast tier answers alone"
        yield Finding("deep tier", Condition.OFF, what)
    else:
        what = f"where the fast tier is unsure, for {settings.deep_budget_ms:g} ms at most"
        yield Finding("deep tier", Condition.ACTIVE, what)


def _routes(setting: Setting) -> Iterator[Finding]:
    names = ", ".join(setting.config.routes)
    if names:
        yield Finding("routes", Condition.ACTIVE, names)
    else:
        yield Finding("routes", Condition.OFF, "none is configured")


def _cascade(setting: Setting) -> Iterator[Finding]:
    found = cascades(setting)
    for line in found:
        yield Finding("cascade", Condition.ACTIVE, line)
    if not found:
        yield Finding("cascade", Condition.OFF, "none is configured")


def _pilots(setting: Setting) -> Iterator[Finding]:
    """Raises StoreError where none can be known to be sound, so none runs."""
    back = rolled_back(setting.data)
    said = [".".join(path) for path, aims in scopes(setting.config) if aims.mode is Mode.PILOT]
    if not said:
        yield Finding("pilots", Condition.OFF, "no mode is pilot")
    for scope in said:
        if scope in back:
            what = f"rolled back: `situs modes reset {scope}` lets it run again"
            yield Finding(f"pilot of {scope}", Condition.OFF, what)
        else:
            yield Finding(f"pilot of {scope}", Condition.ACTIVE, "see `situs modes status`")


def _watching(setting: Setting) -> Iterator[Finding]:
    telemetry = setting.config.telemetry
    yield Finding("metrics", Condition.ACTIVE, "GET /metrics, and `situs top`")
    collector = collector_of(setting.config, setting.base)
    if collector is None:
        yield Finding("traces", Condition.OFF, "no collector: telemetry.otlp is not set")
    elif importlib.util.find_spec("opentelemetry") is None:
        what = f"to {collector.endpoint}, but the extra otel is not installed"
        yield Finding("traces", Condition.PROBLEM, what, "In a checkout: pip install -e '.[otel]'")
    else:
        yield Finding("traces", Condition.ACTIVE, f"to {collector.endpoint}")
    if telemetry.access_log:
        yield Finding("access log", Condition.ACTIVE, "a line for every request, without content")
    else:
        yield Finding("access log", Condition.OFF, "telemetry.access_log is not set")


def _receipts(setting: Setting) -> Iterator[Finding]:
    folder, keys = receipts_dir(setting.data), pinned_keys(setting.data / "keys")
    if not chains(folder) and keys:
        what = f"{folder} is empty or gone, though there is a key that signed"
        yield Finding("receipts", Condition.PROBLEM, what, "Put the receipts back.")
        return
    if not chains(folder):
        yield Finding("receipts", Condition.ACTIVE, "none written yet")
        return
    report = verify(folder, keys)
    count = len(report.problems) + report.more_problems
    if count:
        yield Finding(
            "receipts",
            Condition.PROBLEM,
            f"{count} problem{'' if count == 1 else 's'} in the chains",
            "Run `situs receipts verify`.",
        )
    else:
        yield Finding("receipts", Condition.ACTIVE, "every chain verifies")


def _anchors(setting: Setting) -> Iterator[Finding]:
    anchor = setting.config.receipts.anchor
    if anchor is None:
        because = "receipts.anchor is not set, so a directory that is rolled back is not noticed"
        yield Finding("anchors", Condition.OFF, because)
        return
    target = place(anchor.to, setting.data, setting.base)
    there = newest(held(target.anchors()))
    chains_ = "1 chain" if len(there) == 1 else f"{len(there)} chains"
    yield Finding("anchors", Condition.ACTIVE, f"{anchor.to} holds checkpoints of {chains_}")


def _egress(setting: Setting) -> Iterator[Finding]:
    why = why_not_sealed()
    if why is None:
        what = "workers open no connections themselves; the kernel holds it"
        yield Finding("egress guard", Condition.ACTIVE, what)
    else:
        do = "Limit the gateway's user with `situs egress apply`."
        yield Finding("egress guard", Condition.PROBLEM, f"the kernel does not hold it: {why}", do)


def _listening(setting: Setting) -> Iterator[Finding]:
    server = setting.config.server
    where = f"{server.host}:{server.port}"
    keys, now = load_keys(setting.data), time.time()
    if is_loopback(server.host):
        yield Finding("listener", Condition.ACTIVE, f"{where}, loopback only")
    elif keys.lets_in(Scope.INFERENCE, now):
        what = f"{where}, beyond loopback and without TLS: a proxy in front must terminate it"
        yield Finding("listener", Condition.ACTIVE, what)
    else:
        what = f"{where} is beyond loopback, and no key could call there"
        yield Finding("listener", Condition.PROBLEM, what, "Run `situs keys create NAME`.")
    usable = sum(key.refused(now) is None for key in keys.keys)
    if key_required(server.host, server.require_key):
        yield Finding("API keys", Condition.ACTIVE, f"needed; {usable} can be used")
    else:
        what = f"not needed on loopback; {usable} can be used"
        yield Finding("API keys", Condition.OFF, what)
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", Condition.ACTIVE, version)
