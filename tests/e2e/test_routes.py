"""Routes: a name to ask for, rules that answer, samples that lead, and nothing that leaks."""

from __future__ import annotations

import json
import subprocess

import pytest
from openai import NotFoundError, PermissionDeniedError
from tests.e2e import stage

ROUTES = {
    "hours": {
        "rules": [
            {"exact": "When are you open?"},
            {"pattern": r"(?i)are you open on (?P<day>\w+)\?"},
        ],
        "deployments": ["us-llm"],
    },
    "order": {
        "rules": [{"pattern": r"(?i)^where is order (?P<number>\d+)\?$"}],
        "answer": "Order {number} is on its way.",
    },
    "contract": {
        "samples": [
            "review the terms of this contract",
            "which clause of the agreement limits liability",
            "summarise the termination clause of the contract",
            "is this agreement valid without a signature",
            "what does the contract say about penalties",
        ],
        "deployments": ["us-llm"],
    },
}
ORDER = [{"role": "user", "content": "Where is order 77?"}]
SAID = "Order 77 is on its way."


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("routes")
    with (
        stage.fakes(directory, "office", "us") as fakes,
        stage.running(directory, stage.fleet(fakes, routes=ROUTES)) as gateway,
    ):
        yield gateway, directory


@pytest.fixture
def gateway(scene):
    return scene[0]


def test_the_openai_client_reads_a_template_s_answer(client):
    answer = client.chat.completions.create(model="auto", messages=ORDER)
    [choice] = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", SAID)
    assert choice.finish_reason == "stop"
    assert answer.usage.total_tokens == 0


def test_and_its_stream(client):
    pieces = list(client.chat.completions.create(model="auto", messages=ORDER, stream=True))
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == SAID
    assert pieces[-1].choices[0].finish_reason == "stop"
    assert all(piece.usage is None for piece in pieces)


def test_and_its_usage_with_the_finals_when_asked(client):
    pieces = list(
        client.chat.completions.create(
            model="auto", messages=ORDER, stream=True, stream_options={"include_usage": True}
        )
    )
    assert pieces[-1].choices == []
    assert pieces[-1].usage.total_tokens == 0
    assert pieces[-1].situs["reason"] == "route_answer"


def test_and_a_completion_whole_and_streamed(client):
    asked = {"model": "auto", "prompt": "Where is order 77?"}
    whole = client.completions.create(**asked)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == (SAID, "stop")
    pieces = list(client.completions.create(**asked, stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == SAID
    assert pieces[-1].choices[0].finish_reason == "stop"


def test_nothing_leaves_and_the_record_says_so(gateway):
    answer = gateway.chat("Where is order 77?")
    assert answer.status == 200
    assert answer.headers["x-situs-reason"] == "route_answer"
    assert answer.headers["x-situs-attempts"] == "0"
    assert not {"x-situs-locus", "x-situs-deployment", "x-situs-jurisdiction"} & set(answer.headers)
    request_id = answer.headers["x-situs-request-id"]
    outcome = gateway.outcome(request_id)
    assert (outcome["status"], outcome["attempts"], outcome["usage"]) == (200, [], None)
    [decision] = [line for line in gateway.lines("decision") if line["id"] == request_id]
    routed = decision["analysis"]["routed"]
    assert (routed["route"], routed["by"], routed["rule"]) == ("order", "rule", 0)
    assert "77" not in json.dumps(decision["analysis"])


def test_a_restricted_request_may_be_answered_by_a_template(gateway):
    answer = gateway.chat("Where is order 77?", headers={"x_situs_label": "restricted"})
    assert answer.json["choices"][0]["message"]["content"] == SAID


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("when are you open?", "rule"),
        ("Are you open on Sunday?", "rule"),
        ("please review the terms of my contract", "samples"),
    ],
)
def test_a_route_restricts_to_its_deployments(gateway, text, by):
    answer = gateway.chat(text)
    assert answer.headers["x-situs-deployment"] == "us-llm"
    told = gateway.chat(text, path="/situs/v1/explain").json
    assert told["decision"]["analysis"]["routed"]["by"] == by
    assert (told["pick"], told["route_answer"]) == ("us-llm", False)
    codes = {row["deployment"]: row["filters"]["route"] for row in told["deployments"]}
    assert codes == {"office-llm": "not_on_route", "us-llm": "ok"}


def test_what_is_like_no_route_goes_where_it_would(gateway):
    assert gateway.chat("Write a poem about autumn.").headers["x-situs-deployment"] == "office-llm"


def test_a_route_s_name_asks_for_it(client, gateway):
    names = [model.id for model in client.models.list()]
    assert names[:4] == ["auto", "hours", "order", "contract"]
    answer = gateway.chat("Hello there.", model="contract")
    assert answer.headers["x-situs-deployment"] == "us-llm"
    [decision] = [
        line
        for line in gateway.lines("decision")
        if line["id"] == answer.headers["x-situs-request-id"]
    ]
    routed = decision["analysis"]["routed"]
    assert (routed["route"], routed["by"]) == ("contract", "asked")


def test_a_route_that_is_asked_for_is_answered_by_a_model(gateway):
    answer = gateway.chat("Where is order 77?", model="order")
    assert answer.headers["x-situs-attempts"] == "1"
    assert answer.json["choices"][0]["message"]["content"] != SAID


@pytest.mark.parametrize("model", ["contract", "auto"])
def test_a_route_never_widens_what_policy_allows(client, model):
    """The card may not go to the route's only deployment, and elsewhere is not on the route."""
    text = "review the terms of this contract, paid with card 4111 1111 1111 1111"
    with pytest.raises(PermissionDeniedError) as denied:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    assert denied.value.code == "placement_denied"


def test_embeddings_have_no_routes(client):
    with pytest.raises(NotFoundError):
        client.embeddings.create(model="order", input="Where is order 77?")


def test_the_command_explain_shows_the_route(scene):
    _, directory = scene
    asked = ("explain", "Where is order 77?", "--config", str(directory / "situs.yaml"))
    told = subprocess.run(stage.command(*asked), capture_output=True, text=True, check=True).stdout
    assert "order  (its rule 0 matches)" in told
    assert "Situs would answer it itself" in told
