"""Each figure counts what it says; labels are tasks, or are mapped to tasks."""

import numpy as np
import pytest

from situs.analysis.features import rows, see
from situs.analysis.task_head import GRAM_BITS, MARK_BITS, TaskHead
from situs.core.heads import Heads
from situs.errors import ConfigError, OperatorError
from situs.learning.tasks_sources import DOLLY
from situs.studies.eval_tasks import evaluate

CLASSES = ["code", "chat", "translation", *sorted(set(DOLLY.values()))]


def head(**words):
    """A word speaks for a class; without one all are equal, and it is unsure."""
    grams = np.zeros((1 << GRAM_BITS, len(CLASSES) + 1), np.int8)
    grams[:, 0] = 1
    for word, name in words.items():
        grams[rows(see(word).words, GRAM_BITS), 1 + CLASSES.index(name)] = 100
    count = len(CLASSES)
    arrays = {
        "grams": grams,
        "marks": np.zeros((1 << MARK_BITS, count + 1), np.int8),
        "scale": np.ones(2, np.float32),
        "bias": np.zeros(count, np.float32),
        "deep_fast": np.zeros((count, count), np.float32),
        "deep_vector": np.eye(2, count, dtype=np.float32) * 50,
        "deep_bias": np.zeros(count, np.float32),
    }
    settings = {"classes": CLASSES, "temperature": 0.2, "threshold": 0.6, "deep_threshold": 0.6}
    return TaskHead(arrays, settings)


def row(text, label):
    return {"text": text, "label": label}


def test_right_and_wrong_are_counted_by_class():
    seen = evaluate(
        [row("translate it", "translation"), row("hello there", "chat"), row("hello", "code")],
        Heads(task=head(translate="translation", hello="chat")),
    )
    assert seen["accuracy"] == pytest.approx(2 / 3)
    assert seen["confusion"] == {
        "chat": {"chat": 1},
        "code": {"chat": 1},
        "translation": {"translation": 1},
    }
    assert seen["macro_f1"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert seen["ece"] == pytest.approx(1 / 3, abs=0.01)
    assert seen["deep_share"] == 0


def test_predictions_are_among_the_tasks_of_the_labels_unless_open():
    rows = [row("translate hello", "chat"), row("hello", "chat")]
    heads = Heads(task=head(translate="translation", hello="chat"))
    assert evaluate(rows, heads)["accuracy"] == 1
    rows = [row("translate it", "chat"), row("hello", "chat")]
    assert evaluate(rows, heads, open_=True)["accuracy"] == 0.5


def test_categories_of_dolly15k_are_mapped_and_its_questions_merged():
    rows = [row("hello", "general_qa"), row("translate", "open_qa")]
    heads = Heads(task=head(hello="open_qa", translate="open_qa"))
    seen = evaluate(rows, heads)
    assert set(seen["confusion"]) == {"advice", "open_qa"}
    assert seen["accuracy"] == 0.5
    assert seen["questions_merged_macro_f1"] == 1


def test_where_questions_are_one_class_advice_counts_as_one_of_them():
    heads = Heads(task=head(hello="advice", translate="translation"))
    rows = [row("hello", "question"), row("translate", "translation")]
    seen = evaluate(rows, heads, {"question": "open_qa"})
    assert seen["accuracy"] == 1


def test_a_map_says_which_tasks_labels_mean():
    heads = Heads(task=head(hello="chat"))
    assert evaluate([row("hello", "talk")], heads, {"talk": "chat"})["accuracy"] == 1


@pytest.mark.parametrize("label", ["talk", None])
def test_a_label_that_is_no_task_is_refused_with_its_row(label):
    with pytest.raises(ConfigError, match="row 2"):
        evaluate([row("hello", "chat"), row("hello", label)], Heads(task=head()))
    with pytest.raises(ConfigError, match="f:7: its label"):
        evaluate([{"at": "f:7", **row("hello", label)}], Heads(task=head()))


def test_the_encoder_is_asked_only_where_the_head_is_unsure():
    asked = []

    def encode(texts):
        asked.extend(texts)
        return np.array([[1, 0]] * len(texts), np.float32)

    heads = Heads(task=head(hello="chat"), encode=encode)
    seen = evaluate([row("hello", "chat"), row("what now", "code")], heads)
    assert asked == ["what now"]
    assert (seen["deep_share"], seen["accuracy"]) == (0.5, 1)


def test_where_the_deep_tier_is_shed_the_fast_one_answers():
    heads = Heads(task=head(), encode=lambda texts: None)
    assert evaluate([row("what now", "code")], heads)["deep_share"] == 0


def test_without_rows_figures_do_not_apply():
    seen = evaluate([], Heads(task=head()))
    assert seen["macro_f1"] is None
    assert seen["p50_ms"] is None


def test_without_a_trained_head_it_says_so():
    with pytest.raises(OperatorError, match="no trained task head"):
        evaluate([row("hello", "chat")], Heads())
