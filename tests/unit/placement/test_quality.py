"""What a model is expected to be worth, and what is good enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests import make

from situs.core.capability import CapabilityClass
from situs.core.route import Routed, RoutedBy
from situs.core.snapshot import ANY_KIND, Belief, Beliefs
from situs.placement.quality import HEAD_WEIGHT, PRIOR_WEIGHT, PRIORS, adequate, full_costs, quality

SMALL, MEDIUM = CapabilityClass.SMALL, CapabilityClass.MEDIUM
NAME = "local-model"


def believed(table, **facts):
    model = make.deployment(capability=SMALL).model
    return quality(model, make.analysis(**{"needs": SMALL, **facts}), Beliefs(table))


def test_of_a_model_of_which_nothing_is_known_its_class_speaks():
    assert believed({}) == Belief(0.9, PRIOR_WEIGHT)
    assert believed({}, needs=MEDIUM) == Belief(0.6, PRIOR_WEIGHT)


@pytest.mark.parametrize("needs", CapabilityClass)
def test_with_classes_alone_just_the_models_of_the_class_needed_and_above_are_adequate(needs):
    qualities = [PRIORS[able, needs].mean for able in CapabilityClass]
    assert adequate(qualities, 0.95) == [able >= needs for able in CapabilityClass]


@pytest.mark.parametrize("needs", CapabilityClass)
def test_a_higher_class_is_never_worse(needs):
    qualities = [PRIORS[able, needs].mean for able in CapabilityClass]
    assert qualities == sorted(qualities)


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (["code", ANY_KIND], "code"),
        ([ANY_KIND], ANY_KIND),
        (["chat"], None),
    ],
)
def test_the_most_exact_belief_counts(keys, found):
    table = {(NAME, task, "small"): Belief(0.5, 10.0 + len(task)) for task in keys}
    said = believed(table, task="code")
    assert said == (table[NAME, found, "small"] if found else PRIORS[SMALL, SMALL])


def test_a_route_is_a_kind_of_its_own():
    table = {
        (NAME, "chat", "small"): Belief(0.5, 10.0),
        (NAME, "route:law", "small"): Belief(0.2, 10.0),
    }
    assert believed(table, routed=Routed("law", RoutedBy.SAMPLES)).mean == 0.2
    assert believed(table).mean == 0.5


def test_what_is_believed_for_another_class_needed_does_not_count():
    assert believed({(NAME, "chat", "medium"): Belief(0.1, 99.0)}).mean == 0.9


def test_beliefs_are_of_models_and_not_of_deployments():
    assert believed({("local", "chat", "small"): Belief(0.1, 99.0)}).mean == 0.9


def test_a_head_is_mixed_in_by_weight():
    said = believed({(NAME, "chat", "small"): Belief(0.8, HEAD_WEIGHT)}, acceptable={NAME: 0.4})
    assert said.mean == pytest.approx(0.6)
    assert said.weight == 2 * HEAD_WEIGHT


def test_a_head_that_speaks_of_others_changes_nothing():
    assert believed({}, acceptable={"other-model": 0.1}) == believed({})


_qualities = some.lists(some.floats(0, 1), min_size=1, max_size=20)


@given(_qualities, some.floats(0, 1))
def test_the_best_is_always_good_enough(qualities, share):
    assert adequate(qualities, share)[qualities.index(max(qualities))]


@given(_qualities, some.floats(0, 1))
def test_none_that_is_good_enough_is_below_the_share(qualities, share):
    least = share * max(qualities)
    for one, enough in zip(qualities, adequate(qualities, share), strict=True):
        assert enough == (one >= least - 1e-9)


def test_of_none_none_is_good_enough():
    assert adequate([], 0.95) == []


_costs = some.floats(1e-6, 1.0)
_places = some.lists(some.tuples(_costs, some.floats(0.01, 1)), min_size=1, max_size=20)


@given(_places, some.floats(0, 1), _costs)
def test_the_pick_has_the_share_and_loses_no_more_than_it_saves_is_worth(places, share, usual):
    costs, qualities = map(list, zip(*places, strict=True))
    full, enough = full_costs(costs, qualities, share, usual), adequate(qualities, share)
    pick = min((k for k in range(len(places)) if enough[k]), key=lambda k: full[k] or 0.0)
    best = max(range(len(places)), key=qualities.__getitem__)
    assert qualities[pick] >= share * qualities[best] - 1e-9
    lost, saved = 1 - qualities[pick] / qualities[best], costs[best] - costs[pick]
    assert lost <= (1 - share) * saved / usual + 1e-6


def test_equals_are_told_apart_by_what_they_cost():
    assert full_costs([3.0, 1.0, None], [0.9, 0.9, 0.9], 0.95, 2.0) == [3.0, 1.0, None]


@pytest.mark.parametrize(("scale", "picked"), [(0.1, 1), (10.0, 0)])
def test_quality_is_given_up_where_that_saves_most(scale, picked):
    costs = [0.2 * scale, 1.0 * scale]
    full = full_costs(costs, [0.89, 0.91], 0.95, 1.0)
    assert min(range(2), key=lambda k: full[k] or 0.0) == picked


def test_where_all_must_be_best_costs_stay_as_they_are():
    assert full_costs([3.0, 1.0], [0.9, 0.5], 1.0, 2.0) == [3.0, 1.0]
