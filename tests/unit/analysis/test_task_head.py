"""What is asked is found in a prompt, and a head's tables decide which task it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.analysis.features import rows, see
from situs.analysis.task_head import GRAM_BITS, MARK_BITS, TaskHead, asked, marked

CLASSES = ["code", "chat", "translation"]
LONG = "A long line that is given and asks for nothing at all, " * 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("   \n\t ", ""),
        ("Who was the first king?", "Who was the first king?"),
        ("Translate this into German, please.\n" + LONG, "Translate this into German, please."),
        (LONG + "\n\nTranslate this into German.", "Translate this into German. " + LONG[:64]),
        ("Summarise:\n\nthe text that follows here", "Summarise: the text that follows here"),
        (
            'Put this into French: "do write me a python function that sorts a list"',
            "Put this into French:",
        ),
        ("Why does this fail?\n```\nSELECT 1 FROM t\n```", "Why does this fail?"),
        (
            "> an earlier mail that asks for a poem\nSay no to this politely.",
            "Say no to this politely.",
        ),
        ("```\nx = 1\n```", "``` x = 1 ```"),
    ],
)
def test_what_is_asked_is_found_without_what_is_quoted(text, expected):
    assert asked(text) == expected


@given(st.text(max_size=6000))
def test_what_is_asked_is_never_long(text):
    assert len(asked(text)) <= 600


def test_a_question_at_the_end_of_a_long_line_is_seen():
    assert asked(see("some words " * 900 + "Is that so?").text).endswith("Is that so?")


def head(weights, threshold=0.5, **arrays):
    """A head in which a word speaks for a class."""
    grams = np.zeros((1 << GRAM_BITS, len(CLASSES) + 1), np.int8)
    grams[:, 0] = 1
    for word, name in weights.items():
        grams[rows(see(word).words, GRAM_BITS), 1 + CLASSES.index(name)] = 100
    settings = {
        "classes": CLASSES,
        "temperature": 0.5,
        "threshold": threshold,
        "deep_threshold": threshold,
    }
    marks = np.zeros((1 << MARK_BITS, len(CLASSES) + 1), np.int8)
    plain = {"grams": grams, "marks": marks, "scale": np.ones(2, np.float32)}
    return TaskHead({**plain, "bias": np.zeros(3, np.float32), **arrays}, settings)


DEEP = {
    "deep_fast": np.zeros((3, 3), np.float32),
    "deep_vector": np.eye(3, dtype=np.float32) * 10,
    "deep_bias": np.zeros(3, np.float32),
}


def test_the_words_asked_decide():
    found = head({"translate": "translation"})(see("translate that"))
    assert found.name == "translation"
    assert not found.unsure


def test_without_a_word_it_knows_it_is_unsure():
    found = head({"translate": "translation"})(see("good day"))
    assert found.unsure
    assert found.probability == pytest.approx(1 / 3)


def test_a_vector_counts_where_there_is_a_deep_layer():
    vector = np.array([0, 1, 0], np.float32)
    seen = see("translate that")
    assert head({"translate": "translation"}, **DEEP)(seen, vector).name == "chat"
    assert head({"translate": "translation"})(seen, vector).name == "translation"


def test_among_some_tasks_the_others_count_for_nothing():
    found = head({"translate": "translation", "that": "chat"}).among(
        see("translate that"), None, {"chat", "code"}
    )
    assert found.name == "chat"
    assert found.probability > 0.9


@given(st.text())
def test_probabilities_sum_to_one_for_any_text(text):
    said = head({"translate": "translation"}, **DEEP).probabilities(see(text))
    assert float(said.sum()) == pytest.approx(1, abs=1e-5)
    assert (said >= 0).all()


@pytest.mark.parametrize(
    "text", ["", " ", "x" * 1_000_000, "\ud800 a", "\0\1\2", "a\n" * 100_000, '"' * 5000]
)
def test_bad_input_has_a_bounded_number_of_features(text):
    grams, marks = marked(see(text))
    assert len(grams) <= 4 * 4 * 700
    assert len(marks) <= 30
