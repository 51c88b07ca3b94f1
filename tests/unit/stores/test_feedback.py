"""What is kept of what people say of answers, and of whose."""

from __future__ import annotations

import pytest
from tests.unit.stores.writing import decide, serve, writing

from situs.core.rating import Origin
from situs.errors import InvalidRequest, StoreError
from situs.stores import feedback
from situs.stores.feedback import Word, rating, say, state, words
from situs.stores.upkeep import rebuild

NOW = 1e9


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A data directory with answers to requests 0 to 5, and one that is not over."""
    data = tmp_path_factory.mktemp("served") / "data"
    with writing(data) as writer:
        refs = [str(serve(writer, number)) for number in range(6)]
        decide(writer, 6)
    rebuild(data)
    return data, refs


@pytest.fixture
def data(served):
    for path in served[0].glob(f"{feedback.FILE}*"):
        path.unlink()
    return served[0]


def word(number, score=1.0, **facts):
    return Word(f"req-{number:09d}", score, **{"by": "key1", **facts})


def test_a_word_is_kept_with_what_the_receipt_says(data):
    kept = say(data, word(1, 0.25, source="thumbs"), NOW)
    assert words(data) == [kept]
    assert (kept.id, kept.score, kept.source, kept.at) == ("req-000000001", 0.25, "thumbs", NOW)
    assert (kept.model, kept.kind, kept.needs) == ("small", "chat", "small")


def test_a_receipt_names_its_request(data, served):
    assert say(data, Word(served[1][2], 1.0, "key1"), NOW).id == "req-000000002"


def test_who_says_it_again_says_it_anew(data):
    say(data, word(1, 1.0), NOW)
    say(data, word(1, 0.0), NOW + 1)
    say(data, word(1, 0.5, by="key2"), NOW + 2)
    assert [(one.by, one.score) for one in words(data)] == [("key2", 0.5), ("key1", 0.0)]


def test_a_tenant_rates_its_own_and_cannot_tell_others_from_none(data):
    owner = say(data, word(1), NOW).tenant
    say(data, word(1, tenant=owner), NOW)
    told = []
    for one in (word(1, tenant="other"), word(999, tenant="other"), word(999)):
        with pytest.raises(InvalidRequest) as error:
            say(data, one, NOW)
        told.append(error.value.message)
    assert len(set(told)) == 1


@pytest.mark.parametrize("id_", ["", "nobody", "nochain:1", "../keys:1", "a:b", "x' OR '1'='1"])
def test_what_is_on_no_record_cannot_be_rated(data, id_):
    with pytest.raises(InvalidRequest, match="on record"):
        say(data, Word(id_, 1.0, "key1"), NOW)


def test_what_got_no_answer_cannot_be_rated(data):
    with pytest.raises(InvalidRequest, match="no whole answer"):
        say(data, word(6), NOW)


def test_only_a_trusted_word_has_no_name_among_the_ratings(data):
    say(data, word(1), NOW)
    say(data, word(2, by="root", trusted=True), NOW)
    assert sorted(rating(one).by for one in words(data)) == ["", "key1"]


def test_of_one_key_and_of_all_the_newest_are_kept(data, monkeypatch):
    monkeypatch.setattr(feedback, "MOST_OF_ONE", 2)
    monkeypatch.setattr(feedback, "MOST", 3)
    for number in range(4):
        say(data, word(number), NOW + number)
    assert [one.id[-1] for one in words(data)] == ["3", "2"]
    for number in range(2):
        say(data, word(number, by="key2"), NOW + 10 + number)
    assert [(one.by, one.id[-1]) for one in words(data)] == [
        ("key2", "1"),
        ("key2", "0"),
        ("key1", "3"),
    ]


def test_whether_something_was_said_can_be_seen(data):
    assert state(data) is None
    say(data, word(1), NOW)
    before = state(data)
    assert state(data) == before
    say(data, word(1, 0.5), NOW)
    assert state(data) != before


def test_a_file_that_is_no_database_is_told(data):
    (data / feedback.FILE).write_bytes(b"no database at all, but long enough" * 50)
    with pytest.raises(StoreError, match=r"feedback\.db") as error:
        words(data)
    assert "Remove" in error.value.advice


def test_where_nothing_was_said_nothing_is_made(data):
    assert words(data) == []
    assert not (data / feedback.FILE).exists()


def test_a_word_that_stands_alone_takes_the_place_of_the_earlier_of_this_model(data):
    for number in (1, 2):
        say(data, word(number, number / 2, by="bench:a", alone=True), number)
    say(data, word(1, by="bench:b", alone=True), 3)
    kept = [(one.by, one.score) for one in words(data) if one.by.startswith("bench:")]
    assert kept == [("bench:b", 1.0), ("bench:a", 1.0)]


def test_what_a_bench_found_is_no_persons_word(data):
    found = say(data, word(1, by="bench:a", source="bench", trusted=True), 1)
    assert rating(found).origin is Origin.BENCH
