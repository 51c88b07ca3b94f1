"""Learned times come back as they were written, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.core.record import Measured, Usage
from situs.errors import StoreError
from situs.placement.latency import beginning, learn
from situs.stores.times import FILE, Kept, read_times, write_times


def kept(seconds):
    learned = beginning(make.deployment())
    for one in seconds:
        learned = learn(learned, Measured(one, 3 * one, 1.0, 300, Usage(300, 40, 100)), 2)
    return Kept("digest", 1_700_000_000.25, learned)


@given(st.dictionaries(st.text(max_size=9), st.lists(st.floats(1e-4, 1e4), max_size=9), max_size=4))
def test_what_was_written_is_read_to_the_last_digit(tmp_path_factory, answers):
    data = tmp_path_factory.mktemp("data")
    times = {name: kept(seconds) for name, seconds in answers.items()}
    write_times(data, times)
    assert read_times(data) == times
    write_times(data, {})
    assert read_times(data) == {}
    assert [path.name for path in data.iterdir()] == [FILE]


def test_without_a_file_nothing_is_known(tmp_path):
    assert read_times(tmp_path) == {}


def test_no_byte_that_was_changed_goes_unnoticed(tmp_path):
    write_times(tmp_path, {"a": kept([1.0, 2.0])})
    path = tmp_path / FILE
    whole = path.read_bytes()
    for at in range(len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x01]) + whole[at + 1 :])
        with pytest.raises(StoreError):
            read_times(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "\xff",
        "[]",
        '{"version": 2, "sha256": "", "times": {}}',
        '{"version": 1, "sha256": "", "times": {}}',
        '{"version": 1, "times": {}}',
    ],
)
def test_what_is_no_such_file_is_an_error(tmp_path, text):
    (tmp_path / FILE).write_text(text, encoding="latin-1")
    with pytest.raises(StoreError):
        read_times(tmp_path)


@pytest.mark.parametrize(
    ("make_it", "what", "do"),
    [
        (os.mkfifo, "is no file", "anew within minutes"),
        (Path.mkdir, "is a directory", "Move it away"),
        (lambda path: path.symlink_to(path), "cannot be read", "See that it is a file"),
        (lambda path: path.write_text('{"version": 2}'), "of version 2", "anew within minutes"),
        (lambda path: path.write_text("[" * 99_999), "not as it was written", "anew"),
    ],
)
def test_it_is_said_what_is_there_instead_and_what_to_do(tmp_path, make_it, what, do):
    make_it(tmp_path / FILE)
    with pytest.raises(StoreError) as raised:
        read_times(tmp_path)
    assert what in raised.value.message
    assert do in raised.value.advice


def test_a_half_written_file_leaves_the_one_before(tmp_path):
    write_times(tmp_path, {"a": kept([1.0])})
    (tmp_path / f".{FILE}").write_bytes(b'{"version": 1')
    assert read_times(tmp_path) == {"a": kept([1.0])}
    write_times(tmp_path, {})
    assert read_times(tmp_path) == {}


def test_where_it_cannot_be_written_it_is_said(tmp_path):
    with pytest.raises(StoreError):
        write_times(tmp_path / "gone", {})
    (tmp_path / f".{FILE}").mkdir()
    with pytest.raises(StoreError):
        write_times(tmp_path, {})
