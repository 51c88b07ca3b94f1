"""Examples: what is held back, and what logs say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.learning.examples import answered, is_held, split

MESSAGES = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": "second"},
]
USAGE = {"prompt_tokens": 9, "completion_tokens": 5}


@given(st.lists(st.text()))
def test_every_row_is_on_one_side_and_order_stays(texts):
    learnt, held = split(texts, texts)
    assert learnt == [text for text in texts if text not in held]
    assert held == [text for text in texts if text not in learnt]


def test_about_a_fifth_is_held_back():
    held = sum(is_held(f"text number {number}") for number in range(5000))
    assert 900 < held < 1100


def test_copies_of_a_text_are_on_one_side():
    for number in range(50):
        text = f"a Text {number}"
        assert is_held(text) == is_held(f"  A  text\n{number} ")


@pytest.mark.parametrize(
    "row",
    [
        {"messages": MESSAGES, "usage": USAGE},
        {"messages": MESSAGES, "model": "m", "completion_tokens": 5, "response": {"choices": []}},
        {"request": {"messages": MESSAGES}, "response": {"usage": USAGE}},
        {"body": {"messages": MESSAGES}, "response": {"body": {"usage": USAGE}}},
        {"kwargs": {"messages": MESSAGES}, "response": {"usage": {"output_tokens": 5}}},
        {"text": "second", "completion_tokens": 5},
        {"prompt": "second", "usage": USAGE},
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "second"}]}],
            "usage": USAGE,
        },
    ],
)
def test_a_log_says_what_was_asked_last_and_how_long_the_answer_was(row):
    found = answered(row)
    assert found is not None
    assert (found.text, found.completion_tokens) == ("second", 5)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"messages": MESSAGES},
        {"usage": USAGE},
        {"messages": MESSAGES, "usage": {"completion_tokens": 0}},
        {"messages": MESSAGES, "usage": {"completion_tokens": True}},
        {"messages": "second", "usage": USAGE},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}], "usage": USAGE},
        {"messages": [{"role": "user", "content": " "}], "usage": USAGE},
        {"request": None, "response": [], "usage": USAGE},
    ],
)
def test_a_row_without_a_prompt_or_a_count_is_left_out(row):
    assert answered(row) is None


@pytest.mark.parametrize(
    "end",
    [
        {"response": {"choices": [{"finish_reason": "length"}]}},
        {"choices": [{"finish_reason": "content_filter"}]},
        {"stop_reason": "max_tokens"},
    ],
)
def test_an_answer_that_was_cut_off_is_left_out(end):
    whole = {"messages": MESSAGES, "usage": USAGE}
    assert answered({**whole, **end}) is None
    assert answered({**whole, "choices": [{"finish_reason": "stop"}]}) is not None
