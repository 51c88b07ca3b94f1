"""Figures of routes: what counts as right, and what there is nothing to say about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.analysis.test_route_samples import GROUND, OTHERS, SAMPLES, encode

from situs.core.heads import Ground, Heads
from situs.errors import OperatorError
from situs.studies.eval_routes import evaluate

TRAIN: list[dict[str, Any]] = [
    {"text": text, "label": name} for name, texts in SAMPLES.items() for text in texts
]
INSIDE: list[dict[str, Any]] = [
    {"text": "has my parcel arrived?", "label": "shipping"},
    {"text": "refund the charge on my invoice please", "label": "billing"},
]
OUTSIDE: list[dict[str, Any]] = [
    {"text": text, "label": label} for text, label in zip(OTHERS, [None, "oos"] * 4, strict=True)
]
HEADS = Heads(routes=GROUND)
OWN = Ground(GROUND.gist, GROUND.ordinary)
"""Without the vectors of ordinary texts, which are of another encoder."""


def test_right_routes_and_rejections_count():
    found = evaluate(TRAIN, INSIDE + OUTSIDE, HEADS)
    assert found["overall_accuracy"] == 1
    assert found["in_scope_accuracy"] == found["closed_set_accuracy"] == 1
    assert found["oos_recall"] == found["oos_precision"] == found["auroc"] == 1
    assert found["macro_f1"] == 1
    assert found["deep_share"] == 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]


def test_a_wrong_route_and_a_rejection_in_scope_are_wrong():
    test = [
        {"text": "has my parcel arrived?", "label": "billing"},
        {**OUTSIDE[0], "label": "billing"},
    ]
    found = evaluate(TRAIN, test, HEADS)
    assert found["overall_accuracy"] == found["in_scope_accuracy"] == 0
    assert found["oos_precision"] == 0


def test_what_does_not_apply_is_null_and_never_nan():
    found = evaluate(TRAIN, INSIDE, HEADS)
    assert found["oos_recall"] is None
    assert found["oos_precision"] is None
    assert found["auroc"] is None
    assert found["overall_accuracy"] == 1
    empty = evaluate(TRAIN, [], HEADS)
    assert empty["overall_accuracy"] is None
    assert json.loads(json.dumps(empty, allow_nan=False)) == empty


def test_rows_of_no_route_in_the_training_file_are_rejected_afterwards():
    strange = [{"text": "zyx wvu tsr", "label": None}]
    assert evaluate([*TRAIN, *strange], strange, HEADS)["oos_recall"] == 1


@pytest.mark.parametrize(("tier", "share"), [("fast", 0.0), ("deep", 1.0)])
def test_the_tier_says_how_many_texts_are_encoded(tier, share):
    heads = Heads(routes=OWN, encode=encode)
    assert evaluate(TRAIN, INSIDE, heads, tier)["deep_share"] == share


def test_what_the_encoder_has_no_time_for_the_fast_tier_answers():
    known = {row["text"] for row in TRAIN} | {*SAMPLES, *GROUND.ordinary}

    def hurried(texts):
        return encode(texts) if set(texts) <= known else None

    found = evaluate(TRAIN, INSIDE, Heads(routes=OWN, encode=hurried), "deep")
    assert found["deep_share"] == 0
    assert found["overall_accuracy"] is not None
    with pytest.raises(OperatorError, match="budget"):
        evaluate(TRAIN, INSIDE, Heads(routes=OWN, encode=lambda texts: None))


def test_without_routes_or_without_an_encoder_for_the_deep_tier_it_says_so():
    with pytest.raises(OperatorError, match="learn from"):
        evaluate(OUTSIDE, INSIDE, HEADS)
    with pytest.raises(OperatorError, match="encoder"):
        evaluate(TRAIN, INSIDE, HEADS, "deep")


def test_vectors_that_are_known_are_not_asked_for_again():
    asked: list[str] = []

    def listening(texts):
        asked.extend(texts)
        return encode(texts)

    known = dict(zip(OWN.ordinary, encode(OWN.ordinary), strict=True))
    ground = Ground(OWN.gist, OWN.ordinary, known)
    evaluate(TRAIN, [], Heads(routes=ground, encode=listening))
    assert sorted(asked) == sorted({*SAMPLES, *(row["text"] for row in TRAIN)})
