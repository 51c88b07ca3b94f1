"""Rules and templates of routes: what matches, what is inserted, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.analysis.route_rules import (
    MAX_TEXT,
    compile_pattern,
    compile_rule,
    first_match,
    groups,
    single_turn,
    template,
)
from situs.core.request import Modality, Wire
from situs.core.route import Route, Rule


def compiled(*rules: Rule):
    route = Route("r", rules=rules)
    return [compile_rule(route, place) for place in range(len(rules))]


def matches(rule: Rule, text: str) -> bool:
    return first_match(compiled(rule), text) is not None


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        (Rule(exact="Opening hours?"), "  opening HOURS?\n", True),
        (Rule(exact="Opening hours?"), "opening hours", False),
        (Rule(exact="STRASSE"), "straße", True),
        (Rule(exact="caf\u00e9"), "cafe\u0301", True),
        (Rule(exact="hours"), "hours and a secret", False),
        (Rule(keywords=("opening", "hours")), "Hours of opening, please!", True),
        (Rule(keywords=("opening", "hours")), "the opening", False),
        (Rule(keywords=("hour",)), "hours", False),
        (Rule(keywords=("opening hours",)), "your Opening, hours?", True),
        (Rule(keywords=("opening hours",)), "hours opening", False),
        (Rule(keywords=("öffnungszeiten",)), "ÖFFNUNGSZEITEN?", True),
        (Rule(pattern=r"^order \d+$"), "order 12", True),
        (Rule(pattern=r"^order \d+$"), "my order 12", False),
        (Rule(pattern=r"order"), "my ORDER", False),
        (Rule(pattern=r"(?i)order"), "my ORDER", True),
        (Rule(pattern=r"^.$"), "é", True),
    ],
)
def test_what_a_rule_matches(rule, text, expected):
    assert matches(rule, text) is expected


def test_the_first_rule_that_matches_wins():
    rules = compiled(Rule(exact="x"), Rule(keywords=("order",)), Rule(pattern="order"))
    found = first_match(rules, "an order")
    assert found is not None
    assert found.position == 1


def test_a_text_that_is_too_long_matches_nothing():
    rule = Rule(pattern="a")
    assert matches(rule, "a" * MAX_TEXT)
    assert not matches(rule, "a" * (MAX_TEXT + 1))


def test_groups_are_those_that_took_part():
    [rule] = compiled(Rule(pattern=r"order (?P<number>\d+)(?P<letter>[a-z])?(-)?"))
    assert groups(rule, "my order 77 é") == {"number": "77"}
    assert groups(rule, "order 1é") == {"number": "1"}


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("plain", {}, "plain"),
        ("Order {number}.", {"number": "77"}, "Order 77."),
        ("{a}{b}{a}", {"a": "x"}, "xx"),
        ('{{"a": "{a}"}}', {"a": "1"}, '{"a": "1"}'),
        ("{a}", {"a": "{b}{0.__class__}"}, "{b}{0.__class__}"),
    ],
)
def test_groups_are_inserted_as_the_text_they_are(text, given, said):
    assert template(text).fill(given) == said


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{a b}", "{a{b}}"]
)
def test_a_template_holds_names_and_nothing_else(text):
    with pytest.raises(ValueError, match=r".+"):
        template(text)


@pytest.mark.parametrize("pattern", ["(a", "[a", r"(?<=a)b", r"(a)\1", "a**", "(?:a{0,1000}){9}"])
def test_what_is_no_re2_is_refused_without_quoting_it(pattern):
    with pytest.raises(ValueError, match=r"^[a-z ]*[^:]*$") as refused:
        compile_pattern(pattern)
    assert pattern not in str(refused.value)


@given(st.text(), st.text())
def test_a_text_inserted_in_a_text_is_all_that_is_said(before, value):
    literal = before.replace("{", "{{").replace("}", "}}")
    assert template(literal + "{name}").fill({"name": value}) == before + value


@given(st.text())
def test_any_text_can_be_matched_against_itself(text):
    assert matches(Rule(exact=text), text) is True


USER = {"role": "user", "content": "hi"}
SYSTEM = {"role": "system", "content": "be brief"}
PARTS: dict[str, Any] = {"role": "user", "content": [{"type": "text", "text": "hi"}]}


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([USER], "hi"),
        ([SYSTEM, USER], "hi"),
        ([{**SYSTEM, "role": "developer"}, USER], "hi"),
        ([PARTS], "hi"),
        ([SYSTEM], None),
        ([USER, USER], None),
        ([USER, SYSTEM], None),
        ([SYSTEM, SYSTEM, USER], None),
        ([USER, {"role": "assistant", "content": "yes"}, USER], None),
        ([{"role": "user", "content": PARTS["content"] * 2}], None),
        ([{"role": "user", "content": None}], None),
        ([{"role": "user", "content": [{"type": "refusal", "refusal": "no"}]}], None),
    ],
)
def test_only_one_thing_said_is_a_single_turn(messages, said):
    assert single_turn(make.request(document={"messages": messages})) == said


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": True},
        {"modalities": frozenset({Modality.TEXT, Modality.IMAGE})},
        {"wire": Wire.OPENAI_EMBEDDINGS},
    ],
)
def test_tools_images_and_embeddings_are_no_single_turn(fields):
    assert single_turn(make.request("hi")) == "hi"
    assert single_turn(make.request("hi", **fields)) is None


@pytest.mark.parametrize(
    ("prompt", "said"), [("hi", "hi"), (["hi"], "hi"), (["a", "b"], None), ([1, 2], None)]
)
def test_a_completion_of_one_prompt_is_a_single_turn(prompt, said):
    asked = make.request(wire=Wire.OPENAI_COMPLETIONS, document={"prompt": prompt})
    assert single_turn(asked) == said
