"""Which facts decide, and that deployments that are alike in them are judged as if each alone."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests import make
from tests.conformance.policy.some_facts import some_facts

from situs.core.data import DataSet, Leaves
from situs.core.fleet import DeploymentState, FleetView
from situs.core.label import Label
from situs.core.snapshot import Policy
from situs.policy import judge
from situs.policy.input import Facts
from situs.rego.embedded import check_source
from situs.rego.engine import make_ready
from situs.rego.library import shipped
from situs.rego.modules import Module, Source, read_modules

HEAD = "package situs\nimport rego.v1\n"
DENY = 'deny contains {"deployment": d.name, "code": "c"} if { some d in input.deployments; %s }\n'
ALLOW = "allow contains d.name if some d in input.deployments\n"
FLEET = "input.deployments"
SHIPPED = sorted(
    file for file in shipped().parent.rglob("*.rego") if not file.name.endswith("_test.rego")
)

POLICIES = {
    "d.locus.owned": (ALLOW + DENY % "d.locus.owned", {"locus.owned"}),
    "two paths": (
        ALLOW + DENY % 'd.model.tools; d.locus.kind == "edge"',
        {"model.tools", "locus.kind"},
    ),
    "nothing": (ALLOW + DENY % "input.stream", set()),
    "its name": (ALLOW + DENY % 'startswith(d.name, "deployment-1")', {"name"}),
    "a name among others": (ALLOW + DENY % 'd.name in {"deployment-1", "x"}', {"name"}),
    "another's name": (
        ALLOW + DENY % 'some e in input.deployments; e.name == "deployment-2"; e.locus.owned',
        {"name", "locus.owned"},
    ),
    "another at the same place": (
        ALLOW + DENY % "some e in input.deployments; e.locus.owned; not d.locus.owned",
        {"locus.owned"},
    ),
    "a name that is written": (
        ALLOW + 'deny contains {"deployment": n, "code": "c"} if { n := "deployment-0" }\n',
        {"name"},
    ),
    "a name through a variable": (
        "allow contains n if { some d in input.deployments; n := d.name }\n" + DENY % "false",
        {"name"},
    ),
    "an element through a variable": (
        ALLOW + 'deny contains one if { some d in input.deployments; one := {"deployment": d.name, '
        '"code": "c"}; one.deployment == "deployment-1" }\n',
        {"name"},
    ),
    "how many": (ALLOW + DENY % "count(input.deployments) > 3", {"all"}),
    "how many in a list": (
        ALLOW + DENY % "count([1 | some e in input.deployments; e.locus.owned]) > 1",
        {"locus.owned", "name"},
    ),
    "how many in a set": (
        ALLOW + DENY % "count({e.locus.name | some e in input.deployments}) > 1",
        {"locus.name"},
    ),
    "how many are allowed": (ALLOW + DENY % "count(allow) > 2", {"name"}),
    "which is first": (ALLOW + DENY % "input.deployments[0].locus.owned", {"name", "locus.owned"}),
    "which place": (
        ALLOW + DENY % "input.deployments[i].name == d.name; i > 2",
        {"name", "all"},
    ),
    "an index beside it": (
        ALLOW + DENY % "some i, e in input.deployments; i == 1; e.locus.owned",
        {"all", "locus.owned"},
    ),
    "any": (ALLOW + DENY % "input.deployments[_].locus.owned", {"locus.owned"}),
    "all": (
        ALLOW + DENY % "every e in input.deployments { e.locus.owned }",
        {"locus.owned"},
    ),
    "the fleet by another name": (ALLOW + DENY % "f := input.deployments; count(f) > 2", {"all"}),
    "it as a whole": (ALLOW + DENY % "count(d) > 2", {"all"}),
    "it by another name": (ALLOW + DENY % "e := d; e.locus.owned", {"locus.owned"}),
    "a part by another name": (ALLOW + DENY % "l := d.locus; l.owned", {"locus.owned"}),
    "two that are equal": (
        ALLOW + DENY % "some e in input.deployments; e == d; e.locus.owned",
        {"all", "locus.owned"},
    ),
    "a function of it": (
        ALLOW + DENY % "ours(d)" + "ours(x) if x.locus.owned\n",
        {"locus.owned"},
    ),
    "a function of its place": (
        ALLOW + DENY % "ours(d.locus)" + 'ours(l) if l.owned\nours(l) if l.kind == "edge"\n',
        {"locus.owned", "locus.kind"},
    ),
    "a function of this and that": (
        ALLOW + DENY % "same(d.locus); same(d.model)" + "same(x) if x.name\n",
        {"locus", "model"},
    ),
    "a function that gives it back": (
        ALLOW + DENY % "self(d).locus.owned" + "self(x) := x\n",
        {"all"},
    ),
    "a member that is computed": (
        ALLOW + DENY % 'd.locus[k] == true; k == "owned"',
        {"locus"},
    ),
    "a set of them": (
        ALLOW
        + DENY % "d in ours"
        + "ours contains d if { some d in input.deployments; d.locus.owned }\n",
        {"all", "locus.owned"},
    ),
    "names in a set": (
        ALLOW + DENY % "count(ours) > 1" + "ours contains d.name if some d in input.deployments\n",
        {"name"},
    ),
    "input as a whole": (ALLOW + DENY % "count(input) > 2", {"all"}),
    "input by another name": (ALLOW + DENY % "i := input; i.stream", {"all"}),
    "an import": (
        "import input.deployments as fleet\n" + ALLOW + DENY % "some e in fleet; e.locus.owned",
        {"locus.owned"},
    ),
    "a pattern": (
        ALLOW + DENY % 'some {"name": n} in input.deployments; n == "deployment-1"',
        {"all"},
    ),
    "object.get": (ALLOW + DENY % 'object.get(d, "name", "") == "deployment-1"', {"all", "name"}),
    "a list within it": (ALLOW + DENY % '"image" in d.model.modalities', {"model.modalities"}),
    "its cost": (
        ALLOW + DENY % "input.expected_cost[d.name] > 0.0003",
        {"expected_cost"},
    ),
    "its cost in a function": (
        ALLOW + DENY % "not cheap(d)" + "cheap(d) if input.expected_cost[d.name] < 0.0003\n",
        {"expected_cost"},
    ),
    "its cost by another name": (
        "import input.expected_cost as costs\n" + ALLOW + DENY % "costs[d.name] > 0.0003",
        {"expected_cost"},
    ),
    "the least cost": (
        ALLOW + DENY % "input.expected_cost[d.name] > min({c | some e in input.deployments; "
        "c := input.expected_cost[e.name]})",
        {"expected_cost"},
    ),
    "its cost and its place": (
        ALLOW + DENY % "input.expected_cost[d.name] > 0.0003; not d.locus.owned",
        {"expected_cost", "locus.owned"},
    ),
    "all costs in a list": (
        ALLOW + DENY % "sum([c | some e in input.deployments; "
        "c := input.expected_cost[e.name]]) > 0.003",
        {"expected_cost", "name"},
    ),
    "how many costs": (ALLOW + DENY % "count(input.expected_cost) > 3", {"name"}),
    "any cost": (ALLOW + DENY % "input.expected_cost[_] > 0.0003", {"name"}),
    "a cost in a function": (
        ALLOW + DENY % "not few(input.expected_cost[d.name])" + "few(cost) if cost < 0.0003\n",
        {"expected_cost"},
    ),
    "costs in a function": (
        ALLOW + DENY % "much(input.expected_cost, d)" + "much(c, d) if c[d.name] > 0.0003\n",
        {"expected_cost", "name"},
    ),
    "names and costs": (
        ALLOW + DENY % 'some n, c in input.expected_cost; c > 0.0003; n == "deployment-1"',
        {"name"},
    ),
    "the cost of one that is written": (
        ALLOW + DENY % 'input.expected_cost["deployment-1"] > 0.0003',
        {"name"},
    ),
    "its cost and its name": (
        ALLOW + DENY % 'input.expected_cost[d.name] > 0.0003; d.name != "deployment-1"',
        {"expected_cost", "name"},
    ),
    "costs by another name": (
        ALLOW + DENY % "costs := input.expected_cost; costs[d.name] > 0.0003",
        {"expected_cost"},
    ),
    "its price": (ALLOW + DENY % "d.price.prompt > 0", {"price.prompt"}),
    "a rule of names": (
        ALLOW
        + DENY % 'm[d.locus.name] == "deployment-1"'
        + "m[d.locus.name] := d.name if some d in input.deployments\n",
        {"locus.name", "name"},
    ),
    "obligations of one": (
        ALLOW
        + DENY % "false"
        + 'obligations contains {"kind": "redact", "deployment": d.name} if { '
        "some d in input.deployments; d.locus.owned }\n"
        'obligations contains {"kind": "no_log"} if input.stream\n'
        'declassify contains "internal" if input.tools\n',
        {"locus.owned"},
    ),
    "an obligation of one that is written": (
        ALLOW
        + DENY % "false"
        + 'obligations contains {"kind": "redact", "deployment": "deployment-0"} if input.stream\n',
        {"name"},
    ),
}


def policy_of(text: str) -> tuple[Policy, frozenset[str]]:
    checked = check_source(Source((Module("p.rego", "p.rego", HEAD + text),)))
    return make_ready(checked), frozenset(".".join(path) or "all" for path in checked.facts)


def same_as_plain(policy: Policy, count: int, seed: int, *errors: str | None) -> bool:
    """Whether the verdict is that of all deployments with all their facts, or one of the errors."""
    plain = msgspec.structs.replace(policy, facts=frozenset({()}), memory=None)
    for facts in some_facts(policy, count, seed):
        alone = msgspec.structs.replace(facts.snapshot, policy=plain)
        asked = facts.request, facts.analysis
        one, other = judge(*asked, facts.snapshot, facts.now), judge(*asked, alone, facts.now)
        if one != other or one.error not in errors:
            return False
    return True


@pytest.mark.parametrize("name", POLICIES)
def test_what_a_policy_looks_at_is_known(name):
    text, facts = POLICIES[name]
    assert policy_of(text)[1] == facts


@pytest.mark.parametrize("name", POLICIES)
def test_alike_deployments_are_judged_as_if_each_alone(name):
    policy, _ = policy_of(POLICIES[name][0])
    conflicts = "engine_failed" if name == "a rule of names" else None
    assert same_as_plain(policy, 30, 1, None, conflicts)


@settings(max_examples=25)
@given(st.sampled_from(SHIPPED), st.integers(0, 10_000))
def test_so_they_are_by_shipped_policies(path, seed):
    checked = check_source(Source(read_modules([path])))
    assert () not in checked.facts
    assert same_as_plain(make_ready(checked), 6, seed, None)


def test_one_that_is_not_in_the_fleet_is_no_kind_of_its_own():
    text = ALLOW + 'deny contains {"deployment": "elsewhere", "code": "c"} if input.stream\n'
    policy, _ = policy_of(text)
    errors = {
        judge(facts.request, facts.analysis, facts.snapshot, facts.now).error
        for facts in some_facts(policy, 20)
    }
    assert errors == {None, "unknown_deployment"}


def _far(**facts: float) -> Facts:
    """A request to one deployment that costs per token and per byte, and lies far from the data."""
    policy = REMEMBERS
    one = make.deployment("far", locus=make.locus("far", egress_price=1.0), price=(1.0, 1.0))
    fleet = FleetView((one,), (DeploymentState(),), "far")
    moved = DataSet(
        "crm", Label.PUBLIC, (), "DE", Leaves.ANYWHERE, moved_mb=facts.get("moved", 0.0)
    )
    data = ("crm",) if "moved" in facts else ()
    analysis = make.analysis(
        prompt_tokens=facts.get("prompt", 10),
        completion_tokens=facts.get("completion", 10),
        tokens_by={"default": facts["by"]} if "by" in facts else {},
        data=data,
    )
    request = replace(
        make.request(), choices=facts.get("choices", 1), size=facts.get("size", 10), data=data
    )
    return Facts(request, analysis, make.snapshot(fleet, policy, data={"crm": moved}), 0.0)


REMEMBERS = policy_of(ALLOW + DENY % "input.expected_cost[d.name] > 0.001")[0]


@pytest.mark.parametrize(
    ("name", "much"),
    [("prompt", 10_000), ("completion", 10_000), ("by", 10_000), ("choices", 1000),
     ("size", 10_000), ("moved", 1.0)],
)  # fmt: skip
def test_a_verdict_on_a_cost_is_remembered_for_that_cost_only(name, much):
    few, dear = _far(), _far(**{name: much})
    verdicts = [
        judge(one.request, one.analysis, one.snapshot, one.now).allowed for one in (few, dear, few)
    ]
    assert verdicts == [("far",), (), ("far",)]
