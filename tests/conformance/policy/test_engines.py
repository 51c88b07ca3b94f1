"""A policy says the same, whichever engine evaluates it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.conformance.policy.engines import NAMES, Engine, engines, here, what
from tests.conformance.policy.some_facts import facts_of_row, some_facts
from tests.fakes.opa import MISSING, is_here

from situs.policy import judge
from situs.rego.embedded import check_source
from situs.rego.engine import make_ready
from situs.rego.library import shipped
from situs.rego.modules import Module, Source, read_modules

HERE = Path(__file__).parent
ROOT = shipped().parent
SHIPPED = sorted(
    file.relative_to(ROOT).with_suffix("").as_posix()
    for file in ROOT.rglob("*.rego")
    if not file.name.endswith("_test.rego")
)
WRITTEN = {
    case["name"]: case
    for case in yaml.safe_load((HERE / "engines.yaml").read_text(encoding="utf-8"))["policies"]
}


def source_of(name: str) -> Source:
    if name in WRITTEN:
        case = WRITTEN[name]
        text = f"package situs\n\nimport rego.v1\n\n{case['rego']}"
        module = Module("p.rego", "p.rego", text)
        return Source((module,), case.get("data", {}), case.get("revision", ""))
    return Source(read_modules([shipped(name)]))


def differing(found: dict[str, Engine], source: Source, count: int) -> list[str]:
    """The engines that say something else than the first, on any of so many requests."""
    policy = make_ready(check_source(source))
    wrong: set[str] = set()
    for facts in some_facts(policy, count):
        said = {name: what(engine(facts)) for name, engine in found.items()}
        wrong.update(name for name, one in said.items() if one != said["embedded"])
    return sorted(wrong)


@pytest.mark.parametrize("name", [*SHIPPED, *WRITTEN])
def test_all_engines_say_the_same(name, tmp_path):
    source = source_of(name)
    with engines(source, tmp_path) as found:
        assert tuple(found) == here()
        assert differing(found, source, 25) == []


@pytest.mark.parametrize("table", ["default_table.yaml", "confidential_on_prem.yaml"])
def test_every_row_of_a_table_holds_for_every_engine(table, tmp_path):
    document = yaml.safe_load((HERE / table).read_text(encoding="utf-8"))
    source = source_of(document["policy"])
    policy = make_ready(check_source(source))
    wrong: list[tuple[str, str]] = []
    with engines(source, tmp_path) as found:
        for row in document["cases"]:
            facts = facts_of_row(row, policy)
            for name, engine in found.items():
                decision = engine(facts)
                codes = [one.code for one in decision.exclusions]
                if ("allowed" if decision.allowed else codes) != row["expect"]:
                    wrong.append((name, row["name"]))
    assert wrong == []


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_compared_is_allowed_and_denied(name):
    policy = make_ready(check_source(source_of(name)))
    with_all = [what(one) for one in _decisions(policy, 40)]
    assert any(allowed for allowed, *_ in with_all)
    assert any(excluded for _, excluded, *_ in with_all)
    assert {error for *_, error in with_all} == {None}


def _decisions(policy, count):
    for facts in some_facts(policy, count):
        yield judge(facts.request, facts.analysis, facts.snapshot, facts.now)


@pytest.mark.skipif(not is_here(), reason=MISSING)
def test_a_policy_on_which_engines_differ_is_found(tmp_path):
    """One of what builtins.yaml says to differ."""
    text = (
        "package situs\nimport rego.v1\n"
        "allow contains d.name if some d in input.deployments\n"
        'deny contains {"deployment": d.name, "code": "c"} if {\n'
        '\tsome d in input.deployments\n\tupper("ß") == "SS"\n}\n'
    )
    source = Source((Module("p.rego", "p.rego", text),))
    with engines(source, tmp_path) as found:
        assert differing(found, source, 10) == list(NAMES[3:])
