"""What is kept of copies: numbers, the newest."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from msgspec.structs import replace

from situs.errors import StoreError
from situs.stores import comparisons as store
from situs.stores.comparisons import FILE, Compared, add, comparisons, short

ROW = Compared(
    "req_2", "req_1", 5.0, "t", "help", "chat", "us-llm", "office-llm", "complete", False, 0.75,
    0.1, 0.2, 1.0, 2.0, 0.001, 0.0001, "USD", 40, 44, "key1", "small", "large-model", "small-model",
)  # fmt: skip


def test_what_is_kept_is_read_again(tmp_path):
    bare = replace(
        ROW, id="req_4", at=7.0, route=None, same=None, similarity=None, ttft_s=None, cost=None
    )
    add(tmp_path, bare)
    add(tmp_path, ROW)
    assert comparisons(tmp_path) == [ROW, bare]
    assert comparisons(tmp_path, since=6.0) == [bare]
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_the_same_copy_counts_once(tmp_path):
    add(tmp_path, ROW)
    add(tmp_path, replace(ROW, similarity=0.5))
    assert [one.similarity for one in comparisons(tmp_path)] == [0.5]


def test_only_the_newest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MOST", 3)
    for n in range(5):
        add(tmp_path, replace(ROW, id=f"req_{n}", at=float(n)))
    assert [one.at for one in comparisons(tmp_path)] == [2.0, 3.0, 4.0]


def test_nothing_compared_is_no_file(tmp_path):
    assert comparisons(tmp_path) == []
    assert not (tmp_path / FILE).exists()


def test_a_file_of_an_earlier_version_gets_what_it_lacks(tmp_path):
    later = ("key", "needs", "model", "copied_model")
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        names = [name for name in Compared.__struct_fields__ if name not in later]
        columns = ", ".join(f'"{name}"' for name in names)
        db.execute(f"CREATE TABLE comparisons ({columns}, PRIMARY KEY (id)) WITHOUT ROWID")
        values = [getattr(ROW, name) for name in names]
        marks = ",".join("?" * len(names))
        db.execute(f"INSERT INTO comparisons VALUES ({marks})", values)  # noqa: S608
        db.commit()
    before = replace(ROW, **dict.fromkeys(later))
    assert comparisons(tmp_path) == [before]
    add(tmp_path, replace(ROW, id="req_9", at=9.0))
    assert comparisons(tmp_path) == [before, replace(ROW, id="req_9", at=9.0)]


@pytest.mark.parametrize(
    "facts",
    [
        {"tokens": 41}, {"tokens": None}, {"end": "cut"}, {"similarity": None}, {"needs": None},
        {"copied_model": "large-model"},
    ],
)  # fmt: skip
def test_what_was_long_broke_or_is_of_one_model_is_not_among_the_short_ones(tmp_path, facts):
    add(tmp_path, replace(ROW, id="other", **facts))
    assert short(tmp_path, 40, 10) == []
    add(tmp_path, ROW)
    assert short(tmp_path, 40, 10) == [ROW]


def test_a_damaged_file_says_what_to_do(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(StoreError) as error:
        comparisons(tmp_path)
    assert "comparisons.db" in error.value.advice
