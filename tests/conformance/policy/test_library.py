"""Every policy that ships: its tests pass and reach all of it, and it keeps what all must keep."""

from __future__ import annotations

import re

import pytest
from tests.conformance.policy.some_facts import some_facts
from tests.conformance.policy.test_engines import SHIPPED

from situs.core.data import DataSet, Leaves
from situs.core.fleet import Deployment
from situs.core.label import Label
from situs.policy import judge
from situs.policy.input import Facts
from situs.rego.embedded import load
from situs.rego.library import shipped
from situs.rego.testing import run_tests


@pytest.mark.parametrize("name", SHIPPED)
def test_its_tests_pass_and_reach_every_line(name):
    tested = run_tests([shipped(name)])
    assert [one.name for one in tested.outcomes if not one.passed] == []
    assert [one.missed for one in tested.coverage] == [()]


@pytest.mark.parametrize("name", [one for one in SHIPPED if one != "default"])
def test_an_example_says_that_it_is_no_advice(name):
    text = shipped(name).read_text(encoding="utf-8")
    assert "AN EXAMPLE, NOT LEGAL ADVICE." in text
    assert re.search(r"^# title: .+$", text, re.MULTILINE)


@pytest.mark.parametrize("name", SHIPPED)
def test_restricted_stays_on_owned_machines_and_data_where_it_may_be(name):
    policy = load([shipped(name)])
    restricted = gathered = 0
    for facts in some_facts(policy, 250, seed=11):
        decision = judge(facts.request, facts.analysis, facts.snapshot, facts.now)
        assert decision.error is None
        owned = {one.name for one in facts.snapshot.fleet.deployments if one.locus.owned}
        if facts.analysis.label is Label.RESTRICTED:
            restricted += len(decision.allowed)
            assert set(decision.allowed) <= owned
        for one in facts.snapshot.fleet.deployments:
            if one.name in decision.allowed:
                gathered += bool(facts.analysis.data)
                assert all(may_be(source, one) for source in data_of(facts))
    assert restricted > 0
    assert gathered > 0


def data_of(facts: Facts) -> list[DataSet | None]:
    return [facts.snapshot.data.get(name) for name in facts.analysis.data]


def may_be(source: DataSet | None, deployment: Deployment) -> bool:
    """A data set that nobody declared may be nowhere."""
    if source is None:
        return False
    if source.leaves is Leaves.ANYWHERE or deployment.locus.name in source.loci:
        return True
    within = source.jurisdiction == deployment.locus.jurisdiction
    return source.leaves is Leaves.JURISDICTION and within
