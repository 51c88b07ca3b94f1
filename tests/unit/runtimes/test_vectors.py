"""Vectors of samples are kept: encoded once, never wrong, never in the way."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest

from situs.runtimes import vectors
from situs.runtimes.vectors import kept_vectors, vectors_file

TEXTS = ["where is my parcel", "a lone \udc80 surrogate", ""]


class Encoder:
    """Owns what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts):
        self.asked.extend(texts)
        time.sleep(0.02)
        return np.array([[len(text) / 3, text.count("e") + 0.1] for text in texts], np.float32)


def arrays(**named):
    out = BytesIO()
    np.savez(out, **named)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    return vectors_file(tmp_path / "cache", "ab" * 32)


def test_vectors_are_those_of_the_encoder_and_are_encoded_once(file):
    encode = Encoder()
    first = kept_vectors(TEXTS, encode, file)
    again = kept_vectors(TEXTS[::-1], encode, file)
    assert encode.asked == TEXTS
    for text, wanted in zip(TEXTS, Encoder()(TEXTS), strict=True):
        assert first[text].tobytes() == again[text].tobytes() == wanted.tobytes()


def test_only_what_is_new_is_encoded(file):
    encode = Encoder()
    kept_vectors(TEXTS, encode, file)
    kept_vectors(["another", *TEXTS], encode, file)
    assert encode.asked == [*TEXTS, "another"]


def test_another_encoder_has_a_file_of_its_own(file, tmp_path):
    kept_vectors(TEXTS, Encoder(), file)
    encode = Encoder()
    kept_vectors(TEXTS, encode, vectors_file(tmp_path / "cache", "cd" * 32))
    assert encode.asked == TEXTS


def test_the_file_holds_no_text(file):
    kept_vectors(TEXTS, Encoder(), file)
    assert b"parcel" not in file.read_bytes()


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"nothing of the kind",
        arrays(keys=np.zeros((1, 16), np.uint8)),
        arrays(keys=np.zeros((2, 16), np.uint8), vectors=np.ones((1, 2), np.float32)),
        arrays(keys=np.zeros((1, 8), np.uint8), vectors=np.ones((1, 2), np.float32)),
        arrays(keys=np.zeros((1, 16), np.uint8), vectors=np.full((1, 2), np.nan, np.float32)),
        arrays(keys=np.zeros((1, 16), np.uint8), vectors=np.array([[None, "x"]], object)),
    ],
)
def test_a_damaged_file_is_told_and_made_anew(file, damaged, caplog):
    file.parent.mkdir()
    file.write_bytes(damaged)
    assert set(kept_vectors(TEXTS, Encoder(), file)) == set(TEXTS)
    assert "encoded anew" in caplog.text
    encode = Encoder()
    kept_vectors(TEXTS, encode, file)
    assert encode.asked == []


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_file_that_was_cut_or_changed_gives_no_wrong_vector(file, share):
    kept_vectors(TEXTS, Encoder(), file)
    whole = file.read_bytes()
    place = int(len(whole) * share)
    wanted = {text: row.tobytes() for text, row in zip(TEXTS, Encoder()(TEXTS), strict=True)}
    for bad in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
        file.write_bytes(bad)
        found = kept_vectors(TEXTS, Encoder(), file)
        assert {text: row.tobytes() for text, row in found.items()} == wanted


def test_where_nothing_can_be_written_all_goes_on(tmp_path, caplog):
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    found = kept_vectors(TEXTS, Encoder(), vectors_file(tmp_path / "cache", "ab" * 32))
    assert set(found) == set(TEXTS)
    assert "not kept" in caplog.text


def test_who_comes_while_another_encodes_waits_and_reads(file):
    encode = Encoder()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: kept_vectors(TEXTS, encode, file), range(4)))
    assert encode.asked == TEXTS
    assert [set(one) for one in found] == [set(TEXTS)] * 4


def test_what_was_asked_for_long_ago_is_forgotten(file):
    many = [str(number) for number in range(vectors.MOST)]
    kept_vectors(TEXTS, Encoder(), file)
    kept_vectors(many, Encoder(), file)
    encode = Encoder()
    kept_vectors([many[0], many[-1], TEXTS[0]], encode, file)
    assert encode.asked == [TEXTS[0]]


def test_files_of_encoders_of_long_ago_are_forgotten(tmp_path):
    for number in range(vectors.FILES + 2):
        file = vectors_file(tmp_path / "cache", f"{number}" * 64)
        kept_vectors(TEXTS, Encoder(), file)
        os.utime(file, (number, number))
    assert len(list((tmp_path / "cache").glob("*.npz"))) == vectors.FILES
    assert file.exists()
