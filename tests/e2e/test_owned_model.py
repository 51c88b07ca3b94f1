"""`situs up` with the real llama.cpp and weights: it answers, streams, and outlives a kill."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from pathlib import Path

import pytest
from tests.e2e import stage
from tests.weights import data_with_weights

HELLO = [{"role": "user", "content": "Say hello to the world."}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    directory = tmp_path_factory.mktemp("owned")
    data = data_with_weights(directory)
    with stage.started(["up", "--home", "AU"], data, directory / "situs.log") as gateway:
        yield gateway


def test_it_answers_and_says_what_it_used(client, gateway):
    answer = client.chat.completions.with_raw_response.create(
        model="auto", messages=HELLO, max_tokens=16
    )
    assert answer.parse().choices[0].message.content
    outcome = gateway.outcome(answer.headers["x-situs-request-id"])
    attempt = outcome["attempts"][0]
    assert (attempt["locus"], attempt["jurisdiction"]) == ("workstation", "AU")
    assert len(attempt["weights"]) == 64
    assert "other_model" not in attempt
    assert attempt["peer"]["address"] == "127.0.0.1"
    assert 0 < outcome["usage"]["completion_tokens"] <= 16


def test_it_streams_with_usage(client):
    pieces = list(
        client.chat.completions.create(
            model="auto",
            messages=HELLO,
            max_tokens=16,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert len(pieces) > 3
    assert 0 < pieces[-1].usage.completion_tokens <= 16


def test_it_answers_to_a_schema(client):
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "Pick a colour."}],
        response_format={"type": "json_schema", "json_schema": {"name": "c", "schema": schema}},
        max_tokens=32,
    )
    assert json.loads(answer.choices[0].message.content)["colour"] in ("red", "blue")


def test_it_completes_whole_and_streamed_with_usage(client, gateway):
    asked = {"model": "auto", "prompt": "One, two, three,", "seed": 1, "temperature": 0}
    raw = client.completions.with_raw_response.create(**asked, max_tokens=6)
    answer = raw.parse()
    assert answer.choices[0].text.startswith(" four")
    assert answer.usage.completion_tokens == 6
    outcome = gateway.outcome(raw.headers["x-situs-request-id"])
    assert outcome["usage"]["completion_tokens"] == 6
    pieces = list(
        client.completions.create(
            **asked, max_tokens=6, stream=True, stream_options={"include_usage": True}
        )
    )
    streamed = "".join(choice.text for piece in pieces for choice in piece.choices)
    assert streamed == answer.choices[0].text
    assert pieces[-1].usage.completion_tokens == 6
    assert pieces[-1].situs["deployment"] == raw.headers["x-situs-deployment"]


def test_it_completes_several_prompts_in_one_stream(client):
    """llama.cpp writes an event of `null` between them, which no client can read."""
    prompts = ["One, two, three,", "Red, green,"]
    pieces = client.completions.create(model="auto", prompt=prompts, max_tokens=4, stream=True)
    ends = [(one.index, one.finish_reason) for piece in pieces for one in piece.choices]
    assert [index for index, end in ends if end] == [0, 1]


def test_it_stops_where_it_is_told(client):
    messages = [{"role": "user", "content": "Repeat: red green blue"}]
    asked = {"model": "auto", "messages": messages, "max_tokens": 24, "seed": 1, "temperature": 0}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    word = whole.split()[-1]
    cut = client.chat.completions.create(**asked, stop=[word]).choices[0]
    assert cut.message.content == whole[: whole.index(word)]
    assert cut.finish_reason == "stop"


def test_it_gives_probabilities_whole_and_streamed(client):
    asked = {"model": "auto", "messages": HELLO, "max_tokens": 8, "seed": 1, "temperature": 0}
    asked |= {"logprobs": True, "top_logprobs": 2}
    whole = client.chat.completions.create(**asked).choices[0].logprobs.content
    assert len(whole) == 8
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in whole)
    pieces = client.chat.completions.create(**asked, stream=True)
    choices = [choice for piece in pieces for choice in piece.choices]
    streamed = [token for one in choices if one.logprobs for token in one.logprobs.content]
    assert [token.token for token in streamed] == [token.token for token in whole]


def test_tools_are_refused_because_it_cannot_call_them(gateway):
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    answer = gateway.chat(tools=[tool])
    assert (answer.status, answer.code) == (422, "no_deployment_fits")
    assert "no_tools" in answer.json["error"]["message"]


def test_what_is_confidential_stays_and_is_answered(gateway):
    answer = gateway.chat("My card is 4111 1111 1111 1111. Say yes.", max_tokens=4)
    assert answer.status == 200
    assert answer.headers["x-situs-label"] == "confidential"
    assert answer.headers["x-situs-locus"] == "workstation"


def test_a_model_server_killed_mid_stream_ends_in_an_error_event_and_comes_back(gateway):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    body = {"model": "auto", "messages": HELLO, "stream": True, "max_tokens": 1500, "seed": 1}
    body["ignore_eos"] = True
    connection.request("POST", stage.CHAT, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    request_id = answer.getheader("x-situs-request-id")
    first = answer.read(200)
    assert b"data: " in first
    os.kill(model_server(gateway.process.pid), signal.SIGKILL)
    rest = answer.read()
    connection.close()
    assert b"stream_broken" in rest
    assert b"[DONE]" not in rest
    assert gateway.outcome(request_id)["attempts"][0]["end"] == "cut"
    deadline = time.monotonic() + 60
    while (again := gateway.chat(max_tokens=2)).status != 200:
        assert again.code in ("no_capacity", "all_deployments_failed")
        assert time.monotonic() < deadline, "the model did not come back"
        time.sleep(0.2)


def model_server(parent: int) -> int:
    """The gateway's one child that is a model server."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    servers = [
        int(pid) for pid in children if b"llama_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert len(servers) == 1
    return servers[0]
