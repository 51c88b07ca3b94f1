"""Of which route is a request: by name, by rule, by samples, or of none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make
from tests.unit.analysis.test_route_samples import SAMPLES

from situs.analysis import analyse
from situs.analysis.routes import compile_routes
from situs.core.request import Wire
from situs.core.route import Route, Routed, RoutedBy, Rule
from situs.core.snapshot import NO_ROUTES, Labels

ROUTES = compile_routes(
    {
        "hours": Route(
            "hours",
            rules=(Rule(exact="when are you open?"), Rule(keywords=("opening hours",))),
            answer="From 9 to 17.",
        ),
        "order": Route(
            "order",
            rules=(Rule(pattern=r"(?i)^where is order (?P<number>\d+)\?$"),),
            deployments=frozenset({"b", "a"}),
            answer="Order {number} is on its way.",
        ),
        **{name: Route(name, samples=samples) for name, samples in SAMPLES.items()},
    }
)


def routed(text: str = "hello", **fields) -> Routed | None:
    return ROUTES.find(make.request(text, **fields))


def test_a_route_s_name_asks_for_it_whatever_is_said():
    assert routed("anything", model="order") == Routed(
        "order", RoutedBy.ASKED, deployments=("a", "b")
    )


def test_a_rule_decides_before_samples():
    found = routed("what are the opening hours of the parcel shop where is my parcel")
    assert found == Routed("hours", RoutedBy.RULE, rule=1)


def test_samples_decide_where_no_rule_matches():
    found = routed("where is my parcel")
    assert found is not None
    assert (found.route, found.by, found.rule) == ("shipping", RoutedBy.SAMPLES, None)
    assert 0 < found.score <= 1


def test_most_requests_are_of_no_route():
    assert routed("write a poem about autumn") is None


def test_a_concrete_name_pins_and_no_route_is_looked_for():
    assert routed("opening hours", model="local") is None


def test_embeddings_are_never_routed():
    for model in ("auto", "order"):
        assert routed("opening hours", model=model, wire=Wire.OPENAI_EMBEDDINGS) is None


def test_rules_are_for_single_turns_but_samples_see_the_last_one():
    turns = [
        {"role": "user", "content": "opening hours"},
        {"role": "assistant", "content": "nine to five"},
        {"role": "user", "content": "and where is my parcel"},
    ]
    found = routed(document={"messages": turns})
    assert found is not None
    assert (found.route, found.by) == ("shipping", RoutedBy.SAMPLES)


def answer(text: str, **fields) -> str | None:
    request = make.request(text, **fields)
    return ROUTES.answer(request, ROUTES.find(request))


@pytest.mark.parametrize(
    ("text", "fields", "said"),
    [
        ("When are you open?", {}, "From 9 to 17."),
        ("Where is order 7?", {}, "Order 7 is on its way."),
        ("Where is order 7?", {"structured_output": True}, None),
        ("Where is order 7?", {"model": "order"}, None),
        ("Where is order 7?", {"model": "local"}, None),
        ("where is my parcel", {}, None),
        ("write a poem about autumn", {}, None),
    ],
)
def test_only_what_a_rule_matched_is_answered(text, fields, said):
    assert answer(text, **fields) == said


def test_without_routes_nothing_is_found():
    assert compile_routes({}) is NO_ROUTES
    assert NO_ROUTES.find(make.request()) is None
    assert NO_ROUTES.answer(make.request(), None) is None


def test_the_analysis_carries_the_route():
    found = analyse(make.request("Where is order 7?"), Labels({}), ROUTES).routed
    assert found == Routed("order", RoutedBy.RULE, rule=0, deployments=("a", "b"))


@given(st.text(), st.booleans())
def test_any_text_is_routed_without_an_exception_and_twice_the_same(text, system):
    messages = [{"role": "system", "content": "x"}] if system else []
    request = make.request(document={"messages": [*messages, {"role": "user", "content": text}]})
    found = ROUTES.find(request)
    assert found == ROUTES.find(request)
    assert ROUTES.answer(request, found) == ROUTES.answer(request, found)


@given(st.recursive(st.none() | st.text() | st.integers(), lambda s: st.lists(s, max_size=3)))
def test_nor_does_any_content_raise(content):
    for key, wire in (("messages", Wire.OPENAI_CHAT), ("prompt", Wire.OPENAI_COMPLETIONS)):
        value = [{"role": "user", "content": content}] if key == "messages" else content
        ROUTES.find(make.request(document={key: value}, wire=wire))
