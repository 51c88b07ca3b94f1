"""Samples that are unlike each other."""

from __future__ import annotations

import numpy as np

from situs.core.heads import Ground
from situs.studies.train_routes import spread


def gist(seen):
    """Two directions: does the text speak of cats or of dogs."""
    vector = np.array([seen.text.count("cat"), seen.text.count("dog") + 1e-3], np.float32)
    return vector / np.linalg.norm(vector)


def test_what_is_chosen_is_unlike_what_was_chosen_before():
    texts = ["cat one", "cat two", "cat three", "dog one", "dog two"]
    assert spread(texts, 2, Ground(gist)) == ["cat one", "dog one"]


def test_few_texts_are_all_taken_once_and_without_vectors_the_first():
    assert spread(["a", "b", "a"], 5, Ground(gist)) == ["a", "b"]
    assert spread(["a", "b", "a", "c"], 2, Ground()) == ["a", "b"]
