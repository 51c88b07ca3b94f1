"""Beginnings of prompts, and where they are best read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from situs.core.request import Blocks, Principal, Request, Wire
from situs.placement.prefix import BOUND, FREE_S, affinity, blocks_of


def chat(*texts: str, tenant: str = "default", **members: Any) -> Request:
    messages = [
        {"role": "user" if k % 2 else "system", "content": text} for k, text in enumerate(texts)
    ]
    document = {"messages": messages, **members}
    return Request("1", Wire.OPENAI_CHAT, "auto", document, (), 0, principal=Principal(tenant))


def common(one: Blocks, other: Blocks) -> int:
    pairs = zip(one.hashes, other.hashes, strict=False)
    return sum(1 for mine, theirs in pairs if mine == theirs)


SYSTEM = "You are a clerk of the land registry. " * 40


def test_what_begins_alike_has_the_same_blocks_at_first_and_no_others():
    one, other = blocks_of(chat(SYSTEM, "a" * 600)), blocks_of(chat(SYSTEM, "b" * 600))
    same = common(one, other)
    assert one.hashes[:same] == other.hashes[:same]
    assert len(SYSTEM) - 128 <= one.ends[same - 1] <= len(SYSTEM) + 64


def test_the_next_turn_goes_on_from_the_one_before():
    first = blocks_of(chat(SYSTEM, "How big?" * 30))
    second = blocks_of(chat(SYSTEM, "How big?" * 30, "So big." * 30, "Really?" * 30))
    assert second.hashes[: len(first.hashes)] == first.hashes


def test_other_tenants_share_nothing():
    assert common(blocks_of(chat(SYSTEM)), blocks_of(chat(SYSTEM, tenant="other"))) == 0


def test_tools_come_before_messages():
    tools = [{"type": "function", "function": {"name": "look", "description": "d" * 400}}]
    one = blocks_of(chat("a" * 400, tools=tools))
    other = blocks_of(chat("b" * 400, tools=tools))
    assert 3 <= common(one, other) < len(one.hashes)
    assert common(one, blocks_of(chat("a" * 400))) == 0


@pytest.mark.parametrize(
    ("wire", "document", "any_"),
    [
        (Wire.OPENAI_COMPLETIONS, {"prompt": "x" * 300}, True),
        (Wire.OPENAI_COMPLETIONS, {"prompt": ["x" * 300]}, True),
        (Wire.OPENAI_COMPLETIONS, {"prompt": list(range(300))}, True),
        (Wire.OPENAI_COMPLETIONS, {"prompt": ["x" * 300, "y" * 300]}, False),
        (Wire.OPENAI_COMPLETIONS, {}, False),
        (Wire.OPENAI_EMBEDDINGS, {"input": "x" * 300}, False),
    ],
)
def test_only_what_has_one_prompt_and_an_answer_has_a_beginning(wire, document, any_):
    assert bool(blocks_of(Request("1", wire, "auto", document, (), 0)).hashes) is any_


def test_a_very_long_prompt_has_a_bounded_number_of_blocks():
    blocks = blocks_of(chat("x" * 5_000_000))
    assert len(blocks.hashes) == 320
    assert blocks.ends[-1] < blocks.size


def test_a_request_too_long_to_be_read_on_the_way_has_none():
    assert blocks_of(replace(chat("x" * 300), size=5_000_000)) == Blocks()


@given(st.text(max_size=600), st.text(max_size=600), st.text(max_size=600))
def test_a_hash_stands_for_all_before_it(beginning, one, other):
    left, right = blocks_of(chat(beginning + one)), blocks_of(chat(beginning + other))
    same = [mine == theirs for mine, theirs in zip(left.hashes, right.hashes, strict=False)]
    assert sorted(same, reverse=True) == same


S = [0.001] * 3


def test_all_alike_is_neutral():
    assert affinity([100] * 3, [0] * 3, S, [0.0] * 3) == [1.0] * 3
    assert affinity([100] * 3, [80] * 3, S, [0.0] * 3) == [1.0] * 3


def test_who_has_more_of_it_is_better():
    assert affinity([100] * 3, [0, 80, 40], S, [0.0] * 3) == [0.0, 1.0, 0.5]


def test_who_had_more_than_its_share_to_read_is_passed_over():
    busy = 2 * BOUND * FREE_S / 0.001
    scores = affinity([1000] * 3, [0, 800, 0], S, [busy / 4, 3 * busy, busy / 8])
    assert scores.index(1.0) == 2
    assert scores[1] == min(scores)


def test_who_is_not_busy_is_not_passed_over_however_idle_the_others_are():
    assert affinity([1000] * 3, [0, 800, 0], S, [0.0, 10_000.0, 0.0])[1] == 1.0


def test_a_beginning_that_many_share_does_not_draw_them_all_to_one():
    scores = affinity([1000] * 3, [200, 0, 0], S, [5000.0, 0.0, 0.0])
    assert scores[0] < 0.2


def test_what_is_new_to_all_goes_where_least_was_read():
    scores = affinity([1000] * 3, [0] * 3, S, [5000.0, 1000.0, 9000.0])
    assert scores == [pytest.approx(2 / 6), 1.0, pytest.approx(2 / 10)]


def test_a_beginning_that_all_have_decides_nothing():
    scores = affinity([1000] * 3, [100, 100, 100], S, [5000.0, 1000.0, 9000.0])
    assert scores[1] == 1.0


tokens = st.integers(0, 100_000)


@given(st.lists(st.tuples(tokens, tokens, st.floats(1e-6, 1), st.floats(0, 1e7)), min_size=1))
def test_scores_are_shares_and_one_is_best(rows):
    prompt = [max(a, b) for a, b, _, _ in rows]
    cached = [min(a, b) for a, b, _, _ in rows]
    scores = affinity(prompt, cached, [r[2] for r in rows], [r[3] for r in rows])
    assert max(scores) == 1.0
    assert all(0.0 <= score <= 1.0 for score in scores)
