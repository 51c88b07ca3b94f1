"""What an artefact may not say, whatever its head would make of it."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from situs.errors import OperatorError
from situs.learning.artefacts import load, shipped
from situs.learning.limits import check
from situs.learning.versions import open_version, shipped_heads

HEADS = sorted(shipped_heads())


def changed(head, settings=None, arrays=None):
    artefact = load(shipped(head))
    card = replace(artefact.card, settings={**artefact.card.settings, **(settings or {})})
    return replace(artefact, card=card, arrays={**artefact.arrays, **(arrays or {})})


@pytest.mark.parametrize("head", HEADS)
def test_those_of_the_package_are_within_bounds(head):
    check(load(shipped(head)))


@pytest.mark.parametrize(
    ("head", "settings", "said"),
    [
        ("task", {"temperature": -0.7}, "settings.temperature: expected `float` > 0.0"),
        ("task", {"temperature": float("nan")}, "settings.temperature: expected `float` > 0.0"),
        ("task", {"temperature": float("inf")}, "settings.temperature: expected `float` <= 1000.0"),
        ("task", {"threshold": 1.5}, "settings.threshold: expected `float` <= 1.0"),
        ("task", {"threshold": "0.5"}, "settings.threshold: expected `float`, got `str`"),
        ("task", {"classes": []}, "settings.classes: expected `array` of length >= 1"),
        ("task", {"classes": ["code"]}, "the array grams is 131072 x 15; expected 131072 x 2"),
        ("complexity", {"enough": -1}, "settings.enough: expected `float` >= 0.0"),
        ("length", {"weights": {"code": 1e9}}, "settings.weights[...]: expected `float` <= 1000.0"),
        ("length", {"tasks": ["code"]}, "the array base is 13 x 3; expected 2 x 3"),
        ("tokens", {"default": ["mine"]}, "settings.default: mine is none of families"),
        ("names", {"power": 0}, "settings.power: expected `float` > 0.0"),
        ("names", {"thresholds": {"person": 0}}, "settings.thresholds[...]: expected `float` > 0"),
        ("names", {"thresholds": {}}, "settings.thresholds: there is none for address"),
        ("routes", {"bits": 99}, "settings.bits: expected `int` <= 24"),
        ("routes", {"bits": 13}, "the array table is 65536 x 128; expected 49152 x any"),
        ("capability", {"fits": []}, "settings.fits: expected `array` of length >= 1"),
        ("capability", {"classes": {"m": "huge"}}, "settings.classes[...]: invalid enum value"),
    ],
)
def test_a_senseless_setting_is_refused_with_head_version_field_and_bound(head, settings, said):
    artefact = changed(head, settings)
    with pytest.raises(OperatorError) as refused:
        check(artefact)
    card = artefact.card
    assert refused.value.message.startswith(f"The artefact {card.head} {card.version} cannot be")
    assert said in refused.value.message


def test_a_setting_that_is_missing_is_refused():
    artefact = load(shipped("task"))
    with pytest.raises(OperatorError, match="settings: object missing required field `classes`"):
        check(replace(artefact, card=replace(artefact.card, settings={})))


def test_arrays_that_are_missing_or_hold_no_numbers_are_refused():
    arrays = dict(load(shipped("task")).arrays)
    with pytest.raises(OperatorError, match="array bias holds what is no finite number"):
        check(changed("task", arrays={"bias": np.full_like(arrays["bias"], np.nan)}))
    with pytest.raises(OperatorError, match="array deep_fast is a number; expected 14 x 14"):
        check(changed("task", arrays={"deep_fast": np.float32(1)}))
    del arrays["marks"]
    with pytest.raises(OperatorError, match="array marks is missing"):
        check(replace(load(shipped("task")), arrays=arrays))


def test_a_head_that_nobody_knows_is_taken_as_it_is(tmp_path):
    artefact = changed("task", {"threshold": 7})
    check(replace(artefact, card=replace(artefact.card, head="mine")))
    assert open_version("task", None, tmp_path).card.head == "task"
