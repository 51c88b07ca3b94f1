"""Training is the same each time, learns what it is shown, and packs it with little loss."""

import numpy as np
import pytest

from situs.analysis.effort import complexity_head, length_head
from situs.analysis.features import see
from situs.analysis.task_head import TaskHead
from situs.errors import OperatorError
from situs.learning.tasks import CLASSES, bags, fit, scores, text_of, typos, varied
from situs.learning.tasks_effort import Answered, Exam, learn_complexity, learn_length
from situs.learning.tasks_sources import Prompt, digest, prompts, ways
from situs.learning.tasks_train import Told, assembled, deepened, threshold

VERBS = {"translation": "Translate", "code": "Program", "chat": "Hello,"}
THINGS = ("rain", "a house", "my cat", "the old bridge", "tea", "a long letter", "winter", "this")


def rows():
    return [
        Prompt(f"{verb} {thing} {number}", "", label, "made")
        for label, verb in VERBS.items()
        for thing in THINGS
        for number in range(6)
    ]


def learned():
    made = rows()
    read = bags([text_of(one) for one in made])
    labels = np.array([CLASSES.index(one.label) for one in made])
    every = np.arange(len(made))
    model, rare = fit(read, labels, np.ones(len(made), np.float32), every)
    return model, rare, Told(scores(model, rare, read, every), labels)


def test_a_head_learns_what_it_is_shown():
    model, rare, told = learned()
    arrays, settings = assembled(model, rare, told)
    head = TaskHead(arrays, settings)
    for label, verb in VERBS.items():
        assert head(see(f"{verb} a bicycle")).name == label


def test_packed_tables_say_what_the_fit_said():
    model, rare, told = learned()
    head = TaskHead(*assembled(model, rare, told))
    for row, scored in zip(rows(), told.scores, strict=True):
        found = head.scores(see(text_of(row)))
        assert found.argmax() == scored.argmax()
        assert found == pytest.approx(scored, abs=0.15)


def test_the_same_rows_give_the_same_tables():
    one, two = learned()[0], learned()[0]
    assert (one.grams == two.grams).all()
    assert (one.marks == two.marks).all()


def test_the_deep_layer_helps_where_vectors_know_more():
    model, rare, told = learned()
    vague = Told(np.zeros_like(told.scores), told.labels)
    vectors = np.eye(len(CLASSES), dtype=np.float32)[told.labels]
    arrays, settings = deepened(vague, 1.0, vectors)
    head = TaskHead(
        {
            **assembled(model, rare, told)[0],
            **arrays,
            "bias": np.zeros(len(CLASSES), np.float32),
        },
        {"classes": CLASSES, "temperature": 1, "threshold": 0.5, **settings},
    )
    assert head(see("Something else"), vectors[0]).name == CLASSES[told.labels[0]]


def test_a_threshold_is_where_those_above_it_are_mostly_right():
    said = np.array([[0.3, 0.2], [0.5, 0.4], [0.9, 0.1], [0.95, 0.05]], np.float32)
    assert threshold(said, np.array([1, 1, 0, 0])) == pytest.approx(0.51)


def test_variations_depend_on_the_prompt_alone():
    made = rows()
    assert [varied(one, made) for one in made] == [varied(one, made) for one in made]
    assert any(varied(one, made) != text_of(one) for one in made)
    assert any(varied(one, made, 1) != varied(one, made) for one in made)


def test_typos_keep_most_letters():
    text = "a sentence that is long enough to have some mistakes in it " * 5
    found = typos(text, np.random.default_rng(1))
    assert found != text
    assert abs(len(found) - len(text)) < len(text) // 10


def test_who_is_kept_apart_depends_on_the_instruction_alone():
    one = Prompt("Say it", "", "chat", "made")
    assert one.apart == Prompt(" say IT ", "other", "code", "x").apart
    assert digest("Say it") == digest("say it ")


def test_there_are_ways_to_ask_for_all_tasks_in_english_and_all_but_talk_in_others():
    assert set(ways()["english"]) == set(CLASSES)
    assert set(ways()["tongues"]) == set(CLASSES) - {"chat"}


def test_a_folder_without_the_sets_is_refused(tmp_path):
    with pytest.raises(OperatorError, match="dolly15k"):
        prompts(tmp_path)


def test_complexity_learns_from_shares_of_right_answers():
    made = [
        Exam(f"{kind} question {number}", (share, share, 1.0))
        for kind, share in (("Easy", 1.0), ("Hard", 0.0))
        for number in range(60)
    ]
    head = complexity_head(*learn_complexity(made))
    easy, hard = head.right(see("Easy question 7")), head.right(see("Hard question 7"))
    assert easy[0] > 0.6 > hard[0]


def test_length_learns_the_usual_length_of_a_task():
    draw = np.random.default_rng(2)
    made = [
        Answered(f"Ask {number} {task}", task, float(chars * np.exp(draw.normal(0, 0.5))))
        for task, chars in (("chat", 80), ("code", 2000))
        for number in range(200)
    ]
    head = length_head(*learn_length(made))
    chat, code = head(see("Ask 7 chat"), "chat"), head(see("Ask 7 code"), "code")
    assert chat.low < 20 < chat.high
    assert code.low < 500 < code.high
    assert code.expected > 8 * chat.expected
