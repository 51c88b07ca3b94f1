"""The `x-situs-*` headers of a request: read strictly."""

import re

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
        ("max-cost", "0.30000000000000004", "max_cost", 0.3),
        ("max-cost", "0.4111111111111111", "max_cost", 0.411111),
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
        ("max-cost", b"4111111111111111"),
        ("slo-ttft-ms", b"fast"),
        ("deadline", b"-0.1"),
        ("deadline", b"1e9"),
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
    ("name", "near"),
    [
        (b"x-situs_label", "x-situs-label"),
        (b"x_situs_label", "x-situs-label"),
        (b"x_situs-max_cost", "x-situs-max-cost"),
        (b"xsitus-label", "x-situs-label"),
        (b"situs-session", "x-situs-session"),
        (b"x.situs.data", "x-situs-data"),
        (b"x--situs--label", "x-situs-label"),
    ],
)
def test_a_name_that_a_proxy_or_a_client_spelt_otherwise_is_not_passed_over(name, near):
    with pytest.raises(InvalidRequest) as caught:
        ask_of({name: b"restricted"})
    assert caught.value.advice == f"Did you mean {near}?"


@pytest.mark.parametrize("name", [b"x-situs", b"x_situs", b"x-situs-", b"x-situsjunk"])
def test_nothing_that_begins_as_ours_is_passed_over(name):
    with pytest.raises(InvalidRequest):
        ask_of({name: b"restricted"})


@pytest.mark.parametrize("name", [b"x-situs-4111111111111111", b"x-situs-" + b"a" * 80])
def test_a_name_that_may_be_content_is_not_quoted(name):
    with pytest.raises(InvalidRequest) as caught:
        ask_of({name: b"1"})
    error = caught.value
    assert error.param == "x-situs-..."
    assert name.decode() not in error.message + error.advice


@pytest.mark.parametrize(
    "name",
    ["request-id", "locus", "jurisdiction", "deployment", "reason", "policy", "cost", "receipt"],
)
def test_what_only_an_answer_says_is_dropped(name):
    assert ask_of({f"x-situs-{name}".encode(): b"us"}) == Ask()


def test_other_headers_say_nothing():
    assert ask_of({}) == ask_of({b"authorization": b"x", b"x-request-id": b"1"}) == Ask()
    assert ask_of({b"x-forwarded-host": b"situs", b"x-gateway-situs-pod": b"1"}) == Ask()


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
        (f"00-{'4111111111111111':0>32}-{PARENT}-01", False),
        (f"00-{'4111111111111111':0<32}-{PARENT}-01", False),
        (f"00-ab{'4111111111111111':c<30}-{PARENT}-01", False),
        (f"00-{TRACE}-4111111111111111-01", False),
        (f"00-{TRACE}-4111111111111112-01", True),
        (f"00-{'1' * 32}-{'1' * 16}-01", True),
        ("", False),
    ],
)
def test_a_trace_is_valid_or_ignored(value, kept):
    assert trace_of({b"traceparent": value.encode()}) == (value[:55] if kept else None)


def test_without_a_trace_there_is_none():
    assert trace_of({}) is None
    assert trace_of({b"tracestate": f"v=00-{TRACE}-{PARENT}-01".encode()}) is None


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.from_regex(
            rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,40})?", fullmatch=True
        ),
    )
)
def test_nothing_but_the_four_fields_of_a_trace_is_kept(value):
    kept = trace_of({b"traceparent": value})
    assert kept is None or re.fullmatch("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", kept)
