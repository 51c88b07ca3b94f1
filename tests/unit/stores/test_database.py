"""What reads the index needs to write nothing."""

import os
import shutil
import subprocess
import sys

import pytest
from tests.unit.stores.writing import indexed

COMMANDS = [("usage",), ("index", "status"), ("decisions", "tail"), ("receipts", "verify")]


@pytest.fixture
def data(tmp_path):
    return indexed(tmp_path / "data", 0)


@pytest.fixture
def read_only(data):
    """Words before a command that may not write into the data directory, whoever runs it."""
    if os.geteuid():
        data.chmod(0o555)
        yield []
        data.chmod(0o755)
        return
    unshare = shutil.which("unshare")
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    words = [unshare or "unshare", "-m", "sh", "-c", mount, str(data)]
    if unshare is None or subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    yield words


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_data_directory_that_cannot_be_written_can_be_read(data, read_only, command):
    before = sorted(path.name for path in data.iterdir())
    situs = [sys.executable, "-m", "situs.cli.main", *command, "--data", str(data)]
    done = subprocess.run([*read_only, *situs], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert sorted(path.name for path in data.iterdir()) == before


def test_what_takes_writing_says_that_it_cannot_be_written(data, read_only):
    situs = [sys.executable, "-m", "situs.cli.main", "index", "rebuild", "--data", str(data)]
    done = subprocess.run([*read_only, *situs], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{data / 'index.db'} cannot be used" in done.stderr
    assert "can be written" in done.stderr
