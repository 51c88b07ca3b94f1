"""`situs train confidence`, on real files."""

from __future__ import annotations

import json

import pytest
from tests.fakes.json_server import json_server
from tests.unit.cli.test_train_command import place, run, written

from situs.app.heads import load_confidences
from situs.config.load import load
from situs.core.snapshot import ANY_KIND
from situs.errors import ConfigError, OperatorError, UnknownModel
from situs.http.errors import envelope
from situs.studies.train_confidence import question, right

__all__ = ["place"]


def row(n, **more):
    """Sure ones are right, of the others every fourth."""
    sure = n % 2 == 0
    content = [{"token": f"{n}", "logprob": -0.05 if sure else -1.0 - n % 5 / 10}]
    choice = {"message": {"content": f"{n}"}, "finish_reason": "stop"}
    response = {"choices": [{**choice, "logprobs": {"content": content}}]}
    correct = sure or n % 8 == 1
    return {
        "model": "little",
        "prompt": f"count to {n}",
        "response": response,
        "correct": correct,
        **more,
    }


def test_it_is_learned_compared_and_named(place):
    written(place, "rows.jsonl", [row(n) for n in range(700)])
    said = json.loads(run(place, "confidence", "rows.jsonl", "--json").stdout)
    assert (said["head"], said["version"], said["base"]) == ("confidence", "trained-1", None)
    figures = {one["name"]: one["after"] for one in said["figures"]}
    assert figures["wrong at 0.1"] <= 0.1
    assert figures["kept at 0.1"] > 0.3
    text = (place / "situs.yaml").read_text()
    file = place / "situs.yaml"
    file.write_text(text.replace("{task: blank", "{confidence: trained-1, task: blank"))
    known = load_confidences(load(file).analysis, place)
    assert ("little", ANY_KIND) in known.table
    assert known.digest == said["digest"]
    again = json.loads(run(place, "confidence", "rows.jsonl", "--json").stdout)
    assert (again["base"], again["version"]) == ("trained-1", "trained-2")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "unheard"}, r"rows\.jsonl:1: the model is not configured"),
        ({"correct": 0.5}, r"rows\.jsonl:1: correct is neither"),
        ({"response": {}}, r"rows\.jsonl:1: the response has no choices"),
    ],
)
def test_rows_that_say_nothing_are_refused_with_their_line(place, change, why):
    written(place, "rows.jsonl", [row(0, **change), *(row(n) for n in range(1, 300))])
    with pytest.raises(ConfigError, match=why):
        run(place, "confidence", "rows.jsonl")


def test_too_few_rows_are_refused(place):
    written(place, "rows.jsonl", [row(n) for n in range(80)])
    with pytest.raises(ConfigError, match="answers of little"):
        run(place, "confidence", "rows.jsonl")


def test_a_model_to_ask_goes_with_questions(place):
    assert run(place, "confidence", "rows.jsonl", "--model", "little").exit_code == 2


def test_without_owned_models_that_give_log_probabilities_one_must_be_named(place):
    written(place, "questions.jsonl", [{"prompt": "1+1", "answer": "2"}])
    done = run(place, "confidence", "questions.jsonl", "--ask", "rows.jsonl")
    assert done.exit_code == 2
    assert "--model" in done.stderr


@pytest.mark.parametrize("status", [404, 503])
def test_where_nothing_was_answered_no_file_is_left(place, status):
    written(place, "questions.jsonl", [{"prompt": "1+1", "answer": "2"}])
    said = json.dumps(envelope(UnknownModel("No model has this name."))).encode()
    words = ["questions.jsonl", "--ask", "rows.jsonl", "--model", "little"]
    with json_server(status, said) as (url, _), pytest.raises(OperatorError, match=r"404|No quest"):
        run(place, "confidence", *words, "--url", url)
    assert not (place / "rows.jsonl").exists()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"choices": []}'])
def test_what_is_no_answer_of_a_gateway_ends_it(place, body):
    written(place, "questions.jsonl", [{"prompt": "1+1", "answer": "2"}])
    words = ["questions.jsonl", "--ask", "rows.jsonl", "--model", "little"]
    with json_server(200, body) as (url, _), pytest.raises(OperatorError, match="not as a gateway"):
        run(place, "confidence", *words, "--url", url)
    assert not (place / "rows.jsonl").exists()


def test_where_rows_can_not_be_kept_nothing_is_asked(place):
    written(place, "questions.jsonl", [{"prompt": "1+1", "answer": "2"}])
    done = run(place, "confidence", "questions.jsonl", "--ask", "nowhere/rows.jsonl")
    assert done.exit_code == 2
    assert "there is no folder" in done.stderr
    assert "make it" in done.stderr


@pytest.mark.parametrize(
    ("said", "gold", "good"),
    [
        ("Paris", "paris", True),
        ("The answer:\n**Paris**", "Paris", True),
        ("Paris or Rome", "Paris", False),
        ("2 + 3 makes 5.", "5", True),
        ("It is 5, not 6", "5", False),
        ("It is -4", "4", False),
        ("The answer is (B).", "B", True),
        ("A or B", "A", False),
        ("", "B", False),
    ],
)
def test_what_counts_as_right(said, gold, good):
    assert right({"choices": [{"message": {"content": said}}]}, gold) is good


def test_votes_are_asked_for_where_they_are_configured():
    assert question("hi", "little", 3)["n"] == 3
    assert "n" not in question("hi", "little", 1)
