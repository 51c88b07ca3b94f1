"""The `x-situs-*` headers of a request: read strictly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.core.label import Label
from situs.core.request import Ask, Objective
from situs.errors import InvalidRequest
from situs.http.headers import ask_of, trace_of


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("label", "restricted", "label", Label.RESTRICTED),
        ("label", " Confidential ", "label", Label.CONFIDENTIAL),
        ("objective", "private", "objective", Objective.PRIVATE),
        ("session", "s-1", "session", "s-1"),
        ("data", "hr files", "data", "hr files"),
        ("max-cost", "0.25", "max_cost", 0.25),
        ("max-cost", "0", "max_cost", 0.0),
        ("slo-ttft-ms", "250", "slo_ttft_s", 0.25),
        ("deadline", "30", "deadline_s", 30.0),
        ("criticality", "operational", "criticality", "operational"),
    ],
)
def test_a_header_sets_its_field(name, value, field, expected):
    ask = ask_of({f"x-situs-{name}".encode(): value.encode()})
    assert getattr(ask, field) == expected
    assert ask == Ask(**{field: expected})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("label", b"secret"),
        ("label", b""),
        ("label", b"public, restricted"),
        ("label", "public\u00a0".encode()),
        ("objective", b"Best"),
        ("session", b""),
        ("session", b"a\tb"),
        ("session", b"s" * 257),
        ("session", "\u00e9".encode()),
        ("max-cost", b"-1"),
        ("max-cost", b"nan"),
        ("max-cost", b"inf"),
        ("max-cost", b"1,5"),
        ("slo-ttft-ms", b"fast"),
        ("deadline", b"-0.1"),
        ("criticality", b"high"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_and_not_quoted(name, value):
    with pytest.raises(InvalidRequest) as caught:
        ask_of({f"x-situs-{name}".encode(): value})
    assert caught.value.param == f"x-situs-{name}"
    said, _, expected = caught.value.message.partition(": ")
    assert said == f"The header x-situs-{name} has no value it can take"
    assert expected


def test_an_unknown_name_is_refused_with_the_nearest_known_one():
    with pytest.raises(InvalidRequest) as caught:
        ask_of({b"x-situs-labl": b"restricted"})
    assert caught.value.advice == "Did you mean x-situs-label?"
    with pytest.raises(InvalidRequest) as caught:
        ask_of({b"x-situs-zzzzzzzz": b"1"})
    assert caught.value.advice == "Leave it out."


@pytest.mark.parametrize(
    "name",
    ["request-id", "locus", "jurisdiction", "deployment", "reason", "policy", "cost", "receipt"],
)
def test_what_only_an_answer_says_is_dropped(name):
    assert ask_of({f"x-situs-{name}".encode(): b"us"}) == Ask()


def test_other_headers_say_nothing():
    assert ask_of({}) == ask_of({b"authorization": b"x", b"x-request-id": b"1"}) == Ask()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["label", "objective", "session", "max-cost"]), st.binary(max_size=40))
def test_any_value_is_read_or_refused(name, value):
    try:
        ask = ask_of({f"x-situs-{name}".encode(): value})
    except InvalidRequest:
        return
    assert ask != Ask()


TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-00", True),
        (f"cc-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-01-what-comes", True),
        (f"00-{TRACE}-{PARENT}-01-what-comes", False),
        (f"cc-{TRACE}-{PARENT}-01what", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE[:-1]}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}-1", False),
        (f"00-{TRACE}-{PARENT}", False),
        (f" 00-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}-01\n", False),
        ("cc-" + "-" * 300, False),
        ("", False),
    ],
)
def test_a_trace_is_valid_or_ignored(value, kept):
    assert trace_of({b"traceparent": value.encode()}) == (value[:55] if kept else None)


def test_without_a_trace_there_is_none():
    assert trace_of({}) is None
