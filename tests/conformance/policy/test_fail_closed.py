"""Runs fail_closed_stages.yaml: whatever breaks, nothing leaves, and the reason has a name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace
from tests import make
from tests.unit.backends.upstream import answering, pool_of, serving
from tests.unit.config.test_config_load import BASE
from tests.unit.rego.test_bundle import EC_KEY, FILES, by_ec, packed, signed
from tests.unit.rego.test_opa import answer
from tests.unit.test_gateway import Kept
from tests.unit.test_obligations import Echo, asked, cloud

from situs.analysis import DEFAULT_FLOORS
from situs.backends.opa import OpaData
from situs.config.load import parse
from situs.core.label import Label
from situs.core.request import Ask
from situs.core.snapshot import Labels, Policy
from situs.errors import CannotRecord, ConfigError, PolicyError, SitusError
from situs.policy.input import Facts
from situs.rego.bundle import read_bundle
from situs.rego.embedded import load
from situs.rego.library import shipped
from situs.rego.opa import RemotePolicy, awaited

CASES = yaml.safe_load(Path(__file__).with_name("fail_closed_stages.yaml").read_text("utf-8"))
ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
CARD = "4111 1111 1111 1111"


def named(stage: str):
    return [pytest.param(case, id=case["name"]) for case in CASES[stage]]


# Loading

BUNDLES: dict[str, Callable[[], bytes]] = {
    "text": lambda: b"package situs\n",
    "half": lambda: packed(by_ec())[:-200],
    "unsigned": lambda: packed(FILES),
    "other_key": lambda: packed(signed(FILES, ec.generate_private_key(ec.SECP256R1()), "ES256")),
    "changed": lambda: packed({**by_ec(), "data.json": b'{"about": {"owner": "them"}}'}),
}


@pytest.mark.parametrize("case", named("loading"))
def test_what_cannot_be_believed_does_not_load(case, tmp_path):
    for name, text in case.get("files", {}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(PolicyError) as refused:
        loaded(case, tmp_path)
    assert case["said"].lower() in str(refused.value).lower()


def loaded(case: dict[str, Any], folder: Path) -> None:
    if "bundle" in case:
        read_bundle(BUNDLES[case["bundle"]](), EC_KEY, "bundle.tar.gz")
    else:
        load([folder / "policy"])


@pytest.mark.parametrize("case", named("configuration"))
def test_what_nobody_knows_is_not_configured(case):
    assert case["old"] in BASE
    with pytest.raises(ConfigError) as refused:
        parse(BASE.replace(case["old"], case["new"], 1))
    assert case["said"] in str(refused.value)


# An engine elsewhere


def facts(until: str | None) -> Facts:
    one = make.deployment("d", locus=make.locus(evidence_until=until))
    return Facts(
        make.request(), make.analysis(), make.snapshot(make.view(one), awaited("opa")), NOW
    )


def script_of(case: dict[str, Any]) -> Any:
    if case["does"] == "answer":
        return answering(answer({"result": case["result"]}, case.get("status", "200 OK")))
    if case["does"] == "undefined":
        return answering(answer({}))
    if case["does"] == "half":
        return answering(answer({"result": {"allow": ["d"], "deny": []}})[:-5], then="close")
    return answering()


@pytest.mark.parametrize("case", named("engine"))
def test_an_engine_that_gives_no_verdict_denies(case):
    async def verdict() -> Any:
        async with serving(script_of(case)) as upstream:
            if case["does"] != "gone":
                return await judged(upstream.port)
        return await judged(upstream.port)

    async def judged(port: int) -> Any:
        pool = pool_of("127.0.0.1", port)
        deadline_s = 0.05 if case["does"] == "silent" else 10.0
        try:
            remote = RemotePolicy(OpaData(pool, "opa", "/v1/data/situs"), "opa", deadline_s)
            return await remote.verdict(facts(case.get("until")))
        finally:
            pool.close()

    decision = asyncio.run(verdict())
    assert (decision.allowed, decision.error) == ((), case["error"])
    codes = [one.code for one in decision.exclusions]
    assert codes == case.get("codes", [case["error"]])


# The path of a request


class Unknown(make.Sessions):
    async def label(self, tenant, session):
        raise CannotRecord("The sessions cannot be read.")


class Unwritten(make.Sessions):
    async def raised(self, tenant, session, label):
        raise CannotRecord("The sessions cannot be written.")


class Full(Kept):
    async def decided(self, record):
        raise CannotRecord("The disk is full.")


class Way(Kept):
    """A gateway to one cloud that policy allows, and what is asked of it."""

    def __init__(self, *owed: dict[str, Any], **facts: Any) -> None:
        super().__init__()
        self.request = asked(f"Charge {CARD}.", ask=Ask(session="s"))
        self.ports: dict[str, Any] = {"wall": lambda: NOW}
        self.backends = Echo()
        said = {"allow": ["cloud"], "deny": [], "obligations": list(owed)}
        self.judged_by(Policy(lambda _: said, "p", frozenset()), **facts)

    def judged_by(self, policy: Policy, **facts: Any) -> None:
        snapshot = make.snapshot(make.view(cloud(**facts)), policy)
        self.fixed = replace(snapshot, labels=Labels(DEFAULT_FLOORS))


def failing(_: bytes) -> Any:
    raise RuntimeError("broken")


def broken(what: str) -> Way:
    owed = {
        "unknown_obligation": {"kind": "launder"},
        "obligation": {"kind": "redact"},
        "no_retention": {"kind": "no_retention"},
        "approval": {"kind": "hold_for_approval"},
    }
    facts: dict[str, dict[str, Any]] = {
        "evidence": {"locus": {"evidence_until": "2026-11-21"}},
        "no_retention": {"locus": {"retention": "30d"}},
        "obligation": {"context_tokens": 10_000_000},
    }
    way = Way(*([owed[what]] if what in owed else []), **facts.get(what, {}))
    policies = {
        "policy": Policy(failing, "p", frozenset()),
        "verdict": Policy(lambda _: "<undefined>", "p", frozenset()),
        "awaited": awaited("p"),
    }
    if what in policies:
        way.judged_by(policies[what])
    elif what == "data":
        way.judged_by(load([shipped()]))
        way.request = replace(asked("Hello."), data=("rumours",))
    elif what == "obligation":
        flood = "\n".join(f"a{number}@example.org" for number in range(4000))
        way.request = asked(flood)
    elif what in ("session", "session_write"):
        way.ports["sessions"] = Unknown() if what == "session" else Unwritten()
    elif what == "receipts":
        way.decided = Full().decided  # type: ignore[method-assign]
    return way


async def code_of(way: Way) -> str | None:
    """The error that the caller gets, whether it is raised or in the answer."""
    if way.request.size > 32 * 1024:
        way.ports["aside"] = aside
    gateway = make.gateway(way, **way.ports)
    try:
        answer_ = await gateway.handle(way.request)
    except SitusError as error:
        return error.code
    [chunk async for chunk in answer_.chunks()]
    await answer_.close()
    return None if answer_.error is None else answer_.error.code


async def aside(run: Callable[[], Any]) -> Any:
    return run()


@pytest.mark.parametrize("case", named("path"))
def test_what_breaks_on_the_path_lets_nothing_leave(case):
    way = broken(case["breaks"])
    code = asyncio.run(code_of(way))
    assert code == case["code"]
    assert isinstance(way.backends, Echo)
    assert list(way.backends.sent) == ([] if case["code"] else ["cloud"])


@pytest.mark.parametrize("word", ["secret", "", "Confidential, please", "public\x00", "4"])
def test_an_unknown_label_is_no_label(word):
    with pytest.raises(ValueError, match="not a label"):
        Label.parse(word)


def test_every_case_has_a_name_of_its_own():
    verdicts = yaml.safe_load(Path(__file__).with_name("fail_closed.yaml").read_text("utf-8"))
    names = [case["name"] for stage in (*CASES.values(), verdicts["cases"]) for case in stage]
    assert len(names) == len(set(names))


def test_the_page_names_cases_that_there_are():
    verdicts = yaml.safe_load(Path(__file__).with_name("fail_closed.yaml").read_text("utf-8"))
    names = {case["name"] for stage in (*CASES.values(), verdicts["cases"]) for case in stage}
    page = (ROOT / "docs/reference/fail-closed.md").read_text("utf-8")
    last = [row.split("|")[-2] for row in page.splitlines() if row.startswith("| ")]
    told = {one for column in last for one in re.findall(r"`(\w+)`", column)}
    assert len(told) > 40
    assert told <= names
