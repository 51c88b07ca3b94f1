"""The completions and embeddings wires: what a request says, and what is wrong with one."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis import DEFAULT_FLOORS, analyse
from situs.core.capability import CapabilityClass
from situs.core.label import Label
from situs.core.request import Ask, Modality, Principal, Wire
from situs.core.snapshot import Labels
from situs.errors import InvalidRequest
from situs.http import openai_completions, openai_embeddings

TEXT, TOKENS, IMAGE = Modality.TEXT, Modality.TOKENS, Modality.IMAGE
LABELS = Labels(DEFAULT_FLOORS)


def completion(**fields):
    body = json.dumps({"model": "auto", "prompt": "x", **fields}).encode()
    return openai_completions.parse(body, "r1", Ask(), Principal("t"), "trace-1")


def embedding(**fields):
    body = json.dumps({"model": "auto", "input": "x", **fields}).encode()
    return openai_embeddings.parse(body, "r1", Ask(), Principal("t"), "trace-1")


def test_both_say_who_asks_and_by_which_wire():
    for request, wire in (
        (completion(), Wire.OPENAI_COMPLETIONS),
        (embedding(), Wire.OPENAI_EMBEDDINGS),
    ):
        assert (request.wire, request.id, request.trace) == (wire, "r1", "trace-1")
        assert (request.principal.tenant, request.size) == ("t", len(request.body))
        assert request.modalities == {TEXT}


@pytest.mark.parametrize(
    ("fields", "choices"),
    [
        ({}, 1),
        ({"n": 3}, 3),
        ({"n": 2, "best_of": 5}, 5),
        ({"prompt": ["a", "b"]}, 2),
        ({"prompt": ["a", "b"], "n": 3}, 6),
        ({"prompt": [[1, 2], [3]], "best_of": 2}, 4),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": ""}, 1),
    ],
)
def test_every_prompt_is_answered_as_often_as_is_computed(fields, choices):
    assert completion(**fields).choices == choices


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stream": True}, {"stream": True}),
        ({"max_tokens": 5}, {"max_completion_tokens": 5}),
        ({"max_tokens": 0, "echo": True}, {"max_completion_tokens": 0}),
        ({"response_format": {"type": "json_schema"}}, {"structured_output": True}),
        ({"tools": [{"type": "function"}]}, {"tools": True}),
        ({"prompt": [1]}, {"modalities": {TEXT, TOKENS}}),
        ({"prompt": [[1], [2]]}, {"modalities": {TEXT, TOKENS}}),
        ({"prompt": "data:image/png;base64,AA=="}, {"modalities": {TEXT, IMAGE}}),
        ({"prompt": "DATA: image/png ;base64,AA=="}, {"modalities": {TEXT, IMAGE}}),
        ({"prompt": "data:;base64,AA=="}, {"modalities": {TEXT, Modality.FILE}}),
        ({"prompt": "data:,x"}, {"modalities": {TEXT, Modality.FILE}}),
        ({"prompt": "Data: one, two"}, {"modalities": {TEXT}}),
        ({"prompt": "data:" + "x" * 600 + "/y,"}, {"modalities": {TEXT}}),
    ],
)
def test_fields_of_a_completion_say_what_is_needed(fields, expected):
    request = completion(**fields)
    assert {name: getattr(request, name) for name in expected} == expected


def test_everything_that_leaves_is_a_text():
    texts = {t.path: t.text for t in completion(prompt=["a", "b"], suffix="c", user="d").texts}
    assert texts == {"prompt[0]": "a", "prompt[1]": "b", "suffix": "c", "user": "d"}
    texts = {t.path: t.text for t in embedding(input=[[4, 1], [1]], user="d").texts}
    assert texts == {"input[0]": "4, 1", "input[1]": "1", "user": "d"}


BAD = [[], [[]], [[1], []], ["a", 1], [1, "a"], [["a"]], [[1], "a"], [1.5], [-1], [2**31], [True]]
BAD += [[None], [{}], {}, 7, None, True, [[[1]]], ["a"] * 2049]


@pytest.mark.parametrize("value", BAD, ids=lambda value: json.dumps(value)[:20])
def test_what_is_no_input_is_named(value):
    for parsed, name in ((completion, "prompt"), (embedding, "input")):
        with pytest.raises(InvalidRequest) as caught:
            parsed(**{name: value})
        assert (caught.value.param or "").startswith(name)


@pytest.mark.parametrize(
    ("parsed", "fields", "param"),
    [
        (completion, {"prompt": ["ok", 7]}, "prompt[1]"),
        (completion, {"prompt": [[1], [2, "canary77"]]}, "prompt[1][1]"),
        (completion, {"suffix": ["canary77"]}, "suffix"),
        (completion, {"echo": "canary77"}, "echo"),
        (completion, {"n": 0}, "n"),
        (completion, {"n": 129}, "n"),
        (completion, {"best_of": 0}, "best_of"),
        (completion, {"best_of": 1.5}, "best_of"),
        (completion, {"max_tokens": -1}, "max_tokens"),
        (completion, {"max_tokens": 4111111111111111}, "max_tokens"),
        (completion, {"stream": "canary77"}, "stream"),
        (completion, {"stream_options": 1}, "stream_options"),
        (completion, {"response_format": "canary77"}, "response_format"),
        (completion, {"model": ""}, "model"),
        (embedding, {"input": ""}, "input"),
        (embedding, {"input": ["canary77", ""]}, "input[1]"),
        (embedding, {"encoding_format": "canary77"}, "encoding_format"),
        (embedding, {"dimensions": 0}, "dimensions"),
        (embedding, {"dimensions": "canary77"}, "dimensions"),
        (embedding, {"user": 7}, "user"),
        (embedding, {"stream": True}, "stream"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(parsed, fields, param):
    with pytest.raises(InvalidRequest) as caught:
        parsed(**fields)
    assert caught.value.param == param
    assert "canary77" not in caught.value.message + caught.value.advice


def test_prompt_and_input_must_be_there():
    for parse in (openai_completions.parse, openai_embeddings.parse):
        with pytest.raises(InvalidRequest, match="missing required field"):
            parse(b'{"model": "auto"}', "r", Ask(), Principal())


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_any_value_is_parsed_and_analysed_or_refused(value):
    for parsed, name in ((completion, "prompt"), (embedding, "input")):
        try:
            request = parsed(**{name: value})
        except InvalidRequest:
            continue
        analysis = analyse(request, LABELS)
        assert analysis.longest_tokens is None or (
            0 <= analysis.longest_tokens <= analysis.prompt_tokens
        )


# What the analysis makes of them


def test_token_ids_are_counted_and_not_read():
    analysis = analyse(embedding(input=[[7] * 300, [8] * 100]), LABELS)
    assert 400 <= analysis.prompt_tokens <= 404
    assert 300 <= (analysis.longest_tokens or 0) <= 303
    assert analysis.label is Label.INTERNAL
    assert [(r.source, r.detail) for r in analysis.reasons] == [("unread", "tokens")]


def test_the_longest_of_a_batch_is_estimated_by_its_share():
    alone = analyse(completion(prompt="many words " * 100), LABELS)
    batch = analyse(completion(prompt=["many words " * 100, "word " * 20]), LABELS)
    assert alone.longest_tokens is None
    assert batch.prompt_tokens > alone.prompt_tokens
    assert abs((batch.longest_tokens or 0) - alone.prompt_tokens) < 10
    assert analyse(completion(prompt=["", ""]), LABELS).longest_tokens == 0


def test_embeddings_are_a_task_of_their_own_that_completes_nothing():
    hard = "Prove step by step that there is no largest prime. " * 1000
    analysis = analyse(embedding(input=hard), LABELS)
    assert (analysis.task, analysis.needs) == ("embedding", CapabilityClass.TINY)
    assert analysis.completion_tokens == 0
    assert analyse(completion(prompt=hard), LABELS).task == "reasoning"


CARD = ("4111 1111", "1111 1111")


@pytest.mark.parametrize(
    "request_",
    [
        completion(prompt=list(CARD)),
        completion(suffix=CARD[1], user="someone", prompt=CARD[0]),
        completion(prompt=[4111, 1111, 1111, 1111]),
        embedding(input=[CARD[0], CARD[1], "and more"]),
        embedding(input=[[4, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]),
        embedding(user="".join(CARD)),
    ],
)
def test_what_is_cut_over_fields_and_items_is_found(request_):
    assert analyse(request_, LABELS).label is Label.CONFIDENTIAL
