"""What a gateway's processes inherit and leave behind."""

import json
import os
import resource
import subprocess
import sys

import pytest

from situs.app.confine import workers_environment

PROGRAM = """
import json, os, resource, sys
from pathlib import Path
from situs.app.confine import confine
confine()
path = Path(sys.argv[1]) / "made"
path.mkdir()
(path / "file").touch()
print(json.dumps({
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "folder": path.stat().st_mode & 0o777,
    "file": (path / "file").stat().st_mode & 0o777,
}))
"""


@pytest.mark.parametrize(("umask", "folder", "file"), [(0, 0o750, 0o640), (0o77, 0o700, 0o600)])
def test_no_core_is_dumped_and_nothing_is_made_for_others(tmp_path, umask, folder, file):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    hardest = resource.getrlimit(resource.RLIMIT_CORE)[1]

    def narrow():
        os.umask(umask)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    found = json.loads(subprocess.check_output(command, preexec_fn=narrow))
    assert (found["folder"], found["file"]) == (folder, file)
    assert found["core"] == (0 if hardest == 0 else 1)
    assert found["files"] == [min(hard, 65_536), hard]


CRASH = """
import os
from situs.app.confine import confine
pid = os.fork()
if pid == 0:
    confine()
    os.abort()
print(os.WCOREDUMP(os.waitpid(pid, 0)[1]))
"""


def test_a_crash_leaves_no_core(tmp_path):
    def allow():
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    command = [sys.executable, "-c", CRASH]
    said = subprocess.check_output(command, preexec_fn=allow, cwd=tmp_path)
    assert said == b"False\n"
    assert list(tmp_path.iterdir()) == []


def test_a_worker_gets_no_keys_of_providers():
    kept = {"PATH": "/bin", "LC_ALL": "C", "SSL_CERT_FILE": "ca.pem", "PYTHONPATH": "src"}
    kept["LD_LIBRARY_PATH"] = "lib"
    others = {
        "OPENAI_API_KEY": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "SITUS_API_KEY": "x",
        "USER": "x",
    }
    assert workers_environment({**kept, **others}) == kept
