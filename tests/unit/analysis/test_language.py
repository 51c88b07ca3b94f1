"""The script or the small words of a text say its language; where they do not, nobody does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.analysis.language import UNKNOWN, language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the capital of Australia?", "en"),
        ("Schreib mir bitte ein Gedicht über den Herbst", "de"),
        ("Quelle est la plus haute montagne du monde ?", "fr"),
        ("¿Quién escribió la historia de los dos reyes?", "es"),
        ("Come posso dire di no a una festa?", "it"),
        ("Você pode me dar uma ideia para não esquecer?", "pt"),
        ("日本で一番高い山は何ですか", "ja"),
        ("长城是什么时候建成的", "zh"),
        ("한국의 수도는 어디입니까", "ko"),
        ("नेपालको राजधानी के हो र यो कहाँ छ?", "ne"),
        ("भारत का पहला प्रधानमंत्री कौन था और वह कहाँ रहते हैं?", "hi"),
        ("Translate this for me: 日本", "en"),
        ("", UNKNOWN),
        ("   ", UNKNOWN),
        ("x = [1, 2, 3]", UNKNOWN),
        ("\ud800\udfff", UNKNOWN),
    ],
)
def test_languages_are_told_by_script_or_small_words(text, expected):
    assert language(text) == expected


@given(st.text())
def test_any_text_has_a_code(text):
    assert 2 <= len(language(text)) <= 3
