"""Artefacts: written once, and checked when they are read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from situs.errors import OperatorError
from situs.learning.artefacts import Card, Source, load, read_card, save


def card(head="task", version="1"):
    source = Source("a set", "CC0-1.0", 3)
    return Card(1, head, version, "For tests.", (source,), {"classes": ["a"]}, {"f1": 0.5}, {})


def test_what_is_saved_is_what_is_loaded(tmp_path):
    arrays = {"weights": np.arange(6, dtype=np.int8).reshape(2, 3)}
    saved = save(tmp_path / "1", card(), arrays, {"model.bin": b"model"})
    found = load(tmp_path / "1")
    assert found.card == saved.card == read_card(tmp_path / "1")
    assert found.digest == saved.digest
    assert sorted(found.card.files) == ["arrays.npz", "model.bin"]
    np.testing.assert_array_equal(found.arrays["weights"], arrays["weights"])


def test_the_same_arrays_have_the_same_digest_and_others_another(tmp_path):
    def digest(name, value):
        return save(tmp_path / name, card(), {"a": np.full(3, value)}).digest

    assert digest("x", 1.0) == digest("y", 1.0) != digest("z", 2.0)


def test_nothing_is_written_over(tmp_path):
    first = save(tmp_path / "1", card(), {})
    with pytest.raises(OperatorError, match="already"):
        save(tmp_path / "1", card("other"), {})
    assert load(tmp_path / "1").card == first.card


def test_a_file_that_is_not_what_the_card_says_is_refused(tmp_path):
    save(tmp_path / "1", card(), {}, {"model.bin": b"model"})
    (tmp_path / "1" / "model.bin").write_bytes(b"other")
    with pytest.raises(OperatorError, match=r"model\.bin is not the file"):
        load(tmp_path / "1")


def test_a_file_beyond_the_folder_is_not_read(tmp_path):
    save(tmp_path / "1", card(), {}, {"model.bin": b"model"})
    (tmp_path / "outside").write_bytes(b"model")
    path = tmp_path / "1" / "card.json"
    path.write_text(path.read_text().replace("model.bin", "../outside"))
    with pytest.raises(OperatorError, match="cannot be read: FileNotFoundError"):
        load(tmp_path / "1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "nonsense", "cannot be read: DecodeError"),
        (lambda text: "{}", "cannot be read: ValidationError"),
        (lambda text: json.dumps({**json.loads(text), "format": 9}), "has format 9"),
    ],
)
def test_a_card_that_cannot_be_read_is_refused(tmp_path, change, said):
    save(tmp_path / "1", card(), {})
    path = tmp_path / "1" / "card.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(OperatorError, match=said):
        load(tmp_path / "1")
