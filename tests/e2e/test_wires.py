"""The real OpenAI client on all three wires: what it asks and what it gets pass whole."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, UnprocessableEntityError
from pydantic import BaseModel
from tests.e2e import stage

CARD = "4111 1111 1111 1111"
EMBED = {"capability": "tiny", "context_tokens": 512, "serves": ["embeddings"]}


def with_embeddings(fakes):
    """office and us also embed; office reads token ids."""
    config = stage.fleet(fakes)
    for name in fakes:
        chat = config["deployments"][f"{name}-llm"]
        config["models"][f"{name}-embed"] = EMBED
        config["deployments"][f"{name}-vec"] = {**chat, "model": f"{name}-embed"}
    ids = {"modalities": ["text", "tokens"]}
    return stage.merge(config, {"models": {"office-embed": ids, "office-model": ids}})


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("wires")
    with (
        stage.fakes(directory, "office", "us") as fakes,
        stage.running(directory, with_embeddings(fakes)) as gateway,
    ):
        yield gateway, fakes


@pytest.fixture
def gateway(scene):
    return scene[0]


def sent(scene, name="office"):
    """What the fake was last asked."""
    return json.loads(scene[1][name].requests()[-1]["body"])


def post(gateway, path, **fields):
    headers = fields.pop("headers", {})
    return gateway.call("POST", path, json.dumps({"model": "auto", **fields}).encode(), **headers)


# Completions


def test_a_completion(client, gateway):
    raw = client.completions.with_raw_response.create(model="auto", prompt="Once", max_tokens=2)
    answer = raw.parse()
    assert (answer.object, answer.choices[0].text) == ("text_completion", "office heard:")
    assert answer.choices[0].finish_reason == "length"
    assert raw.headers["x-situs-deployment"] == "office-llm"
    outcome = gateway.outcome(raw.headers["x-situs-request-id"])
    assert outcome["usage"]["completion_tokens"] == answer.usage.completion_tokens == 2


def test_what_a_completion_is_asked_passes(client, scene):
    asked = {"prompt": ["a", "b"], "suffix": "z", "echo": True, "n": 2, "best_of": 4, "seed": 7}
    answer = client.completions.create(model="auto", logprobs=2, stop=["!"], **asked)
    assert {name: sent(scene)[name] for name in asked} == asked
    texts = [(choice.index, choice.text) for choice in answer.choices]
    heard = ["aoffice heard: az"] * 2 + ["boffice heard: bz"] * 2
    assert texts == list(enumerate(heard))
    words = answer.choices[0].logprobs
    assert words.tokens == ["aoffice", " heard:", " az"]
    assert words.token_logprobs == [-0.25] * 3
    assert words.text_offset == [0, 7, 14]
    assert answer.system_fingerprint == "fp_7"


@pytest.mark.parametrize("usage", [None, {"include_usage": False}, {"include_usage": True}])
def test_a_completion_streams_with_usage_for_who_asks(client, usage):
    asked = {} if usage is None else {"stream_options": usage}
    pieces = list(
        client.completions.create(model="auto", prompt=["a b", "c"], stream=True, **asked)
    )
    texts = ["", ""]
    for piece in pieces:
        for choice in piece.choices:
            texts[choice.index] += choice.text
    assert texts == ["office heard: a b", "office heard: c"]
    wanted = usage == {"include_usage": True}
    assert [piece.usage is not None for piece in pieces] == [False] * (len(pieces) - 1) + [wanted]
    if wanted:
        assert pieces[-1].situs["deployment"] == "office-llm"


def test_token_ids_go_where_they_can_be_read_and_raise_the_label(client, scene):
    gateway, fakes = scene
    before = fakes["us"].traffic()
    for prompt in ([1, 2, 3], [[1, 2], [3]]):
        answer = post(gateway, "/v1/completions", prompt=prompt)
        assert (answer.status, answer.headers["x-situs-label"]) == (200, "internal")
        assert sent(scene)["prompt"] == prompt
    with pytest.raises(UnprocessableEntityError, match="no_tokens"):
        client.completions.create(model="us-llm", prompt=[1, 2, 3])
    assert fakes["us"].traffic() == before


def test_a_completion_that_asks_for_a_schema_needs_a_model_that_can(gateway):
    wanted = {"response_format": {"type": "json_object"}}
    explained = post(gateway, "/situs/v1/explain/completions", prompt="x", **wanted).json
    said = {one["deployment"]: one["filters"] for one in explained["deployments"]}
    assert said["office-llm"]["tools"] == "ok"
    assert said["office-vec"]["tools"] == "no_structured_output"


# Embeddings


def test_embeddings_in_both_encodings_are_the_same(client, scene):
    """Without `encoding_format` the client asks for base64 and decodes it."""
    texts = ["good morning", "guten Tag"]
    by_default = client.embeddings.create(model="auto", input=texts)
    assert sent(scene)["encoding_format"] == "base64"
    floats = client.embeddings.create(model="auto", input=texts, encoding_format="float")
    packed = post(scene[0], "/v1/embeddings", input=texts, encoding_format="base64").json
    for one, two, three in zip(by_default.data, floats.data, packed["data"], strict=True):
        assert one.embedding == two.embedding
        raw = base64.b64decode(three["embedding"])
        assert list(struct.unpack("<8f", raw)) == two.embedding
    assert [one.index for one in floats.data] == [0, 1]
    assert floats.usage.prompt_tokens == 4


def test_embeddings_are_recorded_with_what_they_cost(client, gateway):
    raw = client.embeddings.with_raw_response.create(
        model="auto", input="one two three", dimensions=4, user="u-1"
    )
    assert len(raw.parse().data[0].embedding) == 4
    headers = raw.headers
    assert headers["x-situs-deployment"] == "office-vec"
    assert headers["x-situs-cost"] == "0.00000030 USD"
    assert headers["x-situs-saved"] == "0.00001470 USD"
    usage = gateway.outcome(headers["x-situs-request-id"])["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (3, 0)


def test_embeddings_take_token_ids(client, scene):
    ids = [[1, 2, 3], [4, 5]]
    answer = client.embeddings.create(model="auto", input=ids)
    assert len(answer.data) == 2
    assert sent(scene)["input"] == ids


def test_the_longest_input_must_fit_not_their_sum(gateway):
    """The model's context is 512 tokens."""
    short, long = "many short words " * 20, "many short words " * 200
    assert post(gateway, "/v1/embeddings", input=[short] * 200).status == 200
    answer = post(gateway, "/v1/embeddings", input=[short, long])
    assert (answer.status, answer.code) == (422, "no_deployment_fits")
    assert "context_too_small" in answer.json["error"]["message"]
    assert post(gateway, "/v1/embeddings", input=[[1] * 500] * 3).status == 200
    assert post(gateway, "/v1/embeddings", input=[[1] * 700]).code == "no_deployment_fits"


def test_a_chat_model_does_not_embed_nor_an_embedding_model_chat(gateway):
    answer = post(gateway, "/v1/embeddings", model="office-llm", input="x")
    assert "no_embeddings" in answer.json["error"]["message"]
    assert "no_chat" in gateway.chat(model="office-vec").json["error"]["message"]


@pytest.fixture
def breaking(tmp_path):
    """A scene of its own: what fails is not used for a while."""
    with (
        stage.fakes(tmp_path, "office", "us") as fakes,
        stage.running(tmp_path, with_embeddings(fakes)) as gateway,
    ):
        yield gateway, fakes


CUT = {"mode": "cut_mid_body", "after": 1}


def test_an_upstream_that_fails_is_replaced_on_every_wire(breaking):
    gateway, fakes = breaking
    for path, fields in (
        ("/v1/completions", {"prompt": "x"}),
        ("/v1/completions", {"prompt": "x", "stream": True}),
        ("/v1/embeddings", {"input": "x"}),
    ):
        broken = {"mode": "garbage_sse", "after": 0}
        for mode in ({"mode": "status_500"}, broken if "stream" in fields else CUT):
            fakes["office"].set(**mode, once=True)
            answer = post(gateway, path, **fields)
            assert (answer.status, answer.headers["x-situs-locus"]) == (200, "us")
            assert answer.headers["x-situs-reason"] == "failover"
            assert post(gateway, path, **fields).headers["x-situs-locus"] == "office"


def test_a_completion_cut_in_the_middle_ends_in_an_error_event(breaking):
    gateway, fakes = breaking
    fakes["office"].set(mode="cut_mid_stream", once=True)
    answer = post(gateway, "/v1/completions", model="office-llm", prompt="a b c d", stream=True)
    assert answer.status == 200
    last = stage.events(answer)[-1]
    assert last["error"]["code"] == "stream_broken"


def test_explain_takes_every_wire(gateway):
    for path, fields, task in (
        ("/completions", {"prompt": "Translate 'cat' into French."}, "translation"),
        ("/embeddings", {"input": "Prove that 2 is prime."}, "embedding"),
    ):
        explained = post(gateway, f"/situs/v1/explain{path}", **fields).json
        assert explained["decision"]["analysis"]["task"] == task
        assert (
            explained["pick"] == post(gateway, f"/v1{path}", **fields).headers["x-situs-deployment"]
        )
    assert post(gateway, "/situs/v1/explain/nothing").code == "unknown_path"


def test_the_callers_trace_is_recorded_and_an_invalid_one_is_not(gateway):
    good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for sent_as, recorded in ((good, good), (good.upper(), None)):
        answer = gateway.chat(headers={"traceparent": sent_as})
        chain, _, sequence = answer.headers["x-situs-receipt"].partition(":")
        line = next(
            line
            for line in gateway.lines("decision")
            if (line["chain"], line["seq"]) == (chain, int(sequence))
        )
        assert line["request"]["trace"] == recorded


# Tools, structured output, and the rest of chat


def function(name, **properties):
    shape = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": shape}}


TEXT = {"type": "string"}
TOOLS = [function("weather", city=TEXT, days={"type": "integer"}), function("time", zone=TEXT)]
ASK: Any = [{"role": "user", "content": "Grüße aus Zürich, 東京 und Kraków"}]
ARGUMENTS = [{"city": ASK[0]["content"], "days": 1}, {"zone": ASK[0]["content"]}]


def test_parallel_tool_calls_whole(client):
    answer = client.chat.completions.create(model="auto", messages=ASK, tools=TOOLS)
    calls = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["weather", "time"]
    assert [json.loads(call.function.arguments) for call in calls] == ARGUMENTS
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("mode", ["ok", "split_utf8"])
def test_tool_calls_streamed_in_any_pieces(scene, client, mode):
    """`split_utf8` cuts the bytes of the stream every 7, inside events and characters."""
    scene[1]["office"].set(mode=mode, once=True, piece_chars=2)
    with client.chat.completions.stream(model="office-llm", messages=ASK, tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_completion().choices[0].message
    assert kinds.count("tool_calls.function.arguments.done") == 2
    assert [json.loads(c.function.arguments) for c in message.tool_calls] == ARGUMENTS


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"tool_choice": "auto"}, ["weather", "time"]),
        ({"tool_choice": "none"}, []),
        ({"tool_choice": "required", "parallel_tool_calls": False}, ["weather"]),
        ({"tool_choice": {"type": "function", "function": {"name": "time"}}}, ["time"]),
    ],
)
def test_the_choice_of_tools_passes(client, scene, asked, names):
    answer = client.chat.completions.create(model="office-llm", messages=ASK, tools=TOOLS, **asked)
    called = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in called] == names
    assert sent(scene)["tools"] == TOOLS
    assert sent(scene)["tool_choice"] == asked["tool_choice"]


def test_results_of_tools_go_back(client, scene):
    first = client.chat.completions.create(model="office-llm", messages=ASK, tools=TOOLS)
    message = first.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": content}
        for call, content in zip(
            message.tool_calls,
            ["18 degrees", [{"type": "text", "text": "noon"}, {"type": "text", "text": "sharp"}]],
            strict=True,
        )
    ]
    messages = [*ASK, message.model_dump(exclude_none=True), *results]
    answer = client.chat.completions.create(model="office-llm", messages=messages, tools=TOOLS)
    assert answer.choices[0].message.content == "office heard: noon sharp"
    assert sent(scene)["messages"] == messages


class Place(BaseModel):
    name: str


class Trip(BaseModel):
    places: list[Place]
    days: int


def test_structured_output_is_parsed_by_the_client(client):
    answer = client.chat.completions.parse(model="auto", messages=ASK, response_format=Trip)
    assert answer.choices[0].message.parsed == Trip(places=[Place(name=ASK[0]["content"])], days=1)
    with client.chat.completions.stream(model="auto", messages=ASK, response_format=Trip) as stream:
        assert stream.get_final_completion().choices[0].message.parsed.days == 1


def test_several_choices_with_their_probabilities(client, scene):
    asked = {"n": 2, "logprobs": True, "top_logprobs": 2, "stop": ["und"], "seed": 3}
    answer = client.chat.completions.create(model="auto", messages=ASK, **asked)
    text = "office heard: Grüße aus Zürich, 東京 "
    assert [choice.message.content for choice in answer.choices] == [text] * 2
    words = answer.choices[1].logprobs.content
    assert "".join(word.token for word in words) == text
    assert bytes(words[2].bytes).decode() == " Grüße"
    assert [len(word.top_logprobs) for word in words] == [2] * len(words)
    assert {name: sent(scene)[name] for name in asked} == asked
    streamed = ["", ""]
    probabilities = 0
    for piece in client.chat.completions.create(model="auto", messages=ASK, stream=True, **asked):
        for choice in piece.choices:
            streamed[choice.index] += choice.delta.content or ""
            probabilities += len(choice.logprobs.content) if choice.logprobs else 0
    assert streamed == [text] * 2
    assert probabilities == 2 * len(words)


def test_the_client_asks_raw_and_streams_raw(client):
    with client.chat.completions.with_streaming_response.create(
        model="auto", messages=ASK, stream=True
    ) as raw:
        lines = [line for line in raw.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert raw.headers["x-situs-locus"] == "office"


def test_the_asynchronous_client_on_every_wire(gateway):
    async def story():
        async with AsyncOpenAI(base_url=gateway.base_url, api_key="-", max_retries=0) as client:
            chat, text, vectors = await asyncio.gather(
                client.chat.completions.create(model="auto", messages=ASK),
                client.completions.create(model="auto", prompt="x"),
                client.embeddings.create(model="auto", input="x"),
            )
            stream: Any = await client.chat.completions.create(
                model="auto", messages=ASK, stream=True
            )
            pieces = [piece async for piece in stream]
        return chat, text, vectors, pieces

    chat, text, vectors, pieces = asyncio.run(story())
    assert chat.choices[0].message.content
    assert text.choices[0].text
    assert vectors.data[0].embedding
    assert pieces[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("wire", ["chat", "completions"])
def test_a_client_that_leaves_a_stream_stops_the_upstream(scene, wire):
    gateway, fakes = scene
    fakes["office"].set(mode="endless_stream", once=True)

    async def story():
        async with AsyncOpenAI(base_url=gateway.base_url, api_key="-", max_retries=0) as client:
            making: Any
            if wire == "chat":
                making = client.chat.completions.with_raw_response.create(
                    model="office-llm", messages=ASK, stream=True
                )
            else:
                making = client.completions.with_raw_response.create(
                    model="office-llm", prompt="x", stream=True
                )
            raw = await making
            stream = raw.parse()
            async for _ in stream:
                break
            await stream.close()
            return raw.headers["x-situs-request-id"]

    outcome = gateway.outcome(asyncio.run(story()))
    assert outcome["attempts"][0]["end"] == "client_gone"


@pytest.mark.parametrize("wire", ["completions", "embeddings"])
def test_a_client_that_gives_up_waiting_stops_the_upstream(breaking, wire):
    gateway, fakes = breaking
    fakes["office"].set(mode="hang_before_head", once=True)

    async def story():
        async with AsyncOpenAI(base_url=gateway.base_url, api_key="-", max_retries=0) as client:
            asking: Any
            if wire == "completions":
                asking = client.completions.create(model="office-llm", prompt="x")
            else:
                asking = client.embeddings.create(model="office-vec", input="x")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asking, 0.4)

    asyncio.run(story())
    [line] = gateway.lines("decision")
    outcome = gateway.outcome(line["id"])
    assert (outcome["status"], outcome["attempts"][0]["end"]) == (499, "client_gone")


def test_fields_of_tomorrow_pass_on_every_wire(gateway, scene):
    field = {"x_tomorrow": {"a": [1, 2.5, None, True]}}
    for path, fields in (
        (stage.CHAT, {"messages": ASK}),
        ("/v1/completions", {"prompt": "x"}),
        ("/v1/embeddings", {"input": "x"}),
    ):
        assert post(gateway, path, **fields, **field).status == 200
        assert sent(scene)["x_tomorrow"] == field["x_tomorrow"]


def test_an_error_of_the_upstream_comes_as_it_is(scene, client):
    scene[1]["office"].set(mode="status_400", once=True)
    with pytest.raises(BadRequestError, match="fake error 400"):
        client.embeddings.create(model="office-vec", input="x")
