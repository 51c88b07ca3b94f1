"""An answer is no longer than policy says, whatever the request calls its length."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import make

from situs.analysis.transforms.parts import limited
from situs.core.request import Wire

BARE: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "Tell me."}]}
LENGTHS = ["max_new_tokens", "n_predict", "num_predict", "max_output_tokens", "maxOutputTokens"]
TOO_MUCH: list[Any] = [900, -1, "900", 20.5, None, True, [900]]


def sent(document, **fields):
    return limited(make.request(document={**BARE, **document}, **fields), 50)


@pytest.mark.parametrize("value", TOO_MUCH, ids=str)
@pytest.mark.parametrize("name", LENGTHS)
def test_no_name_for_the_length_of_an_answer_gets_by(name, value):
    document = sent({name: value, "options": {name: value, "top_k": 7}}).document
    assert (document["max_tokens"], document[name]) == (50, 50)
    assert document["options"] == {name: 50, "top_k": 7}


def test_of_two_lengths_each_fits():
    asked = sent({"max_tokens": 900, "max_completion_tokens": 5}, max_completion_tokens=5)
    assert asked.document == {**BARE, "max_tokens": 5, "max_completion_tokens": 5}
    assert asked.max_completion_tokens == 5


@pytest.mark.parametrize(
    "more",
    [
        {"min_tokens": 900},
        {"min_tokens": "60"},
        {"reasoning_budget": -1},
        {"thinking_budget": 50},
        {"thinking": {"type": "enabled", "budget_tokens": 900}},
        {"reasoning": {"max_tokens": 900, "exclude": True}},
        {"n": 8},
        {"N": 8},
        {"best_of": 8},
        {"use_beam_search": True},
        {"num_beams": 4},
    ],
    ids=str,
)
def test_what_does_not_fit_below_the_limit_is_left_out(more):
    asked = sent(more, choices=more.get("n", 1))
    assert asked.document == {**BARE, "max_tokens": 50}
    assert (asked.choices, asked.max_completion_tokens) == (1, 50)


@pytest.mark.parametrize(
    "more",
    [
        {"min_tokens": 20, "n_predict": 40, "max_new_tokens": 50},
        {"n": 1, "best_of": 1},
        {"thinking": {"type": "enabled", "budget_tokens": 30}, "reasoning": {"effort": "low"}},
        {"thinking": "max_tokens", "options": [900]},
        {"response_format": {"type": "json_schema", "json_schema": {"n": {"max_tokens": 900}}}},
        {"temperature": 900, "top_k": 900, "seed": 900},
    ],
    ids=str,
)
def test_what_fits_or_is_no_length_stays(more):
    assert sent(more).document == {**BARE, **more, "max_tokens": 50}


def test_every_prompt_of_a_batch_has_one_answer_of_the_limit():
    document = {"model": "auto", "prompt": ["a", "b", "c"], "n": 2, "best_of": 4, "max_tokens": 900}
    batch = make.request(
        wire=Wire.OPENAI_COMPLETIONS, document=document, choices=12, max_completion_tokens=900
    )
    asked = limited(batch, 50)
    assert asked.document == {"model": "auto", "prompt": ["a", "b", "c"], "max_tokens": 50}
    assert (asked.choices, asked.max_completion_tokens) == (3, 50)


def test_vectors_have_no_length():
    vectors = make.request(wire=Wire.OPENAI_EMBEDDINGS, document={"model": "auto", "input": "a"})
    assert limited(vectors, 50) is vectors


_NAMES = st.sampled_from([*LENGTHS, "max_tokens", "Max_Tokens", "n", "best_of", "options", "x"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.dictionaries(_NAMES, inner, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_NAMES, _VALUES, max_size=6), st.integers(1, 900))
def test_whatever_is_asked_the_same_limit_twice_changes_nothing_more(document, most):
    once = limited(make.request(document=document), most)
    assert limited(once, most).document == once.document
    said = [once.document[name] for name in (*LENGTHS, "max_tokens") if name in once.document]
    assert said
    assert all(type(one) is int and 0 <= one <= most for one in said)
