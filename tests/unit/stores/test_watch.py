"""The watch: nothing is lost and nothing counts twice, whatever happens to it or to the index."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from bench.receipts import outcome
from msgspec.structs import replace
from tests.unit.stores.writing import decide, files, several_segments, until, writing

from situs.errors import StoreError
from situs.stores.database import INDEX_FILE
from situs.stores.index import Index
from situs.stores.layout import receipts_dir
from situs.stores.watch import Watch

ROOT = Path(__file__).parents[3]


@contextmanager
def watching(data, *sinks, index=None):
    watch = Watch(receipts_dir(data), index or data / INDEX_FILE, sinks, poll_s=0.01)
    watch.start()
    try:
        yield watch
    finally:
        watch.close()


def serve(writer, *numbers):
    """Requests that end now."""
    for number in numbers:
        decide(writer, number)
        writer.ended(replace(outcome(number), at=time.time()))


def names(*numbers):
    return [f"req-{number:09d}" for number in numbers]


def ledger(data):
    with closing(sqlite3.connect(data / INDEX_FILE)) as db:
        rows = db.execute("SELECT id, prompt_tokens FROM ledger ORDER BY id").fetchall()
    assert all(tokens == 512 for _, tokens in rows)
    return [row[0] for row in rows]


class Seen:
    """A sink that keeps what it is given."""

    def __init__(self):
        self.served = []

    def __call__(self, served):
        self.served += served

    @property
    def ids(self):
        return [one.id for one in self.served]


def test_what_ends_is_handed_over_once_and_written_once(tmp_path):
    seen, other = Seen(), Seen()
    with writing(tmp_path) as writer:
        serve(writer, 0, 1)
        time.sleep(0.002)
        with watching(tmp_path, seen, other) as watch:
            decide(writer, 9)
            serve(writer, *range(2, 6))
            until(lambda: len(seen.ids) == 4)
            assert watch.problem() is None
            writer.ended(replace(outcome(9), at=time.time()))
    assert seen.ids == other.ids == [*names(2, 3, 4, 5), "req-000000009"]
    assert ledger(tmp_path) == names(0, 1, 2, 3, 4, 5, 9)


def test_an_outcome_after_a_restart_joins_its_decision_from_before(tmp_path):
    before, after = Seen(), Seen()
    with writing(tmp_path) as writer:
        with watching(tmp_path, before):
            decide(writer, 1)
        with watching(tmp_path, after):
            writer.ended(replace(outcome(1), at=time.time()))
    assert (before.ids, after.ids) == ([], names(1))
    assert after.served[0].label == "confidential"
    assert ledger(tmp_path) == names(1)


def test_a_sink_that_fails_harms_no_other(tmp_path):
    def fails(served):
        raise RuntimeError("on purpose")

    seen = Seen()
    with writing(tmp_path) as writer, watching(tmp_path, fails, seen):
        serve(writer, 1)
    assert seen.ids == ledger(tmp_path) == names(1)


def test_while_the_index_is_locked_sinks_get_theirs_and_it_catches_up(tmp_path):
    seen = Seen()
    with writing(tmp_path) as writer, watching(tmp_path, seen) as watch:
        serve(writer, 0)
        until(lambda: seen.ids == names(0))
        with closing(sqlite3.connect(tmp_path / INDEX_FILE, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            serve(writer, 1)
            until(lambda: seen.ids == names(0, 1))
            until(watch.problem)
            assert "locked" in watch.problem()
            serve(writer, 2)
            until(lambda: seen.ids == names(0, 1, 2))
        until(lambda: watch.problem() is None)
        serve(writer, 3)
        until(lambda: len(seen.ids) == 4)
    assert seen.ids == ledger(tmp_path) == names(0, 1, 2, 3)


def test_an_index_that_cannot_be_made_yet_is_made_later_of_everything(tmp_path):
    seen, place = Seen(), tmp_path / "not yet" / INDEX_FILE
    with writing(tmp_path) as writer:
        serve(writer, 0)
        with watching(tmp_path, seen, index=place) as watch:
            until(watch.problem)
            serve(writer, 1)
            until(lambda: seen.ids == names(1))
            place.parent.mkdir()
            until(lambda: watch.problem() is None)
    assert seen.ids == names(1)
    assert ledger(place.parent) == names(0, 1)


def test_a_newer_index_is_left_alone(tmp_path):
    with closing(sqlite3.connect(tmp_path / INDEX_FILE)) as db:
        db.execute("PRAGMA user_version = 99")
    before, seen = (tmp_path / INDEX_FILE).read_bytes(), Seen()
    with writing(tmp_path) as writer, watching(tmp_path, seen) as watch:
        serve(writer, 1)
        until(lambda: seen.ids == names(1))
        assert "version 99" in watch.problem()
    assert (tmp_path / INDEX_FILE).read_bytes() == before


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_damaged_index_is_put_aside_and_made_anew(tmp_path, when):
    seen, path = Seen(), tmp_path / INDEX_FILE
    if when == "before":
        path.write_bytes(b"this is no database" * 500)
    with writing(tmp_path) as writer, watching(tmp_path, seen) as watch:
        serve(writer, 0)
        until(lambda: seen.ids == names(0))
        if when == "while":
            damaged = tmp_path / "damaged"
            damaged.write_bytes(b"this is no database" * 500)
            path.with_name(INDEX_FILE + "-wal").unlink()
            damaged.replace(path)
        serve(writer, 1)
        until(lambda: seen.ids == names(0, 1))
        until(lambda: watch.problem() is None)
    assert ledger(tmp_path) == names(0, 1)
    assert any(".db.2" in p.name for p in tmp_path.iterdir())


def test_an_index_that_is_removed_is_made_anew(tmp_path):
    seen = Seen()
    with writing(tmp_path) as writer, watching(tmp_path, seen):
        serve(writer, 0)
        until(lambda: seen.ids == names(0))
        for end in ("", "-wal", "-shm"):
            (tmp_path / (INDEX_FILE + end)).unlink(missing_ok=True)
        until((tmp_path / INDEX_FILE).exists)
        serve(writer, 1)
        until(lambda: len(seen.ids) == 2)
    assert seen.ids == ledger(tmp_path) == names(0, 1)


def test_a_rebuild_beside_a_running_watch_leaves_each_request_once(tmp_path):
    seen = Seen()
    with writing(tmp_path) as writer, watching(tmp_path, seen):
        serve(writer, *range(50))
        command = [sys.executable, "-m", "situs.cli.main", "index", "rebuild", "--data", tmp_path]
        again = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
        number = 50
        while again.poll() is None:
            serve(writer, number)
            number += 1
            time.sleep(0.005)
        assert again.returncode == 0
    assert seen.ids == ledger(tmp_path) == names(*range(number))


def test_a_chain_that_cannot_be_read_is_told_and_holds_up_no_other(tmp_path):
    seen = Seen()
    unreadable = receipts_dir(tmp_path) / "0123456789ab" / "000000000000.jsonl"
    unreadable.mkdir(parents=True)
    with writing(tmp_path) as writer, watching(tmp_path, seen) as watch:
        serve(writer, 1)
        until(lambda: seen.ids == names(1))
        until(watch.problem)
        assert "0123456789ab cannot be read" in watch.problem()
        unreadable.rmdir()
        until(lambda: watch.problem() is None)
    assert ledger(tmp_path) == names(1)


def test_what_another_process_forgot_is_read_again(tmp_path):
    seen, path = Seen(), tmp_path / INDEX_FILE
    with writing(tmp_path) as writer, watching(tmp_path, seen):
        serve(writer, *range(3))
        until(lambda: len(seen.ids) == 3)
        with closing(Index(path)) as index, closing(sqlite3.connect(path)) as db:
            until(lambda: _tried(index.begin_anew))
            db.execute("DELETE FROM ledger")
            db.commit()
        serve(writer, 3)
        until(lambda: ledger(tmp_path) == names(*range(4)))
    assert seen.ids == names(*range(4))


def _tried(work):
    try:
        work()
    except StoreError:
        return False
    return True


_WATCH = """
import sys, time
from pathlib import Path
from situs.stores.watch import Watch
data = Path(sys.argv[1])
Watch(data / "receipts", data / "index.db", [], poll_s=0.001).start()
print("up", flush=True)
time.sleep(60)
"""


def test_killed_at_any_moment_nothing_is_lost_or_counted_twice(tmp_path):
    """The record grows by uneven pieces while watches are killed and begun again."""
    source, data = tmp_path / "source", tmp_path / "data"
    count = several_segments(source, 4)
    whole = [(path, path.read_bytes()) for path in files(source)]
    receipts_dir(data).mkdir(parents=True)
    size, written = sum(len(content) for _, content in whole), 0
    for round_ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", _WATCH, str(data)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        until_written = size * (round_ + 1) // 8
        while written < until_written:
            written = min(until_written, written + 1717 + 977 * round_)
            left = written
            for path, content in whole:
                if left > 0:
                    target = receipts_dir(data) / path.parent.name / path.name
                    target.parent.mkdir(exist_ok=True)
                    with target.open("ab") as file:
                        file.write(content[target.stat().st_size : left])
                left -= len(content)
            time.sleep(0.001 * (round_ % 3))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    with watching(data):
        pass
    assert ledger(data) == names(*range(count))
    with closing(sqlite3.connect(data / INDEX_FILE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        open_ = "SELECT count(*) FROM decisions WHERE status IS NULL"
        assert db.execute(open_).fetchone() == (0,)


def test_decisions_of_segments_that_are_removed_are_forgotten(tmp_path):
    count = several_segments(tmp_path)
    with watching(tmp_path):
        pass

    def decisions():
        with watching(tmp_path):
            pass
        assert len(ledger(tmp_path)) == count
        with closing(sqlite3.connect(tmp_path / INDEX_FILE)) as db:
            return db.execute("SELECT count(*) FROM decisions").fetchone()[0]

    [chain] = {path.parent for path in files(tmp_path)}
    elsewhere = tmp_path / "elsewhere"
    receipts_dir(tmp_path).rename(elsewhere)
    assert decisions() == count, "a directory that is not there now says nothing"
    elsewhere.rename(receipts_dir(tmp_path))
    chain.rename(elsewhere)
    assert decisions() == 0
    elsewhere.rename(chain)
    assert decisions() == count
    files(tmp_path)[0].unlink()
    assert 0 < decisions() < count


def test_a_full_disk_is_told_and_caught_up_with(tmp_path):
    """A file size limit stands for the disk: the index may not grow, the sinks go on."""
    count = several_segments(tmp_path)
    program = f"""
import resource, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from situs.stores.watch import Watch
data = Path(sys.argv[1])
seen = []
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
watch = Watch(
    data / "receipts", data / "{INDEX_FILE}", [seen.extend], wall=lambda: 0.0, poll_s=0.01
)
watch.start()
def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
until(watch.problem)
print(watch.problem())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
until(lambda: watch.problem() is None)
watch.close()
print(len(seen), len(set(one.id for one in seen)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    problem, counts = done.stdout.splitlines()
    assert INDEX_FILE in problem
    handed, different = counts.split()
    assert handed == different == str(count)
    assert ledger(tmp_path) == names(*range(count))
