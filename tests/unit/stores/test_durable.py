"""With `sync_first`, an acknowledged decision is on the disk; what cannot be there, is refused."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bench.receipts import decided
from tests.unit.stores.writing import BODY, files, report, writing

from situs.stores.durable import SharedSync
from situs.stores.signatory import Pace

ROOT = Path(__file__).parents[3]
FIRST = Pace(group_s=0.002, sync_first=True)

WRITE = """
import os, sys
from pathlib import Path
from situs.stores.signatory import Pace
from tests.unit.stores.writing import decide, refused, writing

with writing(Path(sys.argv[1]), Pace(group_s=1000.0, sync_first=sys.argv[2] == "first")) as writer:
    for number in range(3):
        os.write(1, b"refused\\n" if refused(writer, number) else b"acknowledged\\n")
"""

traced = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")


def calls(tmp_path, when, *options):
    """What a process that writes three decisions asks of the kernel, in order."""
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-y", "-qq", "-e", "trace=write,fdatasync", *options, "-o", trace]
    done = subprocess.run(
        [*strace, sys.executable, "-c", WRITE, tmp_path / "data", when],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("tracing is not permitted here")
    assert done.returncode == 0, done.stderr
    found = []
    for line in trace.read_text().splitlines():
        if re.search(r'write\(\d+<[^>]*jsonl>.*\\"type\\":\\"decision', line):
            found.append("written")
        elif re.search(r"fdatasync\(\d+<[^>]*jsonl>", line):
            found.append("sync" if "unfinished" not in line else "sync begins")
        elif "fdatasync resumed" in line:
            found.append("sync ends")
        elif "acknowledged" in line:
            found.append("acknowledged")
        elif '"refused' in line:
            found.append("refused")
    return found


def synced_before_each(found):
    """Whether a whole sync lies between each decision's line and its acknowledgement."""
    told = []
    for i, call in enumerate(found):
        if call != "acknowledged":
            continue
        since = found[max(j for j in range(i) if found[j] == "written") : i]
        told.append("sync" in since or ("sync begins" in since and "sync ends" in since))
    assert len(told) == 3
    return told


@traced
def test_a_decision_is_synced_before_it_is_acknowledged_if_that_is_asked(tmp_path):
    assert synced_before_each(calls(tmp_path, "first")) == [True, True, True]


@traced
def test_otherwise_it_is_only_written(tmp_path):
    assert synced_before_each(calls(tmp_path, "later")) == [False, False, False]


@traced
def test_what_cannot_be_synced_is_refused_and_the_record_says_that_it_was(tmp_path):
    """The disk fails from the third sync of each thread on: the first decision's takes two."""
    fails = ("-e", "inject=fdatasync:error=EIO:when=3+")
    found = [x for x in calls(tmp_path, "first", *fails) if x in ("acknowledged", "refused")]
    assert found == ["acknowledged", "refused", "refused"]
    [path] = files(tmp_path / "data")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    outcomes = [(x["id"], x["status"], x["code"]) for x in lines if x["type"] == "outcome"]
    assert outcomes == [
        ("req-000000001", 503, "cannot_record"),
        ("req-000000002", 503, "cannot_record"),
    ]


def test_a_caller_who_leaves_during_the_sync_has_an_outcome_too(tmp_path):
    async def leave(writer):
        task = asyncio.create_task(writer.decided(decided(1, BODY)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with writing(tmp_path, FIRST) as writer:
        asyncio.run(leave(writer))
    found = report(tmp_path)
    assert (found.decisions, found.outcomes, found.open_decisions) == (1, 1, 0)
    assert b'"status":499' in files(tmp_path)[0].read_bytes()


def test_many_at_once_over_several_segments_are_all_kept(tmp_path):
    async def crowd(writer):
        await asyncio.gather(*(writer.decided(decided(n, BODY)) for n in range(200)))

    pace = Pace(group_s=0.002, segment_bytes=40_000, sync_first=True)
    with writing(tmp_path, pace) as writer:
        for _ in range(2):
            before = len(files(tmp_path))
            while len(files(tmp_path)) == before:
                asyncio.run(crowd(writer))
    found = report(tmp_path)
    assert {p.code for p in found.problems} <= {"repeated_decision"}
    assert len(files(tmp_path)) > 2


class Disk:
    """Something that is synced: it waits until it may, and then fails as often as it shall."""

    def __init__(self, failures=0):
        self.may = threading.Event()
        self.begun = threading.Event()
        self.syncs = 0
        self.failures = failures

    def sync(self):
        self.begun.set()
        self.may.wait(20)
        self.syncs += 1
        if self.failures:
            self.failures -= 1
            raise OSError(5, "failed")


def test_those_who_come_while_one_sync_runs_share_the_next():
    async def run(shared, disk):
        first = asyncio.create_task(shared(disk))
        await asyncio.to_thread(disk.begun.wait, 20)
        others = [asyncio.create_task(shared(disk)) for _ in range(10)]
        await asyncio.sleep(0)
        disk.may.set()
        await asyncio.gather(first, *others)
        assert disk.syncs == 2
        await shared(disk)
        assert disk.syncs == 3

    shared = SharedSync()
    asyncio.run(run(shared, Disk()))
    shared.close()


def test_a_sync_that_fails_fails_for_all_who_wait_for_it_and_the_next_may_succeed():
    async def run(shared, disk):
        disk.may.set()
        both = await asyncio.gather(shared(disk), shared(disk), return_exceptions=True)
        assert [type(one) for one in both] == [OSError, OSError]
        await shared(disk)

    shared = SharedSync()
    asyncio.run(run(shared, Disk(failures=1)))
    shared.close()


def test_one_who_leaves_stops_nobody_elses_sync():
    async def run(shared, disk):
        one, other = (asyncio.create_task(shared(disk)) for _ in range(2))
        await asyncio.to_thread(disk.begun.wait, 20)
        one.cancel()
        disk.may.set()
        await other
        assert disk.syncs == 1

    shared = SharedSync()
    asyncio.run(run(shared, Disk()))
    shared.close()
