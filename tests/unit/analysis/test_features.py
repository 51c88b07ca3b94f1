"""What heads see of a text: the same whatever stands around it, and bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.analysis.features import HEAD, TAIL, WINDOW, WINDOWS, rows, see

MOST = HEAD + TAIL + WINDOW * WINDOWS


def test_a_word_has_the_same_hash_wherever_it_stands():
    here, there = see("hello wide world").words, see("a Hello, again; WIDE").words
    assert here[0] == there[1]
    assert here[1] == there[3]
    assert len(set(here.tolist())) == 3


def test_a_typo_leaves_most_runs_as_they_were():
    right, wrong = (
        set(np.concatenate(see(text).pieces).tolist())
        for text in ("please translate this sentence", "please transalte this sentence")
    )
    assert len(right & wrong) / len(right) > 0.7


def test_a_long_text_is_read_at_its_head_its_tail_and_between():
    parts = [f"{place:07d} " for place in range(20_000)]
    seen = see("".join(parts))
    assert not seen.whole
    assert len(seen.text) == MOST + WINDOWS + 1
    assert seen.text.startswith(parts[0])
    assert seen.text.endswith(parts[-1])
    for at in (0.25, 0.5, 0.75):
        near = range(int(20_000 * at) - 3_000, int(20_000 * at) + 3_000)
        assert any(parts[place] in seen.text for place in near)
    assert see("x" * MOST).whole


@pytest.mark.parametrize(
    "text", ["", " ", "\t\n", "a", "ab", "\ud800", "\x00\x01", "é", "x" * 1_000_000, "中文 テスト"]
)
def test_any_text_is_seen(text):
    seen = see(text)
    assert len(seen.pairs) == max(0, len(seen.words) - 1)
    assert all(len(one) <= 4 * MOST for one in (seen.words, *seen.pieces))


@given(st.text(max_size=300))
def test_the_same_text_gives_the_same_features(text):
    one, other = see(text), see(text)
    for name in ("words", "pairs"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert all(map(np.array_equal, one.pieces, other.pieces))


@given(st.text(max_size=300), st.integers(1, 20))
def test_rows_are_those_of_the_table(text, bits):
    found = rows(see(text).pieces[1], bits)
    assert ((found >= 0) & (found < 2**bits)).all()
