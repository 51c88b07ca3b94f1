"""What a head says of the models of a fleet reaches the analysis, and the placement."""

from __future__ import annotations

import pytest
from tests import make
from tests.unit.learning.test_capability import EASY, HARD, results

from situs.analysis import look
from situs.analysis.capability import capability_head, of_models
from situs.analysis.features import see
from situs.core.capability import CapabilityClass
from situs.core.heads import Guess, Heads
from situs.core.snapshot import NO_ROUTES, Beliefs, Labels
from situs.learning.capability import fit
from situs.placement.quality import quality

SMALL, FRONTIER = CapabilityClass.SMALL, CapabilityClass.FRONTIER
FLEET = {"acme/Big": FRONTIER, "little": SMALL}


@pytest.fixture(scope="module")
def head():
    return capability_head(*fit(results(), None, {"big": "frontier", "little": "small"}))


def says(head, models, text):
    """What it says of these models for this text."""
    acceptable = of_models(head, models)
    assert acceptable is not None
    return acceptable(see(text))


def test_models_are_found_by_name_whoever_publishes_them(head):
    said = says(head, FLEET, HARD.format("red", 500))
    assert said["acme/Big"] > 0.9
    assert said["little"] < 0.3


def test_a_model_that_it_does_not_know_is_measured_as_its_class(head):
    said = says(head, {**FLEET, "stranger": SMALL}, HARD.format("red", 500))
    assert said["stranger"] == said["little"]


def test_of_other_prompts_it_says_nothing(head):
    assert says(head, FLEET, "{}\n" * 300) == {}


@pytest.mark.parametrize("models", [{}, {"big": FRONTIER}, {"stranger": SMALL, "other": SMALL}])
def test_where_there_is_nothing_to_choose_by_nothing_is_asked(head, models):
    assert of_models(head, models) is None


def looked(heads):
    return look(make.request(HARD.format("red", 500)), Labels({}), NO_ROUTES, heads).analysis


def heads_of(head):
    return Heads(task=lambda *_: Guess("qa", 0.9), acceptable=of_models(head, FLEET))


def test_the_analysis_has_it_unless_there_is_no_time(head):
    heads = heads_of(head)
    assert looked(heads).acceptable.keys() == FLEET.keys()
    assert looked(heads.in_haste()).acceptable == {}


def test_quality_follows_the_prompt(head):
    model = make.deployment(model="little", capability=SMALL).model
    easy, hard = (
        quality(model, make.analysis(acceptable=says(head, FLEET, t.format("red", 500))), Beliefs())
        for t in (EASY, HARD)
    )
    assert easy.mean > hard.mean + 0.4
