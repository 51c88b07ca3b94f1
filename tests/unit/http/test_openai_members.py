"""Members that let somebody else choose, or that look like ours, are refused on every wire."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis.texts import KEYS_OF_THE_WIRE
from situs.core.request import Ask, Principal
from situs.errors import ElsewhereRefused, InvalidRequest
from situs.http import openai_chat, openai_completions, openai_embeddings
from situs.http.openai_members import BROKERS, CHOOSE, SHOW

FUNCTION = {"type": "function", "function": {"name": "pay"}}
CHAT = openai_chat.parse, {"messages": [{"role": "user", "content": "hello"}]}
WIRES = [
    CHAT,
    (openai_completions.parse, {"prompt": "hello"}),
    (openai_embeddings.parse, {"input": "hello"}),
]
wires = pytest.mark.parametrize("wire", WIRES, ids=["chat", "completions", "embeddings"])


def parsed(wire, **fields):
    parse, needed = wire
    body = json.dumps({"model": "auto", **needed, **fields}).encode()
    return parse(body, "r1", Ask(), Principal())


def refused(wire, **fields):
    with pytest.raises(InvalidRequest) as caught:
        parsed(wire, **fields)
    return caught.value


@wires
@pytest.mark.parametrize("name", [*CHOOSE, *SHOW])
def test_what_lets_others_choose_or_see_is_refused_by_name(wire, name):
    error = refused(wire, **{name: ["canary77"]})
    assert (type(error), error.status, error.param) == (ElsewhereRefused, 400, name)
    assert name in error.message
    assert "canary77" not in error.message + error.advice


@pytest.mark.parametrize(
    ("spelt", "known"),
    [
        ("Models", "models"),
        ("extraBody", "extra_body"),
        ("EXTRA-BODY", "extra_body"),
        ("webSearchOptions", "web_search_options"),
        ("api\u212aey", "api_key"),
        ("fallback\u017f", "fallbacks"),
    ],
)
def test_no_spelling_that_a_server_may_take_gets_by(spelt, known):
    assert refused(CHAT, **{spelt: None}).param == known


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("litellm_metadata", "litellm_*"),
        ("tensorzero::variant_name", "tensorzero_*"),
        ("aws_region_name", "aws_*"),
        ("vertexLocation", "vertex_*"),
        ("AZURE-endpoint", "azure_*"),
    ],
)
def test_what_speaks_to_a_broker_or_a_cloud_is_refused(name, known):
    error = refused(CHAT, **{name: "canary77"})
    assert (error.code, error.param) == ("elsewhere_refused", known)


def test_every_member_that_is_refused_is_in_the_reference():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "http-api.md").read_text("utf-8")
    section = page.partition("### Members that are refused")[2].partition("\n### ")[0]
    names = [*CHOOSE, *SHOW, *BROKERS]
    assert [name for name in names if f"`{name}`" not in section] == []


@pytest.mark.parametrize("name", ["Model", "MAX_TOKENS", "\u017ftream", "Messages", "Store"])
def test_a_member_of_the_wire_is_spelt_as_the_wire_spells_it(name):
    error = refused(CHAT, **{name: "canary77"})
    assert (error.code, error.param) == ("invalid_request", name.casefold())


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([{"type": "web_search"}], "tools[0].type"),
        ([FUNCTION, {"type": "mcp", "server_url": "https://x.example"}], "tools[1].type"),
        ([{"google_search": {}}], "tools[0].type"),
        ([{"type": "Function"}], "tools[0].type"),
        ([{"type": ["function"]}], "tools[0].type"),
    ],
)
def test_a_tool_that_the_caller_does_not_run_itself_is_refused(tools, param):
    error = refused(CHAT, tools=tools)
    assert (error.code, error.param) == ("elsewhere_refused", param)


@wires
@pytest.mark.parametrize(
    "metadata",
    [
        [{"situs_data": "canary77"}],
        '{"situs_data": "canary77"}',
        7,
        True,
        {"Situs_Data": "canary77"},
        {"situs-data": "canary77"},
        {"situs_label": "canary77"},
        {"x-situs-label": "canary77"},
        {"a": {"situs_data": "canary77"}},
        {"a": [{"b": {"situs_data": "canary77"}}]},
        {"situs_data": "ledgers", "a": {"situs_data": "canary77"}},
    ],
)
def test_metadata_where_a_data_set_would_not_be_seen_are_refused(wire, metadata):
    error = refused(wire, metadata=metadata)
    assert (error.status, error.param) == (400, "metadata")
    assert "canary77" not in error.message + error.advice


@wires
@pytest.mark.parametrize("name", ["situs_data", "situs_label", "x-situs-label", "Situs", "xsitus"])
def test_what_looks_like_ours_but_stands_in_the_wrong_place_is_refused(wire, name):
    assert "x-situs-label" in refused(wire, **{name: "canary77"}).advice


@wires
@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"situs_data": "ledgers", "customer": "7", "a": [{"b": "c"}]}},
        {"metadata": None, "tools": None},
        {"tools": [FUNCTION, {"type": "custom", "custom": {"name": "sql"}}]},
        {"top_k": 40, "topK": 40, "min_p": 0.1, "guided_json": {"type": "object"}},
        {"reasoning_effort": "low", "service_tier": "flex", "prediction": {"type": "content"}},
    ],
)
def test_everything_else_passes(wire, fields):
    document = parsed(wire, **fields).document
    assert {name: document[name] for name in fields} == fields


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_any_name_passes_as_it_is_or_is_refused(name):
    if name in KEYS_OF_THE_WIRE:
        return
    try:
        document = parsed(CHAT, **{name: "x"}).document
    except InvalidRequest:
        return
    assert document[name] == "x"
    assert name.casefold() not in {"model", "models", "provider", "max_tokens"}
