"""A disk that is full or read-only stops requests; afterwards all goes on, and nothing is torn."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.stores.writing import report

ROOT = Path(__file__).parents[3]

LIMITED = """
import resource, sys
from pathlib import Path
from bench.receipts import outcome
from tests.unit.stores.writing import files, refused_after, serve, until, writing
data = Path(sys.argv[1])
with writing(data) as writer:
    serve(writer, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (files(data)[0].stat().st_size + 60_000, hard))
    number = refused_after(writer, 0)
    for done in range(1, number):
        writer.ended(outcome(done))
    assert writer.state().waiting_outcomes > 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    until(lambda: writer.state().waiting_outcomes == 0)
    serve(writer, number + 1)
print(number)
"""

MOUNTED = """
import json, subprocess, sys
from pathlib import Path
from bench.receipts import outcome
from tests.unit.stores.writing import decide, refused, refused_after, report, serve, until
from tests.unit.stores.writing import witnessing, writing
data = Path(sys.argv[1])

def fill():
    with (data / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            pass

def well():
    until(lambda: all(part is None for part in (writer.state().problem, witness.problem())))

with witnessing(data) as witness, writing(data) as writer:
    serve(writer, 0)
    for open_ in range(1, 11):  # their outcomes fit on no page that is begun
        decide(writer, open_)
    fill()
    number = refused_after(writer, 10)
    for done in range(1, number):
        writer.ended(outcome(done))
    assert writer.state().waiting_outcomes > 0
    (data / "filler").unlink()
    until(lambda: writer.state().waiting_outcomes == 0)
    well()
    serve(writer, 1000)

fill()
with witnessing(data) as witness, writing(data) as writer:  # a start on a full disk
    assert refused(writer, 2000)
    (data / "filler").unlink()
    well()
    serve(writer, 2001)

subprocess.run(["mount", "-o", "remount,ro", data], check=True)
with witnessing(data) as witness, writing(data) as writer:
    assert refused(writer, 3000)
    assert "EROFS" in writer.state().problem
    subprocess.run(["mount", "-o", "remount,rw", data], check=True)
    well()
    serve(writer, 3001)
found = report(data)
print(json.dumps([
    number, found.decisions, found.outcomes, found.open_decisions,
    [problem.code for problem in found.problems], [chain.torn for chain in found.chains],
]))
"""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_where_a_file_cannot_grow_requests_are_refused_and_outcomes_wait(tmp_path):
    refused = run(sys.executable, "-c", LIMITED, tmp_path)
    found = report(tmp_path)
    assert found.problems == ()
    assert found.open_decisions == 0
    assert found.decisions == refused + 1
    assert not found.chains[0].torn


def can_mount(where):
    """In a mount namespace of its own, so that nothing is left behind."""
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "none", where]
    try:
        return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
    except OSError:
        return False


def test_a_full_and_a_read_only_disk_stop_requests_until_they_are_mended(tmp_path):
    if not can_mount(tmp_path):
        pytest.skip("mounting a small file system is not permitted here")
    shell = 'mount -t tmpfs -o size=300k none "$1" && exec "$2" -c "$3" "$1"'
    number, decisions, outcomes, waiting, problems, torn = run(
        "unshare", "-m", "sh", "-c", shell, "sh", tmp_path, sys.executable, MOUNTED
    )
    assert problems == []
    assert torn == [False] * 6
    assert waiting == 0
    assert decisions == outcomes == number + 3
