"""Texts that the names tagger learns from: labels stay on what they name."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.analysis.sensitivity.names_tokens import LIST_BITS, ROWS, Reader
from situs.learning.names import packed
from situs.learning.names_corpus import (
    PAD,
    columns,
    encoded,
    groups,
    known,
    recased,
    refilled,
    with_dates,
)
from situs.learning.names_lists import lists
from situs.learning.names_templates import KINDS, filled, templates
from situs.learning.names_values import OTHERS, Invent, Values, words

CULTURES = 2 + len(OTHERS)
VALUES = Values(
    first=[["Ada", "Grace"]] * CULTURES,
    last=[["Lovelace", "Hopper"]] * CULTURES,
    streets=["High Street"],
    cities=["Lyon"],
    towns=["Dull"],
    countries=["Nepal"],
    regions=["Kent"],
    jobs=["carter"],
)


def invent(seed: int = 1) -> Invent:
    return Invent(VALUES, seed)


def named(labelled):
    text, spans = labelled
    return [(text[start:end], kind) for start, end, kind in spans]


def test_the_same_seed_invents_the_same():
    assert [invent().person() for _ in range(9)] == [invent().person() for _ in range(9)]


@pytest.mark.parametrize("template", templates())
def test_a_template_is_filled_and_its_spans_hold_the_values(template):
    text, spans = filled(template, invent())
    assert not {"{person}", "{line}", "\1", "\2"} & {text, *text.split()}
    places = [place for start, end, _ in spans for place in (start, end)]
    assert places == sorted(places)
    assert all(kind in KINDS and text[start:end].strip() for start, end, kind in spans)


def test_spans_name_what_was_filled_in():
    labelled = filled("{first} of {country} called {phone}", invent())
    assert [kind for _, kind in named(labelled)] == ["person", "location"]
    assert named(labelled)[1][0] == "Nepal"


def test_rows_with_the_same_text_around_their_values_are_one_template():
    rows = [
        {"text": "I am Ann.", "spans": [{"start": 5, "end": 8, "type": "PERSON"}]},
        {"text": "i am  Bo.", "spans": [{"start": 6, "end": 8, "type": "PERSON"}]},
        {"text": "He is Cy.", "spans": [{"start": 6, "end": 8, "type": "PERSON"}]},
    ]
    assert sorted(len(one.texts) for one in groups(rows).values()) == [1, 2]


def test_a_refilled_template_has_labels_on_the_new_values():
    row = {
        "text": "Ann Lee, Box 7, 75001",
        "spans": [
            {"start": 0, "end": 7, "type": "PERSON"},
            {"start": 16, "end": 21, "type": "ADDRESS"},
        ],
    }
    (template,) = groups([row]).values()
    for seed in range(20):
        text, spans = refilled(template, invent(seed), keep=0)
        assert ", Box 7, " in text
        assert [kind for _, _, kind in spans] == ["person", "address"]
        assert any(name in text[slice(*spans[0][:2])] for name in ("Ada", "Grace", "A.", "G."))
        assert any(map(str.isdigit, text[slice(*spans[1][:2])]))


def test_columns_become_sentences_with_labels():
    text = "Ann\tB-PER\nLee\tI-PER\nlives\tO\nin\tO\nLyon\tB-LOC\n.\tO\n\n@bo\tB-PER\nhi\tO\n"
    first, second = columns(text)
    assert first[0] == "Ann Lee lives in Lyon."
    assert named(first) == [("Ann Lee", "person"), ("Lyon", "location")]
    assert named(second) == []


def test_numbered_columns_are_read_too():
    text = "# text = Hi\n1\tAnn\tB-PER\t-\t-\n2\tsang\tO\t-\t-\n"
    assert [named(one) for one in columns(text)] == [[("Ann", "person")]]


def test_a_full_date_takes_the_place_of_what_overlaps_it():
    text = "Ann, born 2001-02-03, May 5, 1999"
    labelled = with_dates((text, [(0, 3, "person"), (10, 14, "address")]))
    assert named(labelled) == [("Ann", "person"), ("2001-02-03", "date"), ("May 5, 1999", "date")]


def test_types_that_are_no_kind_are_left_out():
    assert known([(0, 1, "GPE"), (2, 3, "PRODUCT")]) == [(0, 1, "location")]


@given(st.text(), st.integers(0, 50))
def test_another_case_keeps_every_offset(text, seed):
    assert len(recased((text, []), random.Random(seed))[0]) == len(text)


def test_tokens_are_tagged_where_their_names_stand():
    reader = Reader(np.zeros(1 << LIST_BITS, np.uint8))
    rows = encoded([("Ann Lee sang", [(0, 7, "person")])], reader, invented=True)
    person = 1 + 2 * KINDS.index("person")
    assert rows.tags[PAD : PAD + 4].tolist() == [person, person + 1, 0, -1]
    assert rows.invented.tolist() == (rows.tags > 0).tolist()
    assert not rows.rows[:PAD].any()
    assert rows.rows.max() < ROWS


def test_words_are_on_the_lists_they_come_from():
    table = lists(VALUES)
    reader = Reader(table)
    lanes = reader.read(["Nepal avenue gmbh zzyzx"]).rows[:, 5] - (ROWS - 256)
    assert [int(lane) & 0b1110000 for lane in lanes] == [16, 32, 64, 0]


def test_words_of_names_are_small_letters_without_numbers():
    assert words(["St. Moritz 7", "Île-d'Or"]) == {"st", "moritz", "île", "or"}


def test_the_packed_table_is_near_the_learned_one():
    table = np.random.default_rng(1).normal(0, 0.1, (50, 4)).astype(np.float32)
    found = packed({"table": table, "w": np.ones((2, 2), np.float32)})
    assert found["table"].dtype == np.int8
    assert np.abs(found["table"] * found["scale"] - table).max() < 2 * found["scale"]
    assert found["w"].dtype == np.float16
