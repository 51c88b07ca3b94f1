import os
import subprocess
import sys

import pytest

from situs.errors import CannotRecord, DataDirectoryInUse
from situs.stores.lock import DataLock

HOLDER = """
import sys, time
from pathlib import Path
from situs.stores.lock import DataLock
with DataLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_gateway_is_refused_and_told_the_pid(tmp_path, holder):
    with pytest.raises(DataDirectoryInUse, match=f"Process {holder.pid} "):
        DataLock(tmp_path / "data").acquire()


def test_a_killed_gateway_leaves_the_directory_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    with DataLock(tmp_path / "data"):
        assert (tmp_path / "data" / "gateway.lock").exists()


def test_a_released_lock_can_be_taken_again(tmp_path):
    with DataLock(tmp_path), pytest.raises(DataDirectoryInUse):
        DataLock(tmp_path).acquire()
    with DataLock(tmp_path):
        pass


def test_a_directory_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotRecord):
        DataLock(tmp_path / "file").acquire()


def test_a_drill_and_a_gateway_do_not_hold_each_other_up_and_two_drills_do(tmp_path):
    with DataLock(tmp_path), DataLock(tmp_path, "drill", do="Wait."):
        with pytest.raises(
            DataDirectoryInUse, match=f"{os.getpid()} already runs a drill on"
        ) as one:
            DataLock(tmp_path, "drill", do="Wait.").acquire()
        assert one.value.advice == "Wait."
