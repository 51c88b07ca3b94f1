"""What a usual request is like."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter

import pytest
from bench.receipts import decided, outcome
from msgspec.structs import replace
from tests.unit.stores.writing import BODY, indexed, writing

from situs.core.length import Answered
from situs.core.record import End
from situs.core.request import Principal
from situs.stores.schema import migrate
from situs.stores.upkeep import rebuild
from situs.stores.usual import answer_lengths, usual_tokens

AT = 1.75e9
"""About when the requests of the record ended."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return indexed(tmp_path_factory.mktemp("usual") / "data", *range(120))


def test_it_is_the_mean_of_a_week(data):
    assert usual_tokens(data, AT) == (512.0, 200.0)


def test_of_requests_that_are_older_nothing_is_said(data):
    assert usual_tokens(data, AT + 8 * 86_400) is None


def test_without_an_index_nothing_is_said(tmp_path):
    assert usual_tokens(tmp_path, AT) is None


def answered(writer, number, key="-", end=End.COMPLETE):
    one, over = decided(number, BODY), outcome(number)
    request = replace(one.request, principal=Principal("t", key))
    asyncio.run(writer.decided(replace(one, request=request)))
    last = replace(over.attempts[-1], end=end)
    writer.ended(replace(over, attempts=(*over.attempts[:-1], last)))


def test_how_long_whole_answers_were_is_known_by_model_and_kind(tmp_path):
    with writing(tmp_path / "data") as writer:
        answered(writer, 1)
        answered(writer, 2, key="k2")
        answered(writer, 3, end=End.CUT)
    rebuild(tmp_path / "data")
    model, kind = outcome(1).attempts[-1].model, decided(1, BODY).decision.analysis.task
    found = answer_lengths(tmp_path / "data", AT)
    assert found == [Answered(model, kind, 200), Answered(model, kind, 200, "k2")]


def test_lengths_are_those_of_a_week(data):
    assert len(answer_lengths(data, AT)) == 120
    assert answer_lengths(data, AT + 8 * 86_400) == []


def ledger(path, *rows):
    """An index of such requests: key, prompt tokens, answer tokens, bytes out, how many."""
    path.mkdir()
    with sqlite3.connect(path / "index.db") as db:
        migrate(db)
        for at, (key, prompt, answer, sent, count) in enumerate(rows):
            for number in range(count):
                db.execute(
                    "INSERT INTO ledger (id, at, hour, chain, seq, tenant, key, wire, label, task,"
                    ' model, attempts, "end", status, prompt_tokens, completion_tokens,'
                    " bytes_out, bytes_in, overhead_s, duration_s)"
                    " VALUES (?, ?, ?, 'c', 0, 't', ?, 'w', 'public', 'chat', 'm', 1,"
                    " 'complete', 200, ?, ?, ?, 500, 0, 1.0)",
                    (f"{at}-{number}", AT + at, int(AT // 3600), key, prompt, answer, sent),
                )
    return path


def test_one_key_moves_what_is_usual_by_half_of_eight_times_at_most(tmp_path):
    plain = [(key, 100, 50, 400, 20) for key in "abcde"]
    data = ledger(tmp_path / "data", *plain, ("x", 27_500, 50, 110_000, 1_900))
    assert usual_tokens(data, AT) == pytest.approx((450.0, 50.0))


def test_one_key_with_many_answers_crowds_out_nobody(tmp_path):
    data = ledger(tmp_path / "data", ("a", 100, 50, 400, 30), ("x", 100, 90, 400, 21_000))
    found = Counter(one.by for one in answer_lengths(data, AT))
    assert found == {"a": 30, "x": 4_000}


def test_reported_tokens_that_cannot_be_are_not_learned(tmp_path):
    lie = ("a", 9_900_000, 9_900_000, 400, 100)
    data = ledger(tmp_path / "data", lie)
    assert usual_tokens(data, AT) == (20_400.0, 20_500.0)
    assert {one.tokens for one in answer_lengths(data, AT)} == {20_500}


def test_without_an_index_no_lengths_are_known(tmp_path):
    assert answer_lengths(tmp_path, AT) == []
