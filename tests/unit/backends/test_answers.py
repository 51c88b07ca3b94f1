"""What a whole answer must hold, whether all of the prompt was read, and who says it answered."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.backends.answers import check_prompt, read_whole
from situs.backends.sse import names_another
from situs.core.record import Usage
from situs.core.request import Wire
from situs.errors import BackendUnavailable

CHAT = {"choices": [{"message": {"content": "x"}}]}
ONE, TWO = {"embedding": [0.1]}, {"embedding": "AAAAAA=="}


def asked(wire=Wire.OPENAI_CHAT, size=10**6, **document):
    return make.request(wire=wire, document={"model": "m", **document}, size=size)


def read(body, request=None, status=200):
    return read_whole(json.dumps(body).encode(), status, request or asked(), "m")


def end_of(call, *arguments, **more):
    with pytest.raises(BackendUnavailable) as caught:
        call(*arguments, **more)
    return caught.value.reason


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": {}},
        {"choices": [{}]},
        {"choices": [None]},
        {"data": [ONE]},
        [],
    ],
)
def test_an_answer_without_a_choice_is_none(body):
    assert end_of(read, body) == "garbage"


def test_who_does_not_know_of_several_choices_gives_one():
    assert read(CHAT, asked(n=2)).last
    assert read({"choices": CHAT["choices"] * 2}, asked(n=2)).last


def test_an_error_under_a_status_that_is_none_is_an_error():
    assert end_of(read, {"error": {"message": "x"}}) == "server_error"
    assert end_of(read, {**CHAT, "error": "x"}) == "server_error"
    assert read({"error": {"message": "x"}}, status=422).last


@pytest.mark.parametrize(
    ("given_", "vectors", "whole"),
    [
        ("text", [ONE], True),
        ("text", [TWO], True),
        (["a", "b"], [ONE, TWO], True),
        ([1, 2, 3], [ONE], True),
        ([[1, 2], [3]], [ONE, TWO], True),
        (["a", "b"], [ONE], False),
        (["a"], [ONE, TWO], False),
        ("text", [], False),
        ("text", [{"embedding": []}], False),
        ("text", [{"embedding": None}], False),
        ("text", [{"embedding": "garb"}], False),
        ("text", [{"embedding": "é"}], False),
        ("text", [{"embedding": {"a": 1}}], False),
        ("text", [{"embedding": ["a", "b"]}], False),
        (["a", "b"], [ONE, {"embedding": [1, 2]}], False),
        (["a", "b"], [{**ONE, "index": 1}, {**TWO, "index": 0}], True),
        (["a", "b"], [{**ONE, "index": 0}, {**TWO, "index": 0}], False),
        (["a", "b"], [{**ONE, "index": 5}, {**TWO, "index": 9}], False),
        ("text", [{"index": 0}], False),
    ],
)
def test_every_input_has_a_vector(given_, vectors, whole):
    request = asked(Wire.OPENAI_EMBEDDINGS, input=given_)
    if whole:
        assert read({"data": vectors}, request).last
    else:
        assert end_of(read, {"data": vectors}, request) == "garbage"


WORDS = "one two three four five six seven eight nine ten " * 50  # five hundred
USER, SYSTEM = ({"role": role, "content": WORDS} for role in ("user", "system"))
PARTS = {"role": "user", "content": [{"type": "text", "text": WORDS}, {"type": "image_url"}]}
ASSISTANT = {"role": "assistant", "content": WORDS}


@pytest.mark.parametrize(
    ("wire", "document", "words"),
    [
        (Wire.OPENAI_CHAT, {"messages": [USER]}, 500),
        (Wire.OPENAI_CHAT, {"messages": [SYSTEM, USER]}, 1000),
        (Wire.OPENAI_CHAT, {"messages": [PARTS]}, 500),
        (Wire.OPENAI_CHAT, {"messages": [USER, ASSISTANT]}, 500),
        (Wire.OPENAI_COMPLETIONS, {"prompt": WORDS}, 500),
        (Wire.OPENAI_COMPLETIONS, {"prompt": [WORDS, "one"]}, 500),  # one may be counted alone
        (Wire.OPENAI_EMBEDDINGS, {"input": [WORDS, WORDS]}, 1000),
    ],
)
def test_far_fewer_tokens_than_words_are_a_part_of_the_prompt(wire, document, words):
    request = asked(wire, **document)
    assert end_of(check_prompt, request, Usage(int(words * 0.6), 1)) == "truncated"
    check_prompt(request, Usage(int(words * 0.7), 1))


@pytest.mark.parametrize(
    ("document", "tokens"),
    [
        ({"messages": [USER]}, 0),  # not said
        ({"messages": [{"role": "user", "content": "so it is " * 33}]}, 5),  # not worth a doubt
        ({"messages": [{"role": "user", "content": "=" * 5000}]}, 40),  # long runs are few tokens
        ({"messages": [{"role": "user", "content": " " * 5000}]}, 40),
        ({"messages": [{"role": "user", "content": None}, {"role": "user"}]}, 5),
        ({"messages": [{"role": "user", "content": "\u200b \u00ad \u0301 \x01 " * 500}]}, 40),
        ({"messages": [{"role": "critic", "content": WORDS}]}, 40),
        ({"messages": [ASSISTANT, {"role": "tool", "content": WORDS}]}, 5),  # may be left out
    ],
)
def test_what_may_be_all_of_the_prompt_is_no_part(document, tokens):
    check_prompt(asked(**document), Usage(tokens, 1))


@given(st.text(), st.integers(0, 50))
def test_a_token_for_every_word_is_always_all_of_it(text, more):
    request = asked(messages=[{"role": "user", "content": text}])
    check_prompt(request, Usage(len(text.split()) + more, 1))


@pytest.mark.parametrize(
    ("said", "asked_for", "another"),
    [
        ("m", "m", False),
        ("m-2026-01-01", "m", False),
        ("n", "m", True),
        ("mm", "m", True),
        ("m", "m-2026-01-01", True),
        (None, "m", False),
        ("", "m", False),
        ("n", None, False),
    ],
)
def test_a_version_is_no_other_model(said, asked_for, another):
    assert names_another(said, asked_for) is another
