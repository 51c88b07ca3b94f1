"""What the encoder learns from, and how batches are drawn; tuning itself needs packages apart."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.errors import OperatorError
from situs.learning.encoder import arranged, drawn, needed, negatives
from situs.learning.encoder_sources import (
    Utterance,
    _bot_framework,
    _home,
    _rasa,
    apart,
    barred,
    capped,
    cited,
    normal,
    utterances,
)


def said(text, intent="greet", group="bank", source="STAR"):
    return Utterance(source, group, intent, text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("What's  MY balance?", "whats my balance"),
        ("\uff28\uff45\uff4c\uff4c\uff4f!", "hello"),
        ("...", ""),
    ],
)
def test_texts_are_compared_without_case_signs_and_spaces(text, plain):
    assert normal(text) == plain


@given(st.text())
def test_normal_of_normal_is_the_same(text):
    assert normal(normal(text)) == normal(text)


def test_barred_texts_repeated_ones_and_unclear_ones_are_left_out():
    rows = [
        *(said(text) for text in ("Hello!", "good day", "hello", "How are you?")),
        said("thanks", "thank"),
        said("cheers", "thank"),
        said("cheers", "toast"),
        said("my card is gone", "lost"),
        said("well then", ""),
    ]
    kept = apart(rows, {normal("how are you")})
    assert [row.text for row in kept] == ["Hello!", "good day", "well then"]


def test_a_set_to_keep_clear_of_is_read_from_json_lines_and_csv(tmp_path):
    lines, table = tmp_path / "a.jsonl", tmp_path / "b.csv"
    lines.write_text(json.dumps({"text": "Hello!", "intent": "greet"}) + "\n")
    table.write_text('text,category\n"Where, then?",place\n')
    assert barred([lines, table]) == {"hello", "where then"}


def test_of_each_intent_so_many_rows_and_the_same_each_time():
    rows = [said(f"text {number}", intent) for intent in ("a", "b") for number in range(9)]
    few = capped(rows, 4)
    assert [row.intent for row in few] == ["a"] * 4 + ["b"] * 4
    assert few == capped(rows, 4)
    (source,) = cited(few)
    assert (source.name, source.rows, source.licence) == ("STAR", 8, "MIT")


def test_a_folder_without_the_repositories_says_which_is_missing(tmp_path):
    with pytest.raises(OperatorError, match="cannot be read"):
        utterances(tmp_path)


def test_language_files_of_the_bot_framework_are_read(tmp_path):
    place = tmp_path / "botframework-solutions/skill/en-us"
    place.mkdir(parents=True)
    (place / "Music.lu").write_text(
        "# PlayMusic\n- play {Artist=some {Genre=jazz}}\n- play {Title}\n# None\n- go away\n"
        "@ ml Artist\n- no utterance\n"
    )
    other = tmp_path / "botframework-solutions/skill/de-de"
    other.mkdir()
    (other / "Music.lu").write_text("# PlayMusic\n- spiel Jazz\n")
    assert list(_bot_framework(tmp_path)) == [
        ("bot framework", "music.PlayMusic", "play some jazz"),
        ("bot framework", "", "go away"),
    ]


def test_both_forms_of_rasa_files_are_read(tmp_path):
    old, new = tmp_path / "small-talk-rasa-stack/data", tmp_path / "NLU-training-data/bank"
    for place in (old, new):
        place.mkdir(parents=True)
    (old / "nlu.md").write_text("## intent:greet\n- hi\n- hey [you](name)\n\n## lookup:x\n- no\n")
    (new / "nlu.yml").write_text("nlu:\n- intent: lost\n  examples: |\n    - my [card]{'a': 'b'}\n")
    assert [row[1:] for row in _rasa(tmp_path)] == [
        ("lost", "my card"),
        ("greet", "hi"),
        ("greet", "hey you"),
    ]


def test_templates_are_written_out(tmp_path):
    place = tmp_path / "intents/sentences/en"
    place.mkdir(parents=True)
    (place / "_common.yaml").write_text("expansion_rules:\n  start: '(turn|switch) on'\n")
    (place / "light.yaml").write_text(
        "intents:\n  On:\n    data:\n    - sentences: ['<start> [the] light']\n"
    )
    found = {" ".join(text.split()) for _, _, text in _home(tmp_path)}
    ways = {f"{verb} on{the} light" for verb in ("turn", "switch") for the in ("", " the")}
    assert found <= ways
    assert len(found) > 1


def two_groups():
    rows = [
        said(f"{intent} {number}", intent, group)
        for group, intents in (("bank", "ab"), ("shop", "cd"), ("alone", "e"))
        for intent in intents
        for number in range(4)
    ]
    vectors = np.eye(5, 8, dtype=np.float32)[["abcde".index(row.intent) for row in rows]]
    vectors[[row.intent == "c" for row in rows]] = vectors[0]
    return rows, arranged(rows, vectors)


def test_a_group_with_one_intent_is_not_drawn_from():
    rows, intents = two_groups()
    places, labels = drawn(intents, 40, np.random.default_rng(0))
    assert {rows[place].group for place in places} == {"bank", "shop"}
    assert all(place in intents.rows[label] for place, label in zip(places, labels, strict=True))


def test_intents_of_other_groups_that_look_alike_are_no_negatives():
    _, intents = two_groups()
    apart_ = negatives(intents, np.array([0, 1, 2, 3]))
    assert apart_.tolist() == [
        [False, True, False, True],
        [True, False, True, True],
        [False, True, False, True],
        [True, True, True, False],
    ]


def test_what_shares_a_label_is_no_negative():
    rows = [
        said(f"{intent} {n}", intent)
        for intent in ("pay", "pay+card", "lost+card")
        for n in range(2)
    ]
    intents = arranged(rows, np.eye(6, dtype=np.float32))
    assert negatives(intents, np.array([0, 1, 2])).sum() == 2


def test_a_missing_package_is_told():
    with pytest.raises(OperatorError, match="needs the package"):
        needed("no_such_package_at_all")
