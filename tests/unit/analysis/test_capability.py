"""The capability head: shapes, classes in order, names, and what it says of strange texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.analysis.capability import capability_head, ladder, plain
from situs.analysis.capability_shape import shape
from situs.analysis.features import see
from situs.core.capability import CapabilityClass
from situs.learning.artefacts import load, shipped

ODD = ["", " ", "\n\n", "\ud800", "a" * 100_000, "9" * 50_000, "A. \nB. \n", "\x00\xff", "½ … é"]
chances = st.dictionaries(st.sampled_from(CapabilityClass), st.floats(0, 1), max_size=5)


@pytest.fixture(scope="module")
def head():
    artefact = load(shipped("capability"))
    return capability_head(artefact.arrays, artefact.card.settings)


@given(st.text())
def test_any_text_has_a_finite_shape_of_one_size(text):
    assert np.isfinite(shape(see(text))).all()
    assert len(shape(see(text))) == len(shape(see("")))


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_get_a_chance_and_are_called_unsure(head, text):
    guess = head(see(text), "frontier")
    assert 0 < guess.probability < 1
    assert guess.unsure


def test_options_and_numbers_are_part_of_a_shape():
    plain_, with_options = "How much is 3.5 and 4?", "How much is 3.5 and 4?\nA. 7\nB. 7.5"
    assert not np.array_equal(shape(see(plain_)), shape(see(with_options)))
    assert not np.array_equal(shape(see(plain_)), shape(see("How much is this and that?")))


@given(chances)
def test_a_higher_class_is_never_less_able(known):
    found = list(ladder(known).values())
    assert found == sorted(found)


def test_a_class_without_results_stands_below_the_one_above_it():
    found = ladder({CapabilityClass.FRONTIER: 0.8})
    assert 0 < found[CapabilityClass.TINY] < found[CapabilityClass.SMALL] < 0.8


@given(st.text(max_size=3000), st.booleans())
def test_the_shipped_head_keeps_classes_in_order(head, text, as_question):
    seen = see(f"What is {text}?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:" if as_question else text)
    said = [guess.probability for guess in head.answers(seen, [*CapabilityClass])]
    assert said == sorted(said)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b-instruct-v0-1"),
        ("Meta-Llama-3_1-8B-Instruct", "meta-llama-3-1-8b-instruct"),
        ("frontier", "frontier"),
    ],
)
def test_a_model_is_known_by_its_name_however_it_is_written(name, kept):
    assert plain(name) == kept


def test_a_known_model_is_the_same_under_any_spelling(head):
    seen = see("If a train goes 60 miles an hour for 3 hours, how many miles is that?")
    first, second = head.answers(seen, ["gpt-4-1106-preview", "openai/GPT-4-1106-preview"])
    assert first.probability == second.probability


def test_several_models_at_once_are_answered_as_one_by_one(head):
    seen = see("Which of these is a prime number?\nA. 4\nB. 6\nC. 7\nD. 9\nAnswer:")
    names = ["gpt-4-1106-preview", "small", "Phi-3-mini-4k-instruct", "unheard-of"]
    assert head.answers(seen, names) == [head(seen, name) for name in names]
    assert "phi-3-mini-4k-instruct" in head.models


STRANGE = {
    "writing": "Write a birthday poem for my sister who loves gardening",
    "chat": "hi! how are you today?",
    "extraction": "Extract the company names: Anna left Acme, Ben stayed at Initech.",
    "summary": "Sum up the minutes below.\n\n"
    + "Anna reported on the budget, which is on track. " * 9,
    "code": "def add(items):\n    total = 0\n    for one in items:\n        total =+ one",
    "sql": "SELECT name, count(*) FROM orders JOIN customers USING (id) GROUP BY name;",
    "json": '{"order": 17, "items": [{"sku": "a-1", "count": 2}], "express": true}',
    "german": "Schreibe bitte einen Brief an meine Vermieterin, dass die Heizung nicht geht.",
    "nepali": "\u092e\u0932\u093e\u0908 \u092d\u094b\u0932\u093f\u0915\u094b",
    "japanese": "\u6765\u9031\u306e\u51fa\u5f35\u306e\u65e5\u7a0b\u3092\u307e\u3068\u3081\u3066",
    "german exam": (
        "Welches der folgenden Organe liegt nicht im Bauch des Menschen?\n"
        "A. Die Leber\nB. Der Magen\nC. Die Lunge\nD. Die Niere\nAnswer:"
    ),
    "french exam": (
        "Lequel de ces organes ne fait pas partie du ventre ?\n"
        "A. Le foie\nB. L'estomac\nC. Le poumon\nD. Le rein\nAnswer:"
    ),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_prompts_unlike_exam_questions_are_unsure(head, kind):
    assert head(see(STRANGE[kind]), "small").unsure


def test_an_exam_question_in_english_is_not_unsure(head):
    text = "Which organ is not in the belly?\nA. Liver\nB. The lung\nC. The kidney\nAnswer:"
    assert not head(see(text), "small").unsure


def test_the_deep_part_of_the_shipped_head_goes_with_the_shipped_encoder():
    settings = load(shipped("capability")).card.settings
    assert settings["encoder"] == load(shipped("encoder")).digest


@given(st.integers(0, 2**32 - 1))
def test_any_vector_gives_chances_in_order_and_changes_nothing_of_what_is_unsure(head, seed):
    vector = np.random.default_rng(seed).standard_normal(384).astype(np.float32)
    vector /= np.linalg.norm(vector)
    seen = see("Which of these is a prime number?\nA. 4\nB. 6\nC. 7\nD. 9\nAnswer:")
    said = head.answers(seen, [*CapabilityClass], vector)
    assert [one.probability for one in said] == sorted(one.probability for one in said)
    assert said != head.answers(seen, [*CapabilityClass])
    strange = see("Write a birthday poem for my sister who loves gardening")
    assert head(strange, "small", vector) == head(strange, "small")
