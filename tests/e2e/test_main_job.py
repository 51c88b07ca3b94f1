"""The main job: a client points its base URL at Situs, and each request goes where it may."""

from __future__ import annotations

import json
import random
import subprocess

import pytest
from openai import BadRequestError, NotFoundError
from tests.e2e import stage

CARD = "4111 1111 1111 1111"
IBAN = "GB82 WEST 1234 5698 7654 32"


PATIENT = {"analysis": {"deep_budget_ms": 10_000}}
"""So that what is explained is what is served, however busy the machine."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("main_job")
    with (
        stage.fakes(directory, "office", "national", "us") as fakes,
        stage.running(directory, stage.fleet(fakes, **PATIENT)) as gateway,
    ):
        yield gateway, fakes


@pytest.fixture
def gateway(scene):
    return scene[0]


HELLO = [{"role": "user", "content": "Say hello."}]


def test_the_openai_client_gets_an_answer(client):
    answer = client.chat.completions.create(model="auto", messages=HELLO)
    assert answer.choices[0].message.content
    assert answer.usage.total_tokens > 0


def test_the_openai_client_streams(client, gateway):
    pieces = list(client.chat.completions.create(model="auto", messages=HELLO, stream=True))
    assert "".join(p.choices[0].delta.content or "" for p in pieces)
    assert all(p.usage is None for p in pieces)


def test_a_stream_ends_with_usage_and_the_finals_when_asked(client):
    pieces = list(
        client.chat.completions.create(
            model="auto", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert pieces[-1].usage.total_tokens > 0
    finals = pieces[-1].situs
    assert finals["deployment"] == "office-llm"
    assert finals["cost"].endswith(" USD")
    assert float(finals["saved"].split()[0]) > 0


def test_models_are_listed_and_looked_up(client):
    names = [model.id for model in client.models.list()]
    assert names[0] == "auto"
    assert {"office-llm", "office-model", "us-llm"} <= set(names)
    assert client.models.retrieve("us-model").id == "us-model"
    with pytest.raises(NotFoundError):
        client.models.retrieve("nobody")


def test_a_concrete_name_pins_a_deployment_or_a_model(client, gateway):
    for name in ("us-llm", "us-model"):
        answer = gateway.chat(model=name)
        assert answer.headers["x-situs-deployment"] == "us-llm"
        assert answer.headers["x-situs-reason"] == "pinned"


def test_the_headers_say_where_and_why(gateway):
    headers = gateway.chat("Say hello.").headers
    assert headers["x-situs-locus"] == "office"
    assert headers["x-situs-jurisdiction"] == "AU"
    assert headers["x-situs-deployment"] == "office-llm"
    assert headers["x-situs-reason"] == "cheapest_adequate"
    assert headers["x-situs-label"] == "public"
    assert headers["x-situs-attempts"] == "1"
    assert headers["x-situs-cost"].endswith(" USD")
    assert float(headers["x-situs-saved"].split()[0]) > 0
    assert float(headers["x-situs-overhead-ms"]) >= 0
    assert len(headers["x-situs-policy"]) == 64
    chain, _, sequence = headers["x-situs-receipt"].partition(":")
    receipt = next(
        line
        for line in gateway.lines("decision")
        if line["chain"] == chain and line["seq"] == int(sequence)
    )
    assert receipt["id"] == headers["x-situs-request-id"]


def test_the_receipt_says_who_was_reached(gateway, scene):
    answer = gateway.chat()
    attempt = gateway.outcome(answer.headers["x-situs-request-id"])["attempts"][0]
    assert attempt["end"] == "complete"
    assert attempt["peer"]["address"] == "127.0.0.1"
    assert attempt["peer"]["port"] == scene[1]["office"].port
    assert attempt["bytes_out"] > 0


def test_what_is_not_situs_passes_through_and_its_own_headers_do_not(gateway, scene):
    fake = scene[1]["office"]
    before = len(fake.requests())
    gateway.chat("x", seed=7, some_future_field={"a": [1, 2.5]}, headers={"x_situs_session": "s1"})
    received = fake.requests()[before]
    sent = json.loads(received["body"])
    assert sent["seed"] == 7
    assert sent["some_future_field"] == {"a": [1, 2.5]}
    assert sent["model"] == "fake-model"
    assert not [name for name in received["headers"] if name.startswith("x-situs")]


@pytest.mark.parametrize("secret", [CARD, CARD.replace(" ", ""), IBAN, IBAN.lower()])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["auto", "us-llm", "us-model"])
def test_a_card_or_an_iban_never_reaches_the_public_cloud(scene, secret, stream, model):
    gateway, fakes = scene
    before = fakes["us"].traffic()
    answer = gateway.chat(f"Please pay from {secret} today.", model=model, stream=stream)
    assert answer.headers["x-situs-label"] == "confidential"
    if model == "auto":
        assert answer.headers["x-situs-locus"] == "office"
    else:
        assert (answer.status, answer.code) == (403, "placement_denied")
    assert fakes["us"].traffic() == before


@pytest.mark.parametrize(
    "place",
    [
        {"messages": [{"role": "system", "content": CARD}, *HELLO]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": CARD}]}]},
        {"messages": [{"role": "user", "name": CARD, "content": "x"}]},
        {"metadata": {"note": CARD}},
        {"metadata": {CARD: "note"}},
        {"user": CARD},
        {"some_field": 4111111111111111},
        {"some_field": [{"deep": {"deeper": CARD}}]},
        {"tools": [{"type": "function", "function": {"name": "f", "description": CARD}}]},
        {
            "messages": [
                *HELLO,
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "f", "arguments": json.dumps({"card": CARD})},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": "ok"},
            ]
        },
        {"messages": [*HELLO, {"role": "tool", "tool_call_id": "1", "content": CARD}]},
    ],
)
def test_wherever_it_stands_it_is_found(scene, place):
    gateway, fakes = scene
    before = fakes["us"].traffic()
    answer = gateway.chat(model="us-llm", **place)
    assert answer.headers["x-situs-label"] == "confidential"
    assert answer.status == 403
    assert fakes["us"].traffic() == before


def test_a_key_twice_is_sent_as_it_was_read(scene):
    """Two parsers may read a document with a key twice differently; only one reading leaves."""
    gateway, fakes = scene
    message = f'{{"role": "user", "content": "{CARD}", "content": "hello"}}'
    body = f'{{"model": "us-llm", "messages": [{message}]}}'.encode()
    assert gateway.call("POST", "/v1/chat/completions", body).status == 200
    sent = json.loads(fakes["us"].requests()[-1]["body"])
    assert sent["messages"] == [{"role": "user", "content": "hello"}]
    assert CARD not in json.dumps(fakes["us"].requests())


def test_a_declared_label_rises_and_never_falls(gateway):
    raised = gateway.chat(headers={"x_situs_label": "restricted"})
    assert raised.headers["x-situs-label"] == "restricted"
    assert raised.headers["x-situs-locus"] == "office"
    lowered = gateway.chat(f"Card {CARD}", headers={"x_situs_label": "public"})
    assert lowered.headers["x-situs-label"] == "confidential"


def test_what_fits_no_deployment_is_a_422(gateway):
    answer = gateway.chat(model="us-llm", headers={"x_situs_objective": "private"})
    assert (answer.status, answer.code) == (422, "no_deployment_fits")
    assert "retry-after" not in answer.headers
    assert "not_owned" in answer.json["error"]["message"]


def test_an_error_of_the_request_itself_comes_back_as_it_is(scene, client):
    _, fakes = scene
    fakes["office"].set(mode="status_400", once=True)
    with pytest.raises(BadRequestError):
        client.chat.completions.create(model="office-llm", messages=HELLO)


TEXTS = [
    "Translate 'good morning' into French.",
    "Write a Python function that reverses a list.",
    "My card is 4111 1111 1111 1111.",
    "Mail anna.schmidt@example.org about the meeting.",
    "Summarise: " + "The quick brown fox jumps over the lazy dog. " * 60,
    "Prove that the square root of two is irrational, step by step.",
    "Call me at +61 2 9374 4000.",
    "Classify the sentiment of: I loved it.",
]


def test_explain_and_the_served_record_agree(gateway):
    """500 varied requests: the decision explained and the decision recorded are the same."""
    rng = random.Random(7)
    pairs = {}
    for number in range(500):
        document = {
            "model": rng.choice(["auto", "auto", "auto", "us-llm", "national-model"]),
            "messages": [{"role": "user", "content": f"{rng.choice(TEXTS)} ({number})"}],
            "stream": rng.random() < 0.3,
        }
        if rng.random() < 0.3:
            document["max_tokens"] = rng.choice([1, 50, 99_000, 200_000])
        if rng.random() < 0.2:
            document["response_format"] = {"type": "json_object"}
        headers = {}
        if rng.random() < 0.5:
            headers["x_situs_objective"] = rng.choice(
                ["fastest", "best", "private", "cheapest_adequate"]
            )
        if rng.random() < 0.3:
            headers["x_situs_label"] = rng.choice(["internal", "confidential", "restricted"])
        if rng.random() < 0.2:
            headers["x_situs_max_cost"] = rng.choice(["0.00001", "1"])
        idle(gateway)
        explained = gateway.chat(path="/situs/v1/explain", **document, headers=headers).json
        served = gateway.chat(**document, headers=headers)
        assert explained["pick"] == served.headers.get("x-situs-deployment")
        assert (served.status == 200) == (explained["pick"] is not None)
        pairs[served.headers["x-situs-request-id"]] = explained["decision"]
    recorded = {line["id"]: line for line in gateway.lines("decision")}
    assert len(pairs) == 500
    for request_id, decision in pairs.items():
        for part in ("analysis", "policy", "placement"):
            assert decision[part] == recorded[request_id][part]


def idle(gateway):
    """The last answer is also over for the gateway: what it learnt from it is in the view."""
    while any(
        one["state"]["in_flight"]
        for one in gateway.call("GET", "/situs/v1/fleet").json["deployments"]
    ):
        pass


def test_the_chain_of_receipts_verifies(gateway):
    gateway.chat()
    done = subprocess.run(
        stage.command("receipts", "verify", "--data", str(gateway.data)), capture_output=True
    )
    assert done.returncode == 0, done.stdout
    assert CARD.encode() not in b"".join(
        file.read_bytes() for file in (gateway.data / "receipts").rglob("*") if file.is_file()
    )
