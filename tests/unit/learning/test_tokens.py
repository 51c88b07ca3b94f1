"""What is learned of tokens, from a tokenizer small enough to know by heart."""

import numpy as np
import pytest

from situs.analysis.token_counts import counter
from situs.learning.tokens import begins_of, learn

WORDS = ["north", "river", "stone", "light", "cloud", "field"]


class Halves:
    """A token for every two characters of a word, one for every other character."""

    class Encoding:
        def __init__(self, offsets):
            self.offsets = offsets

    def encode(self, text, add_special_tokens):
        assert not add_special_tokens
        found, at = [], 0
        while at < len(text):
            size = 2 if text[at : at + 2].isalpha() and len(text[at : at + 2]) == 2 else 1
            found.append((at, at + size))
            at += size
        return self.Encoding(found)


def texts(count):
    choose = np.random.default_rng(3)
    return [" ".join(choose.choice(WORDS, 12)) for _ in range(count)]


def learned(running, listed=()):
    every = [*running, *listed]
    arrays = learn(every, {"halves": begins_of(Halves(), every)}, len(running))
    return counter(arrays, {"families": ["halves"], "default": ["halves"]})


def test_begins_are_counted_at_characters():
    assert begins_of(Halves(), ["abc d", "", "é"]).tolist() == [1, 0, 1, 1, 1, 1]


def test_several_tokens_of_one_character_all_begin_there():
    class Bytes:
        def encode(self, text, add_special_tokens):
            return Halves.Encoding([(at, at + 1) for at, c in enumerate(text) for _ in c.encode()])

    assert begins_of(Bytes(), ["aé語"]).tolist() == [1, 2, 3]


def test_frequent_words_are_counted_as_they_were_seen():
    count = learned(texts(30))
    for text in texts(40)[30:]:
        real = len(Halves().encode(text, False).offsets)
        assert count(text.encode(), "halves") == pytest.approx(real, abs=0.6)


def test_words_of_a_list_have_their_place_too():
    word = " zephyr"
    count = learned(texts(30), [word * 3])
    assert count(word.encode(), "halves") == pytest.approx(4, abs=0.1)


def test_words_never_seen_are_told_from_their_characters():
    count = learned([*texts(30), "nor ri sto lig clo fie rth ver ght oud eld"])
    for word in (" cloght", " fiver", " storth"):
        real = len(Halves().encode(word, False).offsets)
        assert count(word.encode(), "halves") == pytest.approx(real, abs=1.5)
