"""Answers of Situs itself, in the shape that clients of the OpenAI API read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tests import make

from situs.backends.sse import EventReader
from situs.backends.template import chunks
from situs.core.request import Wire

NONE_USED = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def asked(wire=Wire.OPENAI_CHAT, *, stream=False, **document):
    return make.request(wire=wire, stream=stream, document={"model": "auto", **document})


def events(request, text):
    data = [chunk.data for chunk in chunks(request, text, 12.5)]
    assert data[-1] == b"data: [DONE]\n\n"
    return [json.loads(event.removeprefix(b"data: ")) for event in data[:-1]]


@given(st.text())
def test_a_whole_chat_completion_is_one_chunk(text):
    [chunk] = chunks(asked(), text, 12.5)
    answer = ChatCompletion.model_validate_json(chunk.data, strict=True)
    [choice] = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", text)
    assert (choice.finish_reason, answer.created, answer.object) == ("stop", 12, "chat.completion")
    assert json.loads(chunk.data)["usage"] == NONE_USED


def test_a_streamed_one_says_who_what_and_that_it_is_over():
    *pieces, usage = events(asked(stream=True), "Hello.")
    for piece in pieces:
        ChatCompletionChunk.model_validate(piece, strict=True)
        assert piece["object"] == "chat.completion.chunk"
    told = [(p["choices"][0]["delta"], p["choices"][0]["finish_reason"]) for p in pieces]
    assert told == [
        ({"role": "assistant", "content": ""}, None),
        ({"content": "Hello."}, None),
        ({}, "stop"),
    ]
    assert (usage["choices"], usage["usage"]) == ([], NONE_USED)
    assert len({piece["id"] for piece in [*pieces, usage]}) == 1


def test_a_whole_completion_and_a_streamed_one():
    [chunk] = chunks(asked(Wire.OPENAI_COMPLETIONS, prompt="hi"), "Hello.", 12.5)
    answer = Completion.model_validate_json(chunk.data, strict=True)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("Hello.", "stop")
    *pieces, _ = events(asked(Wire.OPENAI_COMPLETIONS, stream=True, prompt="hi"), "Hello.")
    assert [piece["choices"][0]["text"] for piece in pieces] == ["Hello.", ""]
    assert [piece["choices"][0]["finish_reason"] for piece in pieces] == [None, "stop"]
    assert {piece["object"] for piece in pieces} == {"text_completion"}


@pytest.mark.parametrize("stream", [False, True])
def test_every_choice_that_is_asked_for_is_there(stream):
    said = chunks(asked(stream=stream, n=3), "Hello.", 0)
    found = [json.loads(c.data.removeprefix(b"data: ")) for c in said if b"[DONE]" not in c.data]
    indexes = {choice["index"] for one in found for choice in one["choices"]}
    assert indexes == {0, 1, 2}


@given(st.text())
def test_a_stream_is_one_that_our_own_reader_finds_complete(text):
    reader = EventReader()
    for chunk in chunks(asked(stream=True), text, 0):
        list(reader.feed(chunk.data))
    reader.close()
    assert reader.done
