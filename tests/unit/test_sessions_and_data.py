"""What a session has touched, and what a data set says, reach the decision."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from msgspec.structs import replace
from tests import make
from tests.unit.dispatch.test_walk import HELLO, ScriptedBackends, ScriptedReply
from tests.unit.test_gateway import Kept

from situs.analysis import DEFAULT_FLOORS
from situs.core.data import DataSet, Leaves
from situs.core.fleet import LocusKind
from situs.core.label import Label
from situs.core.request import Ask, Principal
from situs.core.snapshot import Labels
from situs.decide import decide
from situs.errors import CannotRecord
from situs.placement import place
from situs.rego.embedded import load
from situs.rego.library import shipped

CARD = "My card is 4111 1111 1111 1111."


class Broken(make.Sessions):
    async def label(self, tenant, session):
        raise CannotRecord("It cannot be read.")


def conversation(texts, sessions, policy=None, names=("s",) * 9, tenants=("default",) * 9):
    """The decisions on one request after the other."""
    kept = Kept()
    labels = Labels(DEFAULT_FLOORS)
    kept.fixed = replace(kept.fixed, labels=labels, policy=policy or kept.fixed.policy)
    kept.backends = ScriptedBackends(a=ScriptedReply([HELLO]))
    gateway = make.gateway(kept, sessions=sessions)

    async def story():
        found = []
        for text, name, tenant in zip(texts, names, tenants, strict=False):
            asked = make.request(text, ask=Ask(session=name), principal=Principal(tenant=tenant))
            answer = await gateway.handle(asked)
            await answer.close()
            found.append(answer.decision)
        return found

    return asyncio.run(story())


def test_what_a_session_has_touched_stays_with_it():
    sessions = make.Sessions()
    first, second, third = conversation(["Hello.", CARD, "Thanks."], sessions)
    assert [one.analysis.label for one in (first, second, third)] == [
        Label.PUBLIC,
        Label.CONFIDENTIAL,
        Label.CONFIDENTIAL,
    ]
    assert [reason.source for reason in third.analysis.reasons] == ["session"]


def test_another_session_and_another_tenant_know_nothing_of_it():
    sessions = make.Sessions()
    found = conversation(
        [CARD, "Thanks.", "Thanks."],
        sessions,
        names=("s", "t", "s"),
        tenants=("default", "default", "other"),
    )
    assert [one.analysis.label for one in found[1:]] == [Label.PUBLIC, Label.PUBLIC]


def test_a_policy_may_lower_a_session_but_not_below_what_the_request_has(tmp_path):
    (tmp_path / "p.rego").write_text(
        "package situs\nimport rego.v1\n"
        "allow contains d.name if some d in input.deployments\n"
        'deny contains {"deployment": "a", "code": "never"} if false\n'
        'declassify contains "public" if input.session_label == "confidential"\n'
    )
    policy = load((tmp_path / "p.rego",))
    found = conversation([CARD, "a@example.org", "Thanks."], make.Sessions(), policy)
    assert [one.analysis.label for one in found] == [
        Label.CONFIDENTIAL,
        Label.CONFIDENTIAL,
        Label.INTERNAL,
    ]
    assert found[1].policy.declassify is Label.PUBLIC


def test_a_session_that_cannot_be_known_is_refused_before_anything_is_decided():
    with pytest.raises(CannotRecord):
        conversation(["Hello."], Broken())


# Data sets

LEDGERS = DataSet("ledgers", Label.INTERNAL, ("rack",), "DE", Leaves.JURISDICTION, 100.0, 2.0)


def fleet():
    rack = make.locus("rack", LocusKind.ON_PREM, jurisdiction="DE", egress_price=0.5)
    own = make.locus("own", LocusKind.ON_PREM, jurisdiction="DE", egress_price=0.5)
    cloud = make.locus("cloud", LocusKind.PUBLIC_CLOUD, jurisdiction="US")
    return make.view(*(make.deployment(one.name, locus=one) for one in (rack, own, cloud)))


def snapshot(data=LEDGERS):
    return replace(
        make.snapshot(fleet(), load((shipped(),)), home="DE"),
        labels=Labels(DEFAULT_FLOORS, data={data.name: data.label}),
        data={data.name: data},
    )


@pytest.mark.parametrize(
    ("leaves", "allowed"),
    [
        (Leaves.ANYWHERE, ("cloud", "own", "rack")),
        (Leaves.JURISDICTION, ("own", "rack")),
        (Leaves.NEVER, ("rack",)),
    ],
)
def test_what_is_taken_from_a_data_set_goes_no_farther_than_it_says(leaves, allowed):
    found = decide(make.request(data=("ledgers",)), snapshot(replace(LEDGERS, leaves=leaves)), 0.0)
    assert found.policy.allowed == allowed
    assert (found.analysis.label, found.analysis.data) == (Label.INTERNAL, ("ledgers",))
    codes = {one.code for one in found.policy.exclusions}
    assert codes == ({"data_may_not_leave"} if len(allowed) < 3 else set())


def test_an_undeclared_data_set_is_restricted_and_goes_nowhere():
    found = decide(make.request(data=("rumours",)), snapshot(), 0.0)
    assert (found.analysis.label, found.policy.allowed) == (Label.RESTRICTED, ())


def test_moving_data_is_paid_for_where_no_copy_lies():
    found = decide(make.request(data=("ledgers",)), snapshot(), 0.0)
    cost = {one.deployment: one.cost or 0.0 for one in found.placement.ranked}
    assert cost["own"] - cost["rack"] == pytest.approx(2.0 * 0.5)
    assert found.placement.ranked[0].deployment == "rack"


def test_without_data_sets_placement_is_as_before():
    asked = make.request()
    found = decide(asked, snapshot(), 0.0)
    again = place(asked, found.analysis, found.policy, replace(snapshot(), data={}), {})
    assert msgspec.to_builtins(again) == msgspec.to_builtins(found.placement)
