"""How long an answer is expected to be."""

from __future__ import annotations

import pytest
from tests import make

from situs.core.length import Lengths
from situs.core.route import Routed, RoutedBy
from situs.core.snapshot import ANY_KIND, Beliefs
from situs.placement.estimates import estimate
from situs.placement.lengths import answer_tokens
from situs.placement.place import place

LEARNED = Beliefs(
    digest="learned",
    lengths=Lengths(
        {"chat": (100.0, 0.75), "route:r": (900.0, 1.0)},
        {("long", ANY_KIND): 2.0, ("long", "route:r"): 0.5},
    ),
)


def tokens(model="long", beliefs=LEARNED, request=None, **facts):
    analysis = make.analysis(**{"task": "chat", "completion_tokens": 300, **facts})
    return answer_tokens(model, request or make.request(), analysis, beliefs)


ROUTED = Routed("r", RoutedBy.RULE)


def test_before_anything_was_learned_the_analysis_speaks():
    assert tokens(beliefs=Beliefs()) == 300


@pytest.mark.parametrize(
    ("model", "facts", "expected"),
    [
        ("new", {}, 0.75 * 100 + 0.25 * 300),
        ("long", {}, 2 * (0.75 * 100 + 0.25 * 300)),
        ("long", {"routed": ROUTED}, 450),
        ("new", {"routed": ROUTED}, 900),
        ("new", {"task": "code"}, 300),
        ("long", {"task": "code"}, 600),
    ],
)
def test_it_is_what_is_usual_at_the_kind_times_what_is_usual_of_the_model(model, facts, expected):
    assert tokens(model, **facts) == expected


def test_no_answer_is_expected_longer_than_the_request_allows():
    assert tokens(request=make.request(max_completion_tokens=120)) == 120


def test_each_choice_is_bounded_and_all_of_them_count():
    assert tokens(request=make.request(max_completion_tokens=120, choices=3)) == 360
    assert tokens("new", request=make.request(choices=2)) == 300


def test_where_no_answer_is_expected_there_is_none():
    assert tokens(completion_tokens=0) == 0


def test_in_a_decision_that_is_replayed_it_is_what_it_was():
    assert tokens(beliefs=Beliefs(answers={"long": 41})) == 41
    assert tokens(beliefs=Beliefs(answers={"long": 41}), request=make.request(choices=2)) == 82


def placed(beliefs, **facts):
    fleet = make.view(
        make.deployment("wordy", model="long", price=(1.0, 1.0)),
        make.deployment("terse", model="short", price=(1.0, 1.5)),
    )
    snapshot = make.snapshot(fleet, beliefs=beliefs, **facts)
    analysis = make.analysis(task="chat", completion_tokens=300)
    request = make.request()
    placement = place(request, analysis, make.verdict("wordy", "terse"), snapshot, {})
    return fleet, request, analysis, snapshot, placement


def test_a_model_that_says_much_is_expected_to_cost_more_and_to_take_longer():
    *_, before = placed(Beliefs())
    assert [one.deployment for one in before.ranked] == ["wordy", "terse"]
    *_, after = placed(LEARNED)
    assert [one.deployment for one in after.ranked] == ["terse", "wordy"]
    terse, wordy = after.ranked
    assert wordy.e2e_s > terse.e2e_s


def test_what_was_expected_is_kept_and_comes_out_the_same_again():
    *_, placement = placed(LEARNED)
    assert placement.given.answers == {"long": 300, "short": 150}
    *_, again = placed(Beliefs(usual_cost=0.0, answers=placement.given.answers))
    assert again == placement


def test_one_deployment_at_a_time_it_is_the_same():
    fleet, request, analysis, snapshot, placement = placed(LEARNED)
    for one in placement.ranked:
        at = [there.name for there in fleet.deployments].index(one.deployment)
        alone = estimate(fleet.deployments[at], fleet.states[at], request, analysis, snapshot)
        assert (alone.cost, alone.e2e_s) == (one.cost, one.e2e_s)
        assert alone.completion_tokens == placement.given.answers[fleet.deployments[at].model.name]
