"""What a model is expected to be worth, and what is good enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests import make

from situs.core.capability import CapabilityClass
from situs.core.snapshot import ANY_TASK, Belief, Beliefs
from situs.placement.quality import HEAD_WEIGHT, PRIOR_WEIGHT, PRIORS, adequate, quality

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
        (["code", ANY_TASK], "code"),
        ([ANY_TASK], ANY_TASK),
        (["chat"], None),
    ],
)
def test_the_most_exact_belief_counts(keys, found):
    table = {(NAME, task, "small"): Belief(0.5, 10.0 + len(task)) for task in keys}
    said = believed(table, task="code")
    assert said == (table[NAME, found, "small"] if found else PRIORS[SMALL, SMALL])


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
