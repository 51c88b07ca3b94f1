"""Names: tokens that point into the text, and what the tagger of the package finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.analysis.sensitivity.names import REACH, _Tagger, portions, tagger
from situs.analysis.sensitivity.names_tokens import LANES, LIST_BITS, ROWS, Reader, Tokens, places
from situs.learning.versions import open_version

ANY = st.text(st.characters(exclude_categories=()))


@pytest.fixture(scope="module")
def reader():
    return Reader(np.zeros(1 << LIST_BITS, np.uint8))


@pytest.fixture(scope="module")
def artefact():
    return open_version("names", None, None)


@pytest.fixture(scope="module")
def find(artefact):
    return tagger(artefact.arrays, artefact.card.settings)


def tokens(reader, text):
    found = reader.read([text])
    return [text[start:end] for start, end in zip(found.start, found.end, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("   \r ", []),
        ("Dear Mr. O'Brien", ["Dear", "Mr", ".", "O", "'", "Brien"]),
        ("a1\n\n\tb", ["a1", "\n\n", "\t", "b"]),
        ("--..-", ["--", "..", "-"]),
        ("Müller, नेपाल 東京!", ["Müller", ",", "नेपाल", "東京", "!"]),
        ("x😀y\ud800z", ["x", "😀", "y", "\ud800", "z"]),
    ],
)
def test_tokens_are_words_and_runs_of_one_sign(reader, text, expected):
    assert tokens(reader, text) == expected


@given(text=ANY)
def test_tokens_cover_all_but_spaces_in_order(text, reader):
    found = reader.read([text])
    covered = [place for pair in zip(found.start, found.end, strict=True) for place in range(*pair)]
    assert covered == sorted(set(covered))
    assert all(text[place].isspace() for place in set(range(len(text))) - set(covered))
    assert found.rows.shape == (len(found.start), LANES)
    assert not found.rows.size or (found.rows.min() > 0 and found.rows.max() < ROWS)


def test_case_and_accents_do_not_change_the_word_but_its_shape(reader):
    first, second, third = reader.read(["Dávila davila DAVILA"]).rows
    assert first[0] == second[0] == third[0]
    assert len({first[3], second[3], third[3]}) == 3


def test_only_words_that_are_on_a_list_are_marked():
    table = np.zeros(1 << LIST_BITS, np.uint8)
    for probe in (0, 1):
        table[places(Reader(table).words(["kathmandu"]), probe)] |= 4
    marked = Reader(table).read(["Kathmandu kathmandu Kathmand"]).rows[:, LANES - 1]
    assert [int(row) - (ROWS - 256) for row in marked] == [4, 4, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My name is Maria Jensen.", [("person", "Maria Jensen")]),
        ("my name is maria jensen", [("person", "maria jensen")]),
        ("Please call Sita Shrestha tomorrow", [("person", "Sita Shrestha")]),
        ("Then Okafor and Wei Zhang agreed", [("person", "Okafor"), ("person", "Wei Zhang")]),
        ("Ship it to 12 Hill Road please", [("address", "12 Hill Road")]),
        ("She works for Northwind Ltd in Lyon", [("organisation", None), ("location", "Lyon")]),
        ("born on 1984-03-12", [("date", "1984-03-12")]),
    ],
)
def test_names_are_found_where_they_stand(find, text, expected):
    found = [(one.kind, text[one.start : one.end]) for one in find([text])]
    assert [kind for kind, _ in found] == [kind for kind, _ in expected]
    for (_, value), (_, wanted) in zip(found, expected, strict=True):
        assert wanted in (None, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "How do I open a file for reading and count its lines?",
        "for i in range(10):\n    total += prices[i]\nreturn total / len(prices)",
        "SELECT id, price FROM orders WHERE total > 100 LIMIT 5;",
        "12 + 30 = 42, and 42 / 6 = 7",
        "cut two onions and cook them slowly for twenty minutes",
        '{"port": 8080, "debug": false, "level": "info"}',
    ],
)
def test_text_without_names_has_no_findings(find, text):
    assert find([text]) == []


def test_findings_are_in_order_and_do_not_overlap(find):
    texts = ["Ann Lee met Bo Chen in Lyon.", "", "No one here.", "Dear Maria, greetings to Peter!"]
    found = find(texts)
    places = [(one.part, edge) for one in found for edge in (one.start, one.end)]
    assert places == sorted(places)
    assert {one.part for one in found} == {0, 3}
    assert all(one.detector == "names" and not one.checked and 0 < one.score <= 1 for one in found)


@given(text=ANY)
def test_any_text_is_read_and_findings_lie_within(text, find):
    assert all(0 <= one.start < one.end <= len(text) for one in find([text, text]))


def test_a_name_is_found_alike_wherever_it_stands(find):
    filler = "and so it goes on and on for a long while . " * 400
    text = f"{filler}my name is Maria Jensen . {filler}"
    names = [one for one in find([text]) if one.kind == "person"]
    assert [text[one.start : one.end] for one in names] == ["Maria Jensen"]


def test_nothing_depends_on_tokens_farther_away_than_the_reach(artefact, reader):
    probabilities = _Tagger(artefact.arrays, artefact.card.settings).probabilities
    whole = reader.read(["Ann Lee of Lyon sold 12 Hill Road to Bo Chen and Co . " * 200])
    scores = probabilities(whole)
    for middle in (REACH, 1020, 1027, len(whole.part) - 1 - REACH):
        stretch = slice(middle - REACH, middle + REACH + 1)
        part = Tokens(*(getattr(whole, name)[stretch] for name in Tokens.__struct_fields__))
        np.testing.assert_allclose(probabilities(part)[REACH], scores[middle], atol=1e-5)


@given(texts=st.lists(ANY, max_size=6))
def test_texts_do_not_see_each_other(texts, reader):
    together = reader.read(texts)
    for part, text in enumerate(texts):
        alone, mine = reader.read([text]), together.part == part
        assert together.start[mine].tolist() == alone.start.tolist()
        assert together.end[mine].tolist() == alone.end.tolist()
        assert together.rows[mine].tolist() == alone.rows.tolist()


def test_findings_of_many_texts_are_those_of_each(find):
    texts = ["Dear Maria,", "", "Lyon", "\0", "Ann Lee met Bo.", "Chen lives at 12 Hill Road"] * 40
    alone = [
        (part, one.kind, one.start, one.end)
        for part, text in enumerate(texts)
        for one in find([text])
    ]
    assert [(one.part, one.kind, one.start, one.end) for one in find(texts)] == alone


def test_one_endless_word_is_one_token(find, reader):
    assert len(reader.read(["a" * 1_000_000]).start) == 1
    assert len(find(["a" * 1_000_000])) <= 1


@given(st.lists(st.text("ab \n", max_size=60), max_size=12), st.integers(300, 400))
def test_portions_are_all_of_the_texts_in_order_and_bounded(texts, most):
    texts = [text * 9 for text in texts]
    rebuilt = [""] * len(texts)
    for portion in portions(texts, most):
        assert sum(len(piece) for _, _, piece in portion) <= most
        for part, at, piece in portion:
            assert at == len(rebuilt[part])
            rebuilt[part] += piece
    assert rebuilt == texts


def test_names_in_a_long_text_are_found_in_all_of_it(find):
    line = "Please ask Margaret Thompson about the delivery to the warehouse.\n"
    text = line * 3000
    found = [one for one in find([text, line]) if one.kind == "person"]
    assert {text[one.start : one.end] for one in found if one.part == 0} == {"Margaret Thompson"}
    assert len([one for one in found if one.part == 0]) == 3000
    assert [one.part for one in found].count(1) == 1
