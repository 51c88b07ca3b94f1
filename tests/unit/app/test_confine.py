"""What a gateway's processes inherit and leave behind."""

import json
import os
import resource
import socket
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


SEALED = """
import asyncio, ctypes, json, socket, subprocess, sys, threading, urllib.request
import uvloop
from situs.app.confine import guard
from situs.runtimes.seal import SERVER, seal

port, what, by = int(sys.argv[1]), sys.argv[2], sys.argv[3]
here = "127.0.0.1"

def native():
    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    if made < 0:
        raise OSError(ctypes.get_errno(), "socket(2)")
    address = socket.AF_INET.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big")
    if libc.connect(made, address + bytes([127, 0, 0, 1]) + bytes(8), 16):
        raise OSError(ctypes.get_errno(), "connect(2)")

async def by_loop():
    await asyncio.get_running_loop().create_connection(asyncio.Protocol, here, port)

def in_thread():
    problems = []
    def call():
        try:
            native()
        except OSError as error:
            problems.append(error)
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]

def child():
    code = f"import socket; socket.create_connection(('{here}', {port}))"
    if subprocess.run([sys.executable, "-c", code], capture_output=True).returncode:
        raise OSError("the child could not")

def early():
    held.connect((here, port))

def fast_open():
    raw = socket.socket()
    raw.sendto(b"x", socket.MSG_FASTOPEN, (here, port))

CALLS = {
    "fast open": fast_open,
    "raw socket": lambda: socket.create_connection((here, port)),
    "urllib": lambda: urllib.request.urlopen(f"http://{here}:{port}/", timeout=1),
    "datagram": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", (here, port)),
    "names": lambda: socket.getaddrinfo("example.invalid", port),
    "uvloop": lambda: uvloop.run(by_loop()),
    "native": native,
    "a thread's native": in_thread,
    "child": child,
    "a socket made before": early,
}
held = socket.socket()
waiting = threading.Event()
threading.Thread(target=waiting.wait, daemon=True).start()
if "guard" in by:
    guard()
problem = None
if by != "guard":
    problem = seal(SERVER) if by == "server" else seal()
try:
    CALLS[what]()
    outcome = "through"
except OSError:
    outcome = "refused"
print(json.dumps([outcome, problem]))
"""
PYTHONS = ["raw socket", "urllib", "datagram", "a socket made before", "child"]
NATIVES = ["uvloop", "native", "a thread's native"]


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def arrived(listener):
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def planted(listener, what, by):
    port = str(listener.getsockname()[1])
    command = [sys.executable, "-c", SEALED, port, what, by]
    outcome, problem = json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL))
    if problem is not None:
        pytest.skip(problem)
    return outcome


@pytest.mark.parametrize("what", [*PYTHONS, "names"])
def test_a_planted_call_in_python_is_refused_by_the_process(listener, what):
    assert planted(listener, what, "guard") == "refused"
    assert not arrived(listener)


@pytest.mark.parametrize("what", [*PYTHONS, *NATIVES])
def test_a_planted_call_in_whatever_language_is_refused_by_the_kernel(listener, what):
    assert planted(listener, what, "seal") == "refused"
    assert not arrived(listener)


@pytest.mark.parametrize("what", [*PYTHONS, *NATIVES, "fast open"])
def test_a_server_that_listens_cannot_call_out(listener, what):
    assert planted(listener, what, "server") == "refused"
    assert not arrived(listener)


SERVING = """
import socket, sys
from situs.runtimes.seal import SERVER, seal
problem = seal(SERVER)
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(problem or listener.getsockname()[1], flush=True)
    served, _ = listener.accept()
    with served:
        served.sendall(served.recv(5))
"""


def test_a_server_that_is_sealed_still_answers():
    with subprocess.Popen([sys.executable, "-c", SERVING], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = process.stdout.readline().decode().strip()
        if not said.isdecimal():
            pytest.skip(said)
        with socket.create_connection(("127.0.0.1", int(said)), 5) as client:
            client.sendall(b"hello")
            assert client.recv(5) == b"hello"


@pytest.mark.parametrize("what", NATIVES)
def test_native_calls_are_out_of_the_process_own_reach(listener, what):
    """Why the kernel is asked: Python's own hook never hears of these."""
    assert planted(listener, what, "guard") == "through"
    assert arrived(listener)
