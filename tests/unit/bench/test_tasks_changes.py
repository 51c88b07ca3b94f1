"""Prompts said otherwise: the wish stays, the words change, the same ones each time."""

import pytest
from bench.tasks_changes import CHANGES

from situs.learning.tasks_sources import Prompt

WISH = Prompt(
    "Please write a short story about the sea. Use ten words.", "", "creative_writing", "x"
)
QUESTION = Prompt("Why is the sea salty?", "Rivers carry salt.", "closed_qa", "x")
OTHER = Prompt("sea, salt, ships", "", "brainstorming", "x")


@pytest.mark.parametrize(
    ("change", "prompt", "said"),
    [
        ("none", QUESTION, "Why is the sea salty?\nRivers carry salt."),
        ("instruction last", QUESTION, "Rivers carry salt.\n\nWhy is the sea salty?"),
        ("passive", WISH, "A short story about the sea should be written. Use ten words."),
        ("passive", QUESTION, "Why is the sea salty?\nRivers carry salt."),
        ("other words", WISH, "Kindly write a brief tale about the sea. Use ten words."),
        ("other words", QUESTION, "How come is the sea salty?\nRivers carry salt."),
        ("wish as question, question as statement", OTHER, "sea, salt, ships"),
    ],
)
def test_it_is_said_as_the_rule_has_it(change, prompt, said):
    assert CHANGES[change](prompt) == said


def test_a_wish_becomes_a_question_and_a_question_a_statement():
    turned = CHANGES["wish as question, question as statement"]
    first, _, rest = turned(WISH).partition("?")
    assert first.endswith("write a short story about the sea")
    assert rest == " Use ten words."
    assert turned(QUESTION).endswith("why is the sea salty.\nRivers carry salt.")


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_prompt_is_said_the_same_each_time(change):
    said = CHANGES[change]
    assert said(QUESTION) == said(QUESTION)
    assert "sea salty" in said(QUESTION).lower() or change in ("typos", "varied at random")
