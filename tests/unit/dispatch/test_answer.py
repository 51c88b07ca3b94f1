"""Answers are read, and what was not asked for is taken out of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make
from tests.fakes import openai_says as says

from situs.core.request import Wire
from situs.dispatch.answer import Choice, Unasked, encoded, parsed, probing, said_in, tokens_of
from situs.placement.signals import TOP

SPEAKER = says.Speaker("fake", "m", "one two three")
CALLING = {"tools": [{"function": {"name": "f", "parameters": {"type": "object"}}}]}
PATHS = {Wire.OPENAI_CHAT: says.CHAT, Wire.OPENAI_COMPLETIONS: says.COMPLETIONS}


def asked(wire=Wire.OPENAI_CHAT, **members):
    prompt: dict[str, Any] = {"prompt": "hi"}
    if wire is Wire.OPENAI_CHAT:
        prompt = {"messages": [{"role": "user", "content": "hi"}]}
    tools, stream = "tools" in members, members.get("stream", False)
    return make.request(wire=wire, document={**prompt, **members}, tools=tools, stream=stream)


@pytest.mark.parametrize("wire", list(PATHS))
@pytest.mark.parametrize("members", [{}, {"n": 2}, {"logprobs": False}, CALLING])
def test_answers_are_as_if_log_probabilities_had_never_been_asked_for(wire, members):
    if wire is Wire.OPENAI_COMPLETIONS:
        members = {k: v for k, v in members.items() if k == "n"}
    request = asked(wire, **members)
    sent = probing(request)
    for answer in (says.whole, says.events):
        plain = answer(PATHS[wire], request.document, SPEAKER)
        probed = answer(PATHS[wire], sent.document, SPEAKER)
        assert plain != probed or members is CALLING
        for one in probed if isinstance(probed, list) else [probed]:
            Unasked(request, sent).drop(one)
        assert encoded({"all": probed}) == encoded({"all": plain})


@pytest.mark.parametrize("top", [None, 0, 2, TOP])
def test_who_asked_for_some_gets_these_and_no_more(top):
    members = {"logprobs": True} | ({} if top is None else {"top_logprobs": top})
    request = asked(**members)
    sent = probing(request)
    assert sent.document["top_logprobs"] == TOP
    probed = says.whole(says.CHAT, sent.document, SPEAKER)
    Unasked(request, sent).drop(probed)
    assert probed == says.whole(says.CHAT, request.document, SPEAKER)


def test_who_asked_for_more_gets_them():
    request = asked(logprobs=True, top_logprobs=9)
    assert probing(request).document["top_logprobs"] == 9
    assert probing(asked(Wire.OPENAI_COMPLETIONS, logprobs=7)).document["logprobs"] == 7


def test_what_llama_cpp_adds_it_leaves_out_where_nobody_asks():
    request = asked()
    document = {"choices": [{"delta": {}, "logprobs": {"content": [{"id": 1, "logprob": -1}]}}]}
    assert Unasked(request, probing(request)).drop(document)
    assert document == {"choices": [{"delta": {}}]}


def test_a_stream_that_may_call_tools_is_asked_for_none():
    request = asked(stream=True, **CALLING)
    assert probing(request) is request


def test_where_none_was_asked_nothing_is_touched():
    request = asked()
    document = says.whole(says.CHAT, {**request.document, "logprobs": True}, SPEAKER)
    before = copy.deepcopy(document)
    assert not Unasked(request, request).drop(document)
    assert document == before


@pytest.mark.parametrize("path", list(PATHS.values()))
@pytest.mark.parametrize("members", [{}, CALLING])
def test_an_answer_in_pieces_says_what_it_says_whole(path, members):
    if path == says.COMPLETIONS:
        members = {}
    document = {"messages": [{"role": "user", "content": "hi"}], "prompt": "hi", **members}
    document |= {"logprobs": 5, "top_logprobs": 5}
    [whole] = said_in(says.whole(path, document, SPEAKER))
    choice = Choice()
    for event in says.events(path, document, SPEAKER):
        choice.add(event["choices"][0])
    found = choice.said()
    assert (found.text, found.calls, found.finish) == (whole.text, whole.calls, whole.finish)
    if members:
        assert found.calls == (("f", "{}"),)
    else:
        assert found.tokens == whole.tokens
        assert len(found.tokens) == 3


_JSON = st.recursive(
    st.none() | st.floats(allow_nan=False) | st.text(max_size=3) | st.integers(-5, 5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["content", "tokens", "token_logprobs", "top_logprobs", "token", "logprob", "choices",
             "message", "delta", "tool_calls", "function", "index", "text", "finish_reason"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(_JSON)
def test_no_answer_however_odd_breaks_the_reader(value):
    list(tokens_of(value))
    said_in({"choices": [{"message": value, "logprobs": value}, value]})
    Unasked(asked(), probing(asked())).drop({"choices": [{"logprobs": value}, value]})


def test_half_a_pair_of_surrogates_is_read_and_written_again():
    data = b'{"choices":[{"text":"\\ud83d"}]}'
    read = parsed(data)
    assert read is not None
    assert parsed(encoded(read)) == read
    assert parsed(b"[1]") is None
    assert parsed(b"{") is None
