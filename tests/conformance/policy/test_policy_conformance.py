"""Runs the cases in the YAML files beside it. Each case is named by the behaviour it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests import make

from situs.core.fleet import DeploymentState, FleetView, KeyCustody, LocusKind, TrainingUse
from situs.core.label import Label
from situs.core.request import Principal
from situs.core.snapshot import Policy
from situs.policy import judge
from situs.rego.embedded import load
from situs.rego.library import shipped

HERE = Path(__file__).parent
HEAD = "package situs\n\nimport rego.v1\n\n"


class Panic(BaseException):
    """As an engine's: no Exception."""


FAILURES: dict[str, BaseException] = {
    "error": RuntimeError("boom"),
    "panic": Panic("boom"),
    "memory": MemoryError(),
    "timeout": TimeoutError(),
}


def cases(*files: str) -> list[Any]:
    found = []
    for file in files:
        document = yaml.safe_load((HERE / file).read_text(encoding="utf-8"))
        for case in document["cases"]:
            policy = document.get("policy")
            found.append(pytest.param(policy, case, id=case["name"]))
    return found


def fleet_of(*deployments: Any, digest: str) -> FleetView:
    return FleetView(deployments, tuple(DeploymentState() for _ in deployments), digest)


@pytest.fixture(scope="module")
def policies() -> dict[str, Policy]:
    names = ("default", "examples/confidential_on_prem")
    return {name: load([shipped(name)]) for name in names}


@pytest.mark.parametrize(
    ("policy", "case"), cases("default_table.yaml", "confidential_on_prem.yaml")
)
def test_a_shipped_policy(policies, policy, case):
    kind = LocusKind(case["kind"])
    facts = {
        "jurisdiction": "DE",
        "key_custody": "customer",
        "retention": "30d",
        "training_use": "none",
        **case.get("facts", {}),
    }
    facts["key_custody"] = KeyCustody(facts["key_custody"])
    facts["training_use"] = TrainingUse(facts["training_use"])
    one = make.deployment("d", locus=make.locus("l", kind, **facts))
    snapshot = make.snapshot(
        fleet_of(one, digest=case["name"]), policies[policy], home=case.get("home", "DE")
    )
    analysis = make.analysis(label=Label.parse(case["label"]))
    decision = judge(make.request(), analysis, snapshot, 0.0)
    codes = [exclusion.code for exclusion in decision.exclusions]
    assert decision.error is None
    expected = case["expect"]
    if expected == "allowed":
        assert (decision.allowed, codes) == (("d",), [])
    else:
        assert (decision.allowed, codes) == ((), expected)


def engine(case: dict[str, Any], folder: Path) -> Policy:
    if "policy" in case:
        return load([shipped(case["policy"])])
    if "rego" in case:
        file = folder / "policy.rego"
        file.write_text(HEAD + case["rego"], encoding="utf-8")
        return load([file])

    def evaluate(_: bytes) -> Any:
        if "raises" in case:
            raise FAILURES[case["raises"]]
        return case["answer"]

    return Policy(evaluate, "digest", frozenset(case.get("reads", ["label"])))


def moment(said: Any) -> float:
    """A date, or what is none."""
    if isinstance(said, str):
        return datetime.fromisoformat(said).replace(tzinfo=UTC).timestamp()
    return float(said)


@pytest.mark.parametrize(("policy", "case"), cases("fail_closed.yaml"))
def test_what_is_no_verdict_denies(policy, case, tmp_path):
    place = make.locus(evidence_until=case.get("until"))
    one = make.deployment("d", locus=place, price=case.get("price", (1.0, 2.0)))
    snapshot = make.snapshot(fleet_of(one, digest="fleet"), engine(case, tmp_path))
    request = make.request(principal=Principal(key="d-7"))
    analysis = make.analysis(data=tuple(case.get("data", ())))
    decision = judge(request, analysis, snapshot, moment(case.get("now", 0.0)))
    assert decision.allowed == ()
    assert decision.obligations == ()
    assert decision.error == case.get("error")
    codes = [exclusion.code for exclusion in decision.exclusions]
    assert codes == case.get("codes", [case.get("error")])


def test_the_default_table_has_every_label_at_every_kind_of_locus():
    document = yaml.safe_load((HERE / "default_table.yaml").read_text(encoding="utf-8"))
    there = {(case["label"], case["kind"]) for case in document["cases"]}
    assert there == {(label.value, kind.value) for label in Label for kind in LocusKind}


def test_the_stricter_example_allows_nothing_that_the_default_denies(policies):
    strict, default = policies["examples/confidential_on_prem"], policies["default"]
    for label in Label:
        for kind in LocusKind:
            for owned in (True, False):
                for training in TrainingUse:
                    locus = make.locus("l", kind, owned=owned, training_use=training)
                    fleet = fleet_of(
                        make.deployment("d", locus=locus), digest=f"{kind}{owned}{training}"
                    )
                    snapshot = make.snapshot(fleet, strict)
                    analysis = make.analysis(label=label)
                    if judge(make.request(), analysis, snapshot, 0.0).allowed:
                        other = msgspec.structs.replace(snapshot, policy=default)
                        assert judge(make.request(), analysis, other, 0.0).allowed, locus
