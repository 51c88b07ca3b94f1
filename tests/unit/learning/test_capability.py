"""Capability is learned from results: rows of a prompt, a model, and how good its answer was."""

from __future__ import annotations

import json

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
