"""URLs and dates, for who asks; and two tiers' findings as one list."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import merged, plain, scan
from situs.core.label import Finding


def found(text):
    return [(one.kind, text[one.start : one.end]) for one in plain(text)]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("see https://a.example/b?c=d#e.", ("url", "https://a.example/b?c=d#e")),
        ("(http://www.Some.co.za/)", ("url", "http://www.Some.co.za/")),
        ("go to example.com, please", ("url", "example.com")),
        ("born 3/23/1940 there", ("date", "3/23/1940")),
        ("at 1993-01-04 14:56:41 sharp", ("date", "1993-01-04 14:56:41")),
        ("on 16 May 1979.", ("date", "16 May 1979")),
        ("May 16th, 1979", ("date", "May 16th, 1979")),
        ("until Friday", ("date", "Friday")),
    ],
)
def test_it_is_found(text, finding):
    assert found(text) == [finding]


@pytest.mark.parametrize(
    "text", ["a@example.com", "main.py", "e.g. this", "1.2.2020.3", "10/20/30/40", "Fridays", "3-4"]
)
def test_a_look_alike_is_not(text):
    assert found(text) == []


def test_no_label_follows_from_them():
    assert {DEFAULT_FLOORS[kind] for kind in ("url", "date")} == {"public"}
    assert scan(["https://a.example on 3/23/1940"], DEFAULT_FLOORS).counts == {}


def finding(kind, start, end, part=0):
    return Finding(kind, part, start, end, 0.5, "d")


def spans(known, names):
    return [(one.kind, one.start, one.end) for one in merged(known, names)[0]]


def test_a_name_inside_an_identifier_goes():
    email = finding("email", 0, 20)
    assert spans([email], [finding("person", 0, 8)]) == [("email", 0, 20)]


def test_of_a_name_that_reaches_over_one_the_greater_part_stays():
    phone = finding("phone", 20, 30)
    assert spans([phone], [finding("address", 0, 28)]) == [("address", 0, 20), ("phone", 20, 30)]
    assert spans([phone], [finding("address", 18, 31)]) == [("phone", 20, 30)]


def test_parts_do_not_touch_each_other():
    phone = finding("phone", 0, 9, part=1)
    assert merged([phone], [finding("person", 0, 9)])[1] == ["person"]


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12), st.integers(0, 1)), max_size=8)


@given(SPANS, SPANS)
def test_nothing_overlaps_and_nothing_known_is_lost(first, second):
    known, ends = [], [0, 0]
    for start, size, part in sorted(first):
        if start >= ends[part]:
            known.append(finding("email", start, start + size, part))
            ends[part] = start + size
    names = [finding("person", start, start + size, part) for start, size, part in second]
    result, kinds = merged(known, names)
    assert [one for one in result if one.kind == "email"] == sorted(
        known, key=lambda one: (one.part, one.start)
    )
    assert kinds == ["person"] * (len(result) - len(known))
    for one, after in itertools.pairwise(result):
        assert (one.part, one.end) <= (after.part, after.start)
