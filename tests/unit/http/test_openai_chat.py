"""The chat completions wire: what a request says, and what is wrong with one."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.core.label import Label
from situs.core.ports import Chunk
from situs.core.request import Ask, Modality, Principal, Text
from situs.errors import InvalidRequest
from situs.http.openai import error_event, event, wants_usage
from situs.http.openai_chat import parse

TEXT, IMAGE, AUDIO, FILE = Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.FILE
HELLO = [{"role": "user", "content": "hello"}]


def parsed(**fields):
    body = json.dumps({"model": "auto", "messages": HELLO, **fields}).encode()
    return parse(body, "r1", Ask(label=Label.INTERNAL), Principal("t"))


def content(*parts):
    return {"messages": [{"role": "user", "content": list(parts)}]}


def test_a_plain_request():
    request = parsed()
    assert (request.id, request.model, request.stream) == ("r1", "auto", False)
    assert request.texts == (Text("messages[0].content", "hello"),)
    assert (request.ask.label, request.principal.tenant) == (Label.INTERNAL, "t")
    assert request.size == len(request.body)
    assert (request.tools, request.structured_output) == (False, False)
    assert request.max_completion_tokens is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stream": True}, {"stream": True}),
        ({"stream": None}, {"stream": False}),
        ({"max_tokens": 5}, {"max_completion_tokens": 5}),
        ({"max_completion_tokens": 7, "max_tokens": 5}, {"max_completion_tokens": 7}),
        ({"tools": [{"type": "function"}]}, {"tools": True}),
        ({"tools": []}, {"tools": False}),
        ({"functions": [{"name": "f"}]}, {"tools": True}),
        ({"response_format": {"type": "json_object"}}, {"structured_output": True}),
        ({"response_format": {"type": "text"}}, {"structured_output": False}),
        ({"response_format": {}}, {"structured_output": False}),
    ],
)
def test_fields_say_what_is_needed(fields, expected):
    request = parsed(**fields)
    assert {name: getattr(request, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("fields", "modalities"),
    [
        (content({"type": "text", "text": "x"}), {TEXT}),
        (content({"type": "refusal", "refusal": "x"}), {TEXT}),
        (content({"type": "image_url", "image_url": {"url": "https://x.example/a"}}), {IMAGE}),
        (content({"type": "input_audio", "input_audio": {"data": "AA=="}}), {AUDIO}),
        (content({"type": "file", "file": {}}), {FILE}),
        (content({"type": "from_the_future"}), {FILE}),
        (content({"type": ""}), {FILE}),
        (content({"type": "Text", "text": "x"}), {FILE}),
        (content({"type": "text", "text": "x", "more": "DATA:image/png;base64,AA=="}), {IMAGE}),
        ({"metadata": {"x": "data:audio/wav;base64,AA=="}}, {AUDIO}),
        ({"user": "data:application/pdf;base64,AA=="}, {FILE}),
        ({"user": "data:,x"}, {FILE}),
        ({"messages": [{"role": "assistant", "audio": {"id": "a1"}}]}, {AUDIO}),
    ],
)
def test_what_cannot_be_read_is_named(fields, modalities):
    assert parsed(**fields).modalities == {TEXT, *modalities}


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_part_of_any_unknown_type_counts_as_a_file(kind):
    known = {"text": TEXT, "refusal": TEXT, "image_url": IMAGE, "input_audio": AUDIO}
    assert parsed(**content({"type": kind})).modalities == {TEXT, known.get(kind, FILE)}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": "m" * 257}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "canary77"}, "messages"),
        ({"messages": [{"role": "", "content": "canary77"}]}, "messages[0].role"),
        ({"messages": [{"content": "canary77"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 77}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["canary77"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "tool_calls": "canary77"}]}, "messages[0].tool_calls"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 4111111111111111}, "max_tokens"),
        ({"max_completion_tokens": "canary77"}, "max_completion_tokens"),
        ({"stream": "canary77"}, "stream"),
        ({"stream_options": ["canary77"]}, "stream_options"),
        ({"tools": "canary77"}, "tools"),
        ({"response_format": "canary77"}, "response_format"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(fields, param):
    with pytest.raises(InvalidRequest) as caught:
        parsed(**fields)
    assert caught.value.param == param
    assert "canary77" not in caught.value.message


def test_model_and_messages_must_be_there():
    for body in (b"{}", b'{"model": "auto"}', b'{"messages": []}'):
        with pytest.raises(InvalidRequest):
            parse(body, "r", Ask(), Principal())


USAGE = {"choices": [], "usage": {"total_tokens": 3}}


def test_the_finals_are_for_a_caller_who_asked_for_usage():
    asked = parsed(stream=True, stream_options={"include_usage": True})
    silent = parsed(stream=True)
    assert (wants_usage(asked), wants_usage(silent)) == (True, False)
    last = Chunk(b"data: x\n\n", final=USAGE)
    told = event(last, asked, {"locus": "office"})
    assert json.loads(told.removeprefix(b"data: ")) == {**USAGE, "situs": {"locus": "office"}}
    assert event(last, silent, {}) == b""


def test_other_chunks_pass_as_they_are():
    silent = parsed(stream=True)
    plain = Chunk(b"data: y\n\n")
    with_choice = Chunk(b"data: z\n\n", final={**USAGE, "choices": [{"delta": {}}]})
    assert event(plain, silent, {"x": 1}) == plain.data
    assert event(with_choice, silent, {"x": 1}) == with_choice.data


def test_an_error_ends_a_stream_as_an_event():
    written = error_event({"error": {"code": "cut"}})
    assert written.endswith(b"\n\n")
    assert json.loads(written.removeprefix(b"data: ")) == {"error": {"code": "cut"}}
