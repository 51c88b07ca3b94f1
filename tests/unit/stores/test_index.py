"""The index: made of the receipts, and again of them; every request counts once."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from bench.receipts import outcome
from click.testing import CliRunner
from tests.unit.stores.writing import decide, files, serve, several_segments, writing

from situs.cli.main import cli
from situs.errors import OperatorError, StoreError
from situs.stores import schema
from situs.stores.database import INDEX_FILE
from situs.stores.decisions import find, recent, tail
from situs.stores.follow import Follower, Join
from situs.stores.index import Index, OutOfStep
from situs.stores.layout import receipts_dir
from situs.stores.ledger import usage
from situs.stores.schema import MIGRATIONS, NewerVersion, migrate, version_of
from situs.stores.upkeep import behind, rebuild, status
from situs.stores.verify import verify
from situs.trust.keys import pinned_keys

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures" / "stores").iterdir())


@pytest.fixture
def kept(tmp_path):
    data = tmp_path / "data"
    return data, several_segments(data)


def table(data, name="ledger"):
    with closing(sqlite3.connect(data / INDEX_FILE)) as db:
        return db.execute(f'SELECT * FROM "{name}" ORDER BY 1').fetchall()  # noqa: S608


def execute(data, *statements):
    with closing(sqlite3.connect(data / INDEX_FILE, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def whole(data):
    return {name: table(data, name) for name in ("ledger", "decisions", "positions", "fleets")}


def test_a_rebuild_has_every_request_once_and_another_changes_nothing(kept):
    data, count = kept
    told = []
    lines = rebuild(data, lambda done, total: told.append((done, total)))
    assert lines == sum(path.read_bytes().count(b"\n") for path in files(data))
    assert told[-1][0] == told[-1][1] > 0
    assert len(table(data)) == len(table(data, "decisions")) == count
    assert behind(data) == 0
    first = whole(data)
    rebuild(data)
    assert whole(data) == first


def test_a_ledger_line_is_what_the_outcome_says(kept):
    data, _ = kept
    rebuild(data)
    with closing(sqlite3.connect(data / INDEX_FILE)) as db:
        db.row_factory = sqlite3.Row
        row = dict(db.execute("SELECT * FROM ledger WHERE id = 'req-000000003'").fetchone())
    end = outcome(3)
    [attempt], used = end.attempts, end.usage
    assert used is not None
    chain, seq = row.pop("chain"), row.pop("seq")
    assert find(data, f"{chain}:{seq}") == find(data, "req-000000003") is not None
    assert row == {
        "id": "req-000000003",
        "at": end.at,
        "hour": int(end.at // 3600),
        "tenant": "default",
        "key": "-",
        "wire": "openai.chat",
        "route": None,
        "label": "confidential",
        "task": "chat",
        "model": "small",
        "deployment": "d0",
        "locus": "rack-1",
        "jurisdiction": "DE",
        "owned": 1,
        "attempts": 1,
        "end": "complete",
        "status": 200,
        "code": None,
        "prompt_tokens": used.prompt_tokens,
        "cached_prompt_tokens": 0,
        "completion_tokens": used.completion_tokens,
        "energy_j": None,
        "cost": end.cost,
        "saved": end.saved,
        "currency": end.currency,
        "bytes_out": attempt.bytes_out,
        "bytes_in": attempt.bytes_in,
        "ttft_s": attempt.ttft_s,
        "overhead_s": end.overhead_s,
        "duration_s": end.duration_s,
        "counted": 0,
    }


def test_the_ledger_outlives_its_segments_and_decisions_do_not(kept):
    data, count = kept
    rebuild(data)
    before = table(data)
    files(data)[0].unlink()
    gone = count - len(tail(data, count))
    assert gone > 0
    rebuild(data)
    assert table(data) == before
    assert len(table(data, "decisions")) < count


def test_decisions_of_removed_segments_are_forgotten_without_a_rebuild(kept):
    data, count = kept
    rebuild(data)
    files(data)[0].unlink()
    with closing(Index(data / INDEX_FILE)) as index:
        index.forget_removed(receipts_dir(data))
    left = {row[0] for row in table(data, "decisions")}
    assert 0 < len(left) < count
    assert len(table(data)) == count
    assert find(data, "req-000000000") is None


def read_from(follower):
    batch = follower.read()
    assert batch is not None
    return batch


def test_lines_that_are_read_again_change_nothing_and_lines_left_out_are_refused(tmp_path):
    follower, join = Follower(receipts_dir(tmp_path)), Join()
    read = []
    with writing(tmp_path) as writer:
        for number in range(3):
            decide(writer, number)
            read.append(read_from(follower))
            writer.ended(outcome(number))
    read.append(read_from(follower))
    with closing(Index(tmp_path / INDEX_FILE)) as index:
        for again in range(2):
            for batch in read:
                index.apply(batch, join(batch, index.earlier))
            assert len(table(tmp_path)) == 3, again
            assert [row[23] for row in table(tmp_path, "decisions")] == ["rack-1"] * 3
        before = whole(tmp_path)
        index.apply(read[0], [])
        assert whole(tmp_path) == before
        index.begin_anew()
        with pytest.raises(OutOfStep):
            index.apply(read[2], [])
        assert table(tmp_path, "decisions") == []
        assert index.positions() == {}


def test_an_outcome_is_joined_with_a_decision_that_only_the_index_knows(tmp_path):
    follower = Follower(receipts_dir(tmp_path))
    with writing(tmp_path) as writer:
        decide(writer, 1)
        first = read_from(follower)
        with closing(Index(tmp_path / INDEX_FILE)) as index:
            index.apply(first, Join()(first, index.earlier))
        writer.ended(outcome(1))
        with closing(Index(tmp_path / INDEX_FILE)) as index:
            later = Follower(receipts_dir(tmp_path), index.positions())
            second = read_from(later)
            assert second.begun == []
            [joined] = Join()(second, index.earlier)
            index.apply(second, [joined])
    assert joined.begun == msgspec.structs.replace(first.begun[0], tiers={}, needs="")
    assert joined.begun.stream is False
    assert [row[0] for row in table(tmp_path)] == ["req-000000001"]
    assert recent(tmp_path / INDEX_FILE)[0].status == 200


# Versions


def test_a_step_is_made_whole_or_not_at_all(tmp_path):
    steps = [("CREATE TABLE one (a)",), ("ALTER TABLE one ADD COLUMN b", "CREATE TABLE two (a)")]
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as db:
        migrate(db, steps[:1])
        db.execute("INSERT INTO one VALUES (7)")
        with pytest.raises(sqlite3.OperationalError):
            migrate(db, [*steps, ("CREATE TABLE three (a)", "no statement")])
        assert version_of(db) == 2
        assert db.execute("SELECT * FROM one").fetchall() == [(7, None)]
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        assert names == {"one", "two"}
        with pytest.raises(NewerVersion):
            migrate(db, steps[:1])


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_files_of_every_version_are_read(fixture, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(fixture, data)
    report = verify(receipts_dir(data), pinned_keys(data / "keys"))
    assert report.problems == ()
    assert (report.decisions, report.outcomes) == (19, 18)
    with closing(Index(data / INDEX_FILE)) as index:
        assert Follower(receipts_dir(data), index.positions()).behind() == 0
    assert status(data).version == schema.VERSION == len(MIGRATIONS)
    assert [entry.id for entry in tail(data, 2)] == ["req-000000017", "req-000000018"]
    found = find(data, "req-000000002")
    assert found is not None
    assert found.outcome is not None
    kept_lines = table(data)
    assert len(kept_lines) == 18
    [row] = usage(data / INDEX_FILE)
    assert (row.group, row.requests, row.owned_share) == ("d0", 18, 1.0)
    shutil.rmtree(receipts_dir(data))
    rebuild(data)
    assert table(data) == kept_lines


def test_the_tables_that_a_kept_file_has_are_those_that_are_made_today(tmp_path):
    """A step that was released is not changed: it would leave kept files as they are."""

    def tables(path):
        with closing(sqlite3.connect(path)) as db:
            return db.execute("SELECT name, sql FROM sqlite_master ORDER BY 1").fetchall()

    shutil.copytree(FIXTURES[-1], tmp_path / "data")
    Index(tmp_path / "data" / INDEX_FILE).close()
    Index(tmp_path / "new.db").close()
    assert tables(tmp_path / "data" / INDEX_FILE) == tables(tmp_path / "new.db")


def test_a_newer_file_is_refused_until_it_is_made_anew(kept):
    data, _ = kept
    rebuild(data)
    before = table(data)
    execute(data, "PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=f"version 99; .* up to {schema.VERSION}") as told:
        Index(data / INDEX_FILE)
    assert "situs index rebuild" in told.value.advice
    files(data)[0].unlink()
    rebuild(data)
    assert table(data) == before
    [aside] = [p for p in data.iterdir() if re.fullmatch(r"index\.db\.\w+", p.name)]
    assert aside.stat().st_size > 0


# What may go wrong


def test_a_damaged_file_is_put_aside_and_its_ledger_saved_as_far_as_it_goes(kept):
    data, _ = kept
    rebuild(data)
    before = table(data)
    with closing(sqlite3.connect(data / INDEX_FILE)) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name='positions'").fetchone()[0]
    with (data / INDEX_FILE).open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    files(data)[0].unlink()
    with closing(Index(data / INDEX_FILE)) as index, pytest.raises(StoreError, match="malformed"):
        index.positions()
    with pytest.raises(StoreError, match="malformed"):
        status(data)
    rebuild(data)
    assert table(data) == before


def test_a_file_that_is_no_database_is_put_aside(kept):
    data, count = kept
    (data / INDEX_FILE).write_bytes(b"no database at all" * 1000)
    rebuild(data)
    assert len(table(data)) == count


def test_a_locked_file_is_told_with_its_name(kept):
    data, _ = kept
    rebuild(data)
    with closing(sqlite3.connect(data / INDEX_FILE, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with closing(Index(data / INDEX_FILE)) as index, pytest.raises(StoreError) as told:
            index.begin_anew()
    assert "locked" in told.value.message
    assert str(data / INDEX_FILE) in told.value.message


def test_without_an_index_the_commands_say_how_to_get_one(tmp_path):
    for call in (lambda: status(tmp_path), lambda: usage(tmp_path / INDEX_FILE)):
        with pytest.raises(StoreError, match="no index") as told:
            call()
        assert "situs index rebuild" in told.value.advice
    assert list(tmp_path.iterdir()) == []


# Commands


def run(*args):
    return CliRunner().invoke(cli, [*map(str, args)], catch_exceptions=False)


def test_the_commands_rebuild_and_say_how_it_is(kept):
    data, count = kept
    made = run("index", "rebuild", "--data", data)
    assert made.output.endswith(" lines read\n")
    said = run("index", "status", "--data", data).output
    assert f"{count} decisions of 1 chain\n{count} lines in the ledger\ncurrent\n" in said
    with writing(data) as writer:
        serve(writer, count)
    assert "bytes of receipts not read yet" in run("index", "status", "--data", data).output
    again = run("index", "rebuild", "--data", data, "--json").output
    assert f'"ledger":{count + 1},' in again
    with pytest.raises(OperatorError, match="no data directory"):
        run("index", "rebuild", "--data", data / "absent")
