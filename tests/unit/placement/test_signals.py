"""What is seen in an answer."""

from __future__ import annotations

import json
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.placement.signals import (
    NAMES,
    Said,
    Token,
    Wanted,
    agreeing,
    beginning,
    entropy,
    fits,
    repeated,
    signals,
    wanted_in,
    well_formed,
)

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {"weather": CITY}


def said(text, *logprobs, finish="stop", **more):
    words = text.split()
    tokens = tuple(Token(f"{w} ", p) for w, p in zip(words, logprobs, strict=False))
    return Said(text, tokens, finish=finish, **more)


def signal(name, one, wanted=None):
    found = signals(one, wanted or Wanted())
    assert found is not None
    return found[NAMES.index(name)]


def test_log_probabilities_count_from_the_whole_to_the_last_line():
    one = Said("a\nb c", (Token("a", -1.0), Token("\n", -4.0), Token("b", -0.5), Token(" c", -0.7)))
    assert signal("mean", one) == pytest.approx(-1.55)
    assert signal("least", one) == -4.0
    assert signal("end", one) == -0.7


def test_an_impossible_token_counts_no_more_than_a_very_unlikely_one():
    assert signal("least", said("a", float("-inf"))) == signal("least", said("a", -12.0))


@given(st.lists(st.floats(-20, 0), max_size=8))
def test_entropy_is_never_negative_and_none_of_nothing(others):
    assert entropy(others) >= 0.0 or entropy(others) == pytest.approx(0.0, abs=1e-6)


def test_entropy_counts_what_is_not_told_as_one_more():
    assert entropy([log(0.5)]) == pytest.approx(log(2))
    assert entropy([0.0]) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but that is not something I do.",
        "I cannot help with that.",
        "Es tut mir leid, dazu sage ich nichts.",
        "Je ne peux pas répondre.",
        "Lo siento, no lo tengo.",
        "Non posso aiutarti.",
        "Não posso ajudar.",
        "Het spijt me.",
    ],
)
def test_refusals_are_seen_in_several_languages(text):
    assert signal("refusal", said(text)) == 1.0


def test_an_answer_is_no_refusal():
    assert signal("refusal", said("Canberra is the capital; I know it well.")) == 0.0


def test_repetition_is_the_share_of_runs_that_were_there_before():
    assert repeated("a b c d e f") == 0.0
    assert repeated("a b c d " * 10) > 0.8


def test_an_answer_that_was_cut_is_known_as_such():
    assert signal("cut", said("so", finish="length")) == 1.0


@pytest.mark.parametrize(
    ("text", "wanted", "good"),
    [
        ('{"city": "Bern"}', Wanted(json=True, schema=CITY), True),
        ('{"city": 3}', Wanted(json=True, schema=CITY), False),
        ("{}", Wanted(json=True, schema=CITY), False),
        ('{"city": "Be', Wanted(json=True), False),
        ("Bern", Wanted(json=True), False),
        ("Bern", Wanted(), True),
        ("  ", Wanted(), False),
    ],
)
def test_the_form_that_was_asked_for(text, wanted, good):
    assert well_formed(said(text), wanted) is good
    assert (signals(said(text), wanted) is not None) is good


@pytest.mark.parametrize(
    ("name", "arguments", "good"),
    [
        ("weather", '{"city": "Bern"}', True),
        ("weather", "{}", False),
        ("weather", '{"city"', False),
        ("whether", '{"city": "Bern"}', False),
        ("weather", "3", False),
    ],
)
def test_calls_of_tools_must_name_one_and_fit_it(name, arguments, good):
    called = Said("", calls=((name, arguments),), finish="tool_calls")
    assert well_formed(called, Wanted(tools=TOOLS)) is good


def test_of_what_is_not_over_no_form_is_asked():
    assert well_formed(Said('{"ci'), Wanted(json=True))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_every_value_fits_no_schema_and_no_value_an_empty_choice(value):
    assert fits(value, None)
    assert fits(value, {})
    assert not fits(value, {"enum": []})


def test_integers_are_numbers_and_booleans_are_none():
    assert fits(3, {"type": "number"})
    assert fits(3.0, {"type": "integer"})
    assert not fits(True, {"type": "integer"})
    assert fits(None, {"type": ["string", "null"]})
    assert not fits({"a": 1}, {"properties": {}, "additionalProperties": False})


def test_what_a_request_wants_is_read_from_it():
    document = {
        "response_format": {"type": "json_schema", "json_schema": {"schema": CITY}},
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": CITY}}],
    }
    assert wanted_in(document) == Wanted(True, CITY, TOOLS)
    assert wanted_in(json.loads('{"response_format": 3, "tools": [null]}')).json is False


@given(st.integers(1, 12), st.integers(0, 12))
def test_the_beginning_is_what_one_sees_who_has_no_more(size, count):
    text = " ".join("w" for _ in range(count))
    whole = said(text, *[-0.1] * count)
    seen = beginning(whole, size)
    if count < size:
        assert seen is whole
    else:
        assert len(seen.tokens) == size
        assert seen.finish is None


def test_without_log_probabilities_words_are_counted():
    assert beginning(Said("one two three", finish="stop"), 2).text == "one two "


def test_answers_agree_but_for_case_and_marks_of_their_last_line():
    first = said("Let me think.\nIt is 42.")
    assert agreeing([first, said("it is 42"), said("It is 43")]).agree == 0.5
    assert agreeing([first]).agree == 1.0
