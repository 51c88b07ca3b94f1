"""What is hidden on the way out comes back to the real OpenAI client, on every wire."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI, PermissionDeniedError
from tests.e2e import stage

EMAIL, PHONE, CARD = "ann.lee@firm.test", "+61 412 345 678", "4111 1111 1111 1111"
SAID = f'Write to {EMAIL}, "{PHONE}"\nand not {CARD}.'
BACK = SAID.replace(CARD, "[CARD]")
POLICY = """
package situs

import rego.v1

allow contains d.name if some d in input.deployments

deny contains {"deployment": d.name, "code": "trains_on_it"} if {
	some d in input.deployments
	d.locus.training_use == "allowed"
}

obligations contains {"kind": "pseudonymise", "deployment": "*", "scope": "session"}

obligations contains {"kind": "redact", "deployment": "*", "findings": ["card"]}
"""
EMBED = {"capability": "tiny", "context_tokens": 512, "serves": ["embeddings"]}
TEXT = {"type": "object", "properties": {"text": {"type": "string"}, "n": {"type": "integer"}}}
TOOL = {"type": "function", "function": {"name": "send", "parameters": TEXT}}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pseudonyms")
    (directory / "hide.rego").write_text(POLICY)
    with stage.fakes(directory, "us") as fakes:
        config = stage.fleet(fakes, policy={"paths": ["hide.rego"]})
        chat = config["deployments"]["us-llm"]
        config["models"]["us-embed"] = EMBED
        config["models"]["us-model"]["modalities"] = ["text", "file"]
        config["deployments"]["us-vec"] = {**chat, "model": "us-embed"}
        with stage.running(directory, config) as gateway:
            yield gateway, fakes["us"]


@pytest.fixture
def client(scene):
    with OpenAI(base_url=scene[0].base_url, api_key="-", max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_found_leaves(scene):
    """Whatever a test does: no original reaches the other side."""
    scene[1].set(mode="ok")
    yield
    for one in scene[1].requests():
        for original in (EMAIL, PHONE, CARD):
            assert original not in one["body"]
            assert json.dumps(original)[1:-1] not in one["body"]


def asked(text=SAID, **fields):
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}


@pytest.mark.parametrize("size", [None, 1, 3, 17])
def test_a_streamed_chat_gives_the_originals_back(client, scene, size):
    scene[1].set(mode="ok", piece_chars=size)
    usage = {"include_usage": True}
    texts, finals, ended = ["", ""], [], [False, False]
    for piece in client.chat.completions.create(**asked(n=2), stream=True, stream_options=usage):
        for choice in piece.choices:
            assert not ended[choice.index]
            texts[choice.index] += choice.delta.content or ""
            ended[choice.index] = choice.finish_reason is not None
        finals += [piece.usage] if piece.usage else []
    assert texts == [f"us heard: {BACK}"] * 2
    assert len(finals) == 1


def test_a_whole_chat_gives_the_originals_back(client):
    answer = client.chat.completions.create(**asked())
    assert answer.choices[0].message.content == f"us heard: {BACK}"
    assert answer.usage.total_tokens > 0


@pytest.mark.parametrize("size", [1, 4])
def test_the_arguments_of_tool_calls_are_json_with_the_originals(client, scene, size):
    scene[1].set(mode="ok", piece_chars=size)
    whole = client.chat.completions.create(**asked(tools=[TOOL]))
    arguments = whole.choices[0].message.tool_calls[0].function.arguments
    assert json.loads(arguments)["text"] == BACK
    with client.chat.completions.stream(**asked(tools=[TOOL])) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert json.loads(calls[0].function.arguments) == json.loads(arguments)
    history: list[dict[str, Any]] = [
        {"role": "user", "content": SAID},
        {"role": "assistant", "content": None, "tool_calls": [calls[0].model_dump()]},
        {"role": "tool", "tool_call_id": calls[0].id, "content": f'{{"to": "{EMAIL}"}}'},
        {"role": "user", "content": f"And {EMAIL}?"},
    ]
    for one in history[1]["tool_calls"]:
        one["function"] = {key: one["function"][key] for key in ("name", "arguments")}
    answer = client.chat.completions.create(model="auto", messages=history)
    assert answer.choices[0].message.content == f"us heard: And {EMAIL}?"


@pytest.mark.parametrize("stream", [False, True])
def test_structured_output_is_json_with_the_originals(client, stream):
    schema = {"name": "answer", "schema": TEXT}
    wanted = asked(response_format={"type": "json_schema", "json_schema": schema})
    if stream:
        pieces = client.chat.completions.create(**wanted, stream=True)
        content = "".join(p.choices[0].delta.content or "" for p in pieces if p.choices)
    else:
        content = client.chat.completions.create(**wanted).choices[0].message.content
    assert json.loads(content)["text"] == BACK


def test_completions_give_the_originals_back_for_each_prompt(client, scene):
    prompts = [f"To {EMAIL}.", f"From {PHONE}."]
    whole = client.completions.create(model="auto", prompt=prompts, echo=True)
    expected = [f"{prompt}us heard: {prompt}" for prompt in prompts]
    assert [choice.text for choice in whole.choices] == expected
    scene[1].set(mode="ok", piece_chars=5)
    texts = ["", ""]
    for piece in client.completions.create(model="auto", prompt=prompts, stream=True, echo=True):
        for choice in piece.choices:
            texts[choice.index] += choice.text
    assert texts == expected


def test_persons_are_hidden_too_and_each_word_of_a_name_comes_back(client, scene):
    text = "Please write to Margaret Thompson in the morning. Mrs Thompson likes tea."
    answer = client.chat.completions.create(**asked(text))
    assert answer.choices[0].message.content == f"us heard: {text}"
    sent = scene[1].requests()[-1]["body"]
    assert "Margaret" not in sent
    assert "Thompson" not in sent
    assert "likes tea" in sent


def test_embeddings_are_of_what_was_sent(client):
    answer = client.embeddings.create(model="auto", input=[SAID, SAID])
    assert answer.data[0].embedding == answer.data[1].embedding


def test_a_session_keeps_its_pseudonyms_and_no_other_has_them(client, scene):
    def sent(session):
        headers = {"x-situs-session": session}
        client.chat.completions.create(**asked(EMAIL), extra_headers=headers)
        return json.loads(scene[1].requests()[-1]["body"])["messages"][0]["content"]

    one = sent("one")
    assert sent("one") == one
    assert sent("two") != one
    assert one.endswith((".example.org", ".example.com"))


def test_the_receipt_counts_and_nothing_in_the_data_directory_or_the_log_holds_any_of_it(
    client, scene
):
    gateway, fake = scene
    answer = gateway.chat(SAID)
    outcome = gateway.outcome(answer.headers["x-situs-request-id"])
    (attempt,) = outcome["attempts"]
    assert attempt["obligations"] == {"pseudonymise": 2, "redact": 1, "restored": 2}
    sent = json.loads(fake.requests()[-1]["body"])["messages"][0]["content"]
    stands = sent.removeprefix("Write to ").partition(",")[0]
    kept = [file for file in gateway.data.rglob("*") if file.is_file()] + [gateway.log]
    for file in kept:
        content = file.read_bytes()
        for word in (EMAIL, PHONE, CARD, stands):
            assert word.encode() not in content


def test_what_cannot_be_hidden_does_not_leave(client, scene):
    before = len(scene[1].requests())
    with pytest.raises(PermissionDeniedError) as caught:
        client.chat.completions.create(**asked(f"data:text/plain,{EMAIL}"))
    assert caught.value.code == "obligation_unmet"
    assert EMAIL not in str(caught.value)
    assert len(scene[1].requests()) == before


@pytest.mark.parametrize("mode", ["cut_mid_stream", "error_event", "status_400"])
def test_an_answer_that_breaks_says_so(scene, mode):
    gateway, fake = scene
    fake.set(mode=mode, piece_chars=4)
    answer = gateway.chat(SAID, stream=True)
    if mode == "status_400":
        assert answer.status == 400
        return
    last = stage.events(answer)[-1]
    assert last["error"]["code"] == "stream_broken"
