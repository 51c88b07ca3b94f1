"""Why nothing is left, and what the caller is told of when to come again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.core.fleet import DeploymentState, Health
from situs.decide import decide
from situs.dispatch.refusal import refusal, retry_after
from situs.errors import NoCapacity, NoDeploymentFits, PlacementDenied

DOWN = DeploymentState(Health.UNHEALTHY)
LIMITED = DeploymentState(Health.LIMITED)


def refused(states, allowed=("a", "b", "c"), again_s=None, **small):
    """With the deployments that were asked about."""
    places = [make.deployment(name, **(small if name == "c" else {})) for name in "abc"]
    snapshot = make.snapshot(make.view(*places, states=dict(zip("abc", states, strict=True))))
    request, verdict = make.request(), make.verdict(*allowed)
    decision = decide(request, snapshot, 1.0, analysis=make.analysis(), verdict=verdict)
    assert decision.placement.ranked == ()
    asked = []

    def known(names):
        asked.append(sorted(names))
        return again_s

    return refusal(request, decision, snapshot, known), asked


@pytest.mark.parametrize(("again_s", "told"), [(2.1, 3), (0.0, 1), (30.0, 30), (None, 5)])
def test_what_is_down_is_worth_a_retry_when_the_first_of_it_may_be_tried(again_s, told):
    error, asked = refused((DOWN, LIMITED, DOWN), again_s=again_s)
    assert isinstance(error, NoCapacity)
    assert (error.retry_after_s, asked) == (told, [["a", "b", "c"]])


def test_what_policy_denied_or_the_request_never_fits_is_not_waited_for():
    error, asked = refused((DOWN, LIMITED, DOWN), ("b", "c"), 2.0, context_tokens=1)
    assert isinstance(error, NoCapacity)
    assert asked == [["b"]]


def test_who_is_denied_or_fits_nowhere_is_not_told_to_come_again():
    denied, _ = refused((DOWN, DOWN, DOWN), ())
    assert isinstance(denied, PlacementDenied)
    unfit, asked = refused((DOWN, DOWN, DeploymentState()), ("c",), context_tokens=1)
    assert isinstance(unfit, NoDeploymentFits)
    assert (denied.retry_after_s, unfit.retry_after_s, asked) == (None, None, [])


@given(st.none() | st.floats(0, 1e6))
def test_seconds_are_whole_never_none_and_never_too_early(again_s):
    told = retry_after(again_s)
    assert isinstance(told, int)
    assert told >= max(1.0, again_s or 0.0)
