"""Exchanging texts in a text that arrives in pieces: the same for every cut, and back again."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis.transforms.restore import Restoration, Restorer
from situs.analysis.transforms.swap import Pair, Swapper, Swaps, plain

TEXTS = st.text(alphabet='abAB1 ."\\\n\u00e9\u4e2d\U0001f600_', max_size=40)
KEYS = st.text(alphabet='abAB1 ."\\\u00e9\u4e2d\U0001f600', min_size=1, max_size=8)
PAIRS = st.lists(st.builds(Pair, KEYS, KEYS, st.booleans(), st.booleans()), max_size=6)
CUTS = st.lists(st.integers(0, 60), max_size=8)


def pieces(text, cuts):
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[one:other] for one, other in pairwise(places)]


def through(swapper, parts):
    return "".join(map(swapper.feed, parts)) + swapper.close()


@settings(max_examples=400, deadline=None)
@given(PAIRS, TEXTS, CUTS, st.booleans())
def test_what_comes_out_does_not_depend_on_the_cuts(pairs, text, cuts, source):
    swaps = Swaps(pairs)
    text = json.dumps(text, ensure_ascii=bool(cuts)) if source else text
    whole = through(Swapper(swaps, source=source), [text])
    assert through(Swapper(swaps, source=source), pieces(text, cuts)) == whole
    assert through(Swapper(swaps, source=source), list(text)) == whole


@settings(max_examples=200, deadline=None)
@given(PAIRS, TEXTS)
def test_no_more_is_held_back_than_the_longest_text(pairs, text):
    swaps = Swaps([Pair(pair.there, pair.there) for pair in pairs])
    swapper, given_out = Swapper(swaps), 0
    for place, char in enumerate(text, 1):
        given_out += len(swapper.feed(char))
        assert place - given_out <= swaps.longest


@settings(max_examples=200, deadline=None)
@given(PAIRS, TEXTS, CUTS)
def test_json_source_stays_json_and_says_the_same(pairs, text, cuts):
    swaps = Swaps(pairs)
    for ascii_only in (False, True):
        source = json.dumps(text, ensure_ascii=ascii_only)
        made = through(Swapper(swaps, source=True), pieces(source, cuts))
        assert json.loads(made) == swaps.swapped(text)


@pytest.mark.parametrize(
    ("pairs", "text", "expected"),
    [
        ([("ab", "1"), ("abc", "2")], "ab abc abcd", "1 2 abcd"),
        ([("Tova", "Ann"), ("Tova Miru", "Ann Lee")], "Tova Miru, Tova.", "Ann Lee, Ann."),
        ([("Tova", "Ann")], "TOVA tova Tovas xTova Tova's", "ANN ann Tovas xTova Ann's"),
        ([("4000", "4111")], "40001 x4000 4000 4000.", "40001 x4000 4111 4111."),
        (
            [("\u6d77\u6625", "\u738b\u4f1f")],
            "\u6d77\u6625\u3055\u3093",
            "\u738b\u4f1f\u3055\u3093",
        ),
        ([("a1", "b2"), ("b2", "c3")], "a1b2 a1 b2", "a1b2 b2 c3"),
        ([("x@y.example.org", "me@corp.test")], "<x@y.example.org>", "<me@corp.test>"),
    ],
)
def test_the_longest_and_whole_words(pairs, text, expected):
    back = Restoration(Swaps(Pair(there, here, True, True) for there, here in pairs))
    assert back.back(text) == expected
    assert through(Restorer(back), list(text)) == expected


def test_pairs_that_are_not_bounded_stand_within_words():
    assert Swaps([Pair("xyz", "ab", bounded=False)]).swapped("1xyz2xyz") == "1ab2ab"


@pytest.mark.parametrize(
    "source",
    ['"T\\u00f6v\\u0061"', '"T\\u00F6va"', '"T\u00f6va"', '"\\u0054\\u00f6\\u0076a"'],
)
@pytest.mark.parametrize("original", ['An"n', "An\\n", "An\nn", "\U0001f600", "\u00fc"])
def test_escapes_are_read_and_written_wherever_they_are_cut(source, original):
    back = Restoration(Swaps([Pair("T\u00f6va", original)]))
    for cut in range(len(source) + 1):
        made = through(Restorer(back, json=True), [source[:cut], source[cut:]])
        assert json.loads(made) == original


def test_pairs_of_surrogates_are_one_character():
    back = Restoration(Swaps([Pair("a\U0001f600", "b")]))
    source = json.dumps("a\U0001f600")
    for cut in range(len(source) + 1):
        made = through(Restorer(back, json=True), [source[:cut], source[cut:]])
        assert json.loads(made) == "b"


@pytest.mark.parametrize("source", ["\\", '"\\u12', '"\\ud83d\\', "\\x", '"\\ud83d"', '"\\u00zz"'])
def test_what_is_no_json_passes_as_it_is(source):
    back = Restoration(Swaps([Pair("Tova", "Ann")]))
    assert through(Restorer(back, json=True), list(source)) == source


def test_what_json_source_says_and_what_is_beside_it():
    source = '{"a": "x\\u00e9\\nAnn\\t."}'
    start = source.index("Ann")
    assert plain(source, start, start + 3) == ("Ann", "\n", "\t")
    assert plain(source, start - 8, start + 3) == ("\u00e9\nAnn", "x", "\t")


def test_nothing_that_is_kept_for_restoring_is_shown():
    pair = Pair("Tova", "Ann")
    for one in (pair, Swaps([pair]), Restoration.of([pair])):
        assert "Tova" not in repr(one)
        assert "Ann" not in repr(one)
