"""What is found in a request decides where it runs: names, own words, the deep tier."""

from __future__ import annotations

import pytest
from tests.e2e import stage

NAMES = "Please write to Mrs. Adelaide Featherstone about her visit to our office last Tuesday."
PLAIN = "What is the boiling point of water at sea level?"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """The owned machine is not good enough, and the public cloud trains on what it is sent."""
    directory = tmp_path_factory.mktemp("understanding")
    with stage.fakes(directory, "office", "us") as fakes:
        config = stage.fleet(
            fakes,
            loci={"us": {"training_use": "allowed"}},
            defaults={"objective": "best"},
            labels={
                "lists": {
                    "project": {"label": "confidential", "keywords": ["Blue Heron"]},
                    "part": {"label": "confidential", "patterns": [r"\bPRT-[0-9]{4}\b"]},
                }
            },
            analysis={"deep_budget_ms": 10_000},
            routes={
                "shipping": {
                    "samples": [
                        "where is my parcel",
                        "when will my order arrive",
                        "track the delivery of my package",
                    ]
                },
                "billing": {
                    "samples": [
                        "why was I charged twice",
                        "send me the invoice",
                        "refund the money to my card",
                    ]
                },
            },
        )
        with stage.running(directory, config) as gateway:
            yield gateway


def deployment(answer):
    assert answer.status == 200
    return answer.headers["x-situs-deployment"]


def decided(gateway, request_id):
    [found] = [one for one in gateway.lines("decision") if one["id"] == request_id]
    return found["analysis"]


def test_a_name_keeps_a_request_from_who_would_train_on_it(gateway):
    assert deployment(gateway.chat(PLAIN)) == "us-llm"
    answer = gateway.chat(NAMES)
    assert deployment(answer) == "office-llm"
    assert answer.headers["x-situs-label"] == "internal"
    analysis = decided(gateway, answer.headers["x-situs-request-id"])
    assert "person" in {finding["kind"] for finding in analysis["findings"]}
    assert analysis["tiers"]["names"] == "fast"


def test_names_are_skipped_where_the_label_is_higher_anyway(gateway):
    answer = gateway.chat(f"{NAMES} Card 4111 1111 1111 1111.")
    assert answer.headers["x-situs-label"] == "confidential"
    analysis = decided(gateway, answer.headers["x-situs-request-id"])
    assert analysis["tiers"]["names"] == "skipped"


@pytest.mark.parametrize("text", ["How is blue heron going?", "Order PRT-1234 again."])
def test_own_words_and_patterns_hold(gateway, text):
    answer = gateway.chat(text)
    assert answer.headers["x-situs-label"] == "confidential"
    assert deployment(answer) == "office-llm"


def test_the_deep_tier_answers_where_the_fast_one_is_unsure(gateway):
    texts = ["who invented the invoice", "a poem about my order", "refund my parcel"]
    tiers = set()
    for text in texts:
        answer = gateway.chat(text)
        tiers.add(decided(gateway, answer.headers["x-situs-request-id"])["tiers"].get("route"))
    assert "deep" in tiers


def test_what_the_receipt_says_is_what_explain_says(gateway):
    answer = gateway.chat(PLAIN)
    recorded = decided(gateway, answer.headers["x-situs-request-id"])
    assert recorded["task"] == "open_qa"
    assert recorded["task_probability"] > 0.5
    low, high = recorded["completion_range"]
    assert low <= recorded["completion_tokens"] <= high
    assert recorded["language"] == "en"
