"""Capability is learned from results: rows of a prompt, a model, and how good its answer was."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from situs.analysis.capability import capability_head
from situs.analysis.features import see
from situs.errors import OperatorError
from situs.learning.artefacts import Card, load, save
from situs.learning.capability import fit, join, learn_subjects

EASY = "Name the colour of the {} flower in garden number {}"
HARD = "Derive the integral of the {} function over interval number {}"
KINDS = ("red", "tall", "late", "wild", "small", "old")


def results(count=120, strong="big", weak="little"):
    """The strong model is always right, the weak one at easy prompts alone."""
    rows = []
    for at in range(count):
        text = (HARD if at % 2 else EASY).format(KINDS[at % len(KINDS)], at)
        rows.append({"prompt": text, "model": strong, "correct": True})
        rows.append({"prompt": text, "model": weak, "correct": at % 2 == 0})
    return rows


def test_what_only_the_strong_model_could_do_is_told_apart():
    head = capability_head(*fit(results()))
    easy, hard = (head(see(one.format("red", 500)), "little") for one in (EASY, HARD))
    assert easy.probability > 0.7 > 0.3 > hard.probability
    assert head(see(HARD.format("red", 500)), "big").probability > 0.9


def test_what_was_learned_from_is_not_called_unsure_but_other_text_is():
    head = capability_head(*fit(results()))
    assert not head(see(EASY.format("red", 7)), "little").unsure
    assert head(see("{}\n" * 300), "little").unsure


def test_the_same_rows_teach_the_same():
    first, second = fit(results())[0], fit(results())[0]
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_models_may_have_results_of_different_prompts():
    rows = results()
    extra = [{**row, "model": "third", "correct": 0.25} for row in rows[:80:2]]
    head = capability_head(*fit(rows + extra))
    assert head(see(EASY.format("red", 7)), "third").probability == pytest.approx(0.25, abs=0.01)


def test_classes_of_models_answer_for_models_without_results():
    head = capability_head(*fit(results(), None, {"big": "frontier", "little": "small"}))
    seen = see(HARD.format("red", 500))
    assert head(seen, "frontier").probability == head(seen, "big").probability
    assert head(seen, "tiny").probability < head(seen, "small").probability + 1e-9


def test_of_several_sets_of_results_the_one_like_the_prompt_answers():
    other = [
        {"prompt": f"[{at}] $x^{at}$ = \\frac{{{at}}}{{2}}\nA. 1\nB. 2", "model": "big",
         "correct": False}
        for at in range(60)
    ]  # fmt: skip
    head = capability_head(*join([fit(results()), fit(other)]))
    assert head(see(EASY.format("red", 7)), "big").probability > 0.9
    assert head(see(str(other[7]["prompt"])), "big").probability < 0.1


def test_subjects_told_from_names_help_where_words_are_new():
    topics = [(f"{word} {at}", word) for at in range(20) for word in ("algebra", "poetry", "law")]
    subjects = learn_subjects([text for text, _ in topics], [label for _, label in topics])
    arrays, settings = fit(results(), subjects)
    assert {name for name in arrays if name.startswith("subjects.")} == set(subjects)
    assert capability_head(arrays, settings).subjects is not None


def encode(texts):
    """Vectors that tell what no word does: whether the number in a text is a multiple of four."""
    found = np.zeros((len(texts), 16), np.float32)
    for at, text in enumerate(texts):
        number = int(re.findall("[0-9]+", text)[-1])
        found[at, number % 4] = 1
    return found


def hidden(count=240):
    """Right at every fourth number, whatever the words are."""
    return [
        {"prompt": EASY.format(KINDS[at % 5], 1000 + at), "model": "big", "correct": at % 4 == 0}
        for at in range(count)
    ]


def test_what_only_vectors_tell_is_learned_from_them():
    head = capability_head(*fit(hidden(), encode=encode))
    assert head.reads_vectors
    texts = [EASY.format("red", number) for number in (1500, 1501)]
    multiple, other = (
        head(see(text), "big", vector).probability
        for text, vector in zip(texts, encode(texts), strict=True)
    )
    assert multiple > other + 0.1
    apart = [head(see(text), "big").probability for text in texts]
    assert abs(apart[0] - apart[1]) < 0.05


def test_without_a_vector_a_head_with_a_deep_part_says_what_one_without_it_says():
    plain, deep = capability_head(*fit(hidden())), capability_head(*fit(hidden(), encode=encode))
    seen = see(EASY.format("red", 1500))
    assert not plain.reads_vectors
    assert plain(seen, "big") == deep(seen, "big") == plain(seen, "big", np.ones(16, np.float32))


def test_all_that_goes_with_one_encoder_is_named_deep():
    plain, deep = fit(hidden())[0], fit(hidden(), encode=encode)[0]
    assert all(np.array_equal(one, deep[name]) for name, one in plain.items())
    assert all(name.startswith("deep_") for name in set(deep) - set(plain))


def test_joined_sets_keep_their_deep_parts_and_the_encoder_they_were_fitted_to():
    arrays, settings = fit(hidden(), encode=encode)
    joined, said = join([fit(results(strong="other")), (arrays, {**settings, "encoder": "ab"})])
    assert said["encoder"] == "ab"
    first, second = capability_head(joined, said).fits
    assert first.deep is None
    assert second.deep is not None
    text = EASY.format("red", 1500)
    alone, both = capability_head(arrays, settings), capability_head(joined, said)
    (vector,) = encode([text])
    assert both(see(text), "big", vector) == alone(see(text), "big", vector)


@pytest.mark.parametrize("size", [16, 8])
def test_subjects_are_told_from_vectors_of_the_encoder_that_taught_them_alone(size):
    labels = [str(at % 10) for at in range(200)]
    prompts = [f"{'abcdefghij'[at % 10] * 3} is number {at} of the list" for at in range(200)]
    rows = [
        {"prompt": text, "model": "big", "correct": at % 10 < 5} for at, text in enumerate(prompts)
    ]

    def topics(texts):
        rng = np.random.default_rng(5)
        ways = rng.standard_normal((256, 16)).astype(np.float32)
        return np.array([ways[ord(text[0])] / np.linalg.norm(ways[ord(text[0])]) for text in texts])

    subjects = learn_subjects(prompts, labels, topics)
    head = capability_head(*fit(rows, subjects, None, lambda texts: topics(texts)[:, :size]))
    (vector,) = topics(["aaa"])
    assert (head.deep_subjects is None) == (size == 8)
    assert head(see("aaa is number 7 of the list"), "big", vector[:size]).probability > 0.7
    if head.deep_subjects is not None:
        assert head.deep_subjects.shares(vector).argmax() == 0


def test_it_survives_being_kept_as_an_artefact(tmp_path):
    arrays, settings = fit(results())
    card = Card(1, "capability", "1", "test", (), json.loads(json.dumps(settings)), {}, {})
    save(tmp_path / "1", card, arrays)
    kept = load(tmp_path / "1")
    seen = see(HARD.format("red", 500))
    before, after = capability_head(arrays, settings), capability_head(kept.arrays, settings)
    assert before(seen, "little") == after(seen, "little")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (results(20), "20 prompts with results are too few"),
        ([*results(), {"prompt": "x", "model": "big", "correct": 7}], "not between 0 and 1"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(rows, said):
    with pytest.raises(OperatorError, match=said):
        fit(rows)
