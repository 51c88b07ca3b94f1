"""What is said of a locus counts until its date, and no policy can overrule that."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.core.decision import Exclusion, Obligation
from situs.core.snapshot import Policy
from situs.policy import judge
from situs.policy.input import Facts
from situs.policy.judge import believed
from situs.policy.memory import Memory

LAST = datetime(2027, 6, 30, tzinfo=UTC).timestamp()
DAY = 86_400.0
ALL = {"allow": ["dated", "free"], "deny": [], "obligations": [{"kind": "redact"}]}


def snapshot(until="2027-06-30", memory=None, said=ALL):
    fleet = make.view(
        make.deployment("dated", locus=make.locus("rented", evidence_until=until)),
        make.deployment("free"),
    )
    return make.snapshot(fleet, Policy(lambda _: said, "p", frozenset({"label"}), memory))


def allowed(now, **given_):
    return judge(make.request(), make.analysis(), snapshot(**given_), now).allowed


@pytest.mark.parametrize("now", [-inf, 0.0, LAST, LAST + DAY - 0.001])
def test_it_counts_to_the_end_of_its_last_day(now):
    assert allowed(now) == ("dated", "free")


@pytest.mark.parametrize("now", [LAST + DAY, LAST + 10 * DAY, 1e300, inf, nan])
def test_then_nothing_is_sent_there(now):
    decision = judge(make.request(), make.analysis(), snapshot(), now)
    assert decision.allowed == ("free",)
    assert decision.exclusions == (Exclusion("dated", "policy", "evidence_expired"),)
    assert decision.obligations == (Obligation("redact", "free"),)


@pytest.mark.parametrize("until", ["2027-02-30", "soon", "", "9999-12-31"])
def test_what_is_no_day_never_was(until):
    assert allowed(0.0, until=until) == ("free",)


def test_a_verdict_that_is_remembered_expires_as_well():
    memory = Memory()
    assert allowed(LAST, memory=memory) == ("dated", "free")
    assert allowed(LAST + DAY, memory=memory) == ("free",)
    assert allowed(LAST, memory=memory) == ("dated", "free")


def test_what_the_policy_says_against_it_is_told_too():
    said = {"allow": ["free"], "deny": [{"deployment": "dated", "code": "not_here"}]}
    decision = judge(make.request(), make.analysis(), snapshot(said=said), LAST + DAY)
    assert [one.code for one in decision.exclusions] == ["evidence_expired", "not_here"]


def test_a_verdict_from_elsewhere_expires_as_well():
    found = Facts(make.request(), make.analysis(), snapshot(), LAST + DAY)
    assert believed(ALL, found).allowed == ("free",)


@given(now=st.floats(allow_nan=True, allow_infinity=True))
def test_at_any_time_it_takes_away_and_never_gives(now):
    assert set(allowed(now)) <= {"dated", "free"}
    assert allowed(now, said={"allow": [], "deny": []}) == ()
