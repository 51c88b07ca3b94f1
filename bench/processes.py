"""Processes under measurement: started on chosen cores, watched through /proc, ended whole."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
_TICK = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[set[int], set[int]]:
    """The core for the system under test, and the cores for the load and the upstream."""
    usable = sorted(os.sched_getaffinity(0))
    return {usable[0]}, set(usable[1:]) or {usable[0]}


@contextlib.contextmanager
def running(
    command: Sequence[str],
    cpus: set[int],
    *,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts `command` in a session of its own on `cpus`; ends it and all its children."""
    output = log.open("ab") if log else subprocess.DEVNULL
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    os.sched_setaffinity(process.pid, cpus)
    try:
        yield process
    finally:
        _end(process)
        if not isinstance(output, int):
            output.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def family(pid: int) -> list[int]:
    """`pid` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, of the whole tree; children that have ended included."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            fields = _stat(one)
            total += sum(int(field) for field in fields[11:15])
    return total / _TICK


def resident_mb(pid: int) -> float:
    """Proportional set size of the tree, so that shared pages count once."""
    kilobytes = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            kilobytes += int(rollup.split("\nPss:")[1].split()[0])
    return round(kilobytes / 1024, 1)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from `state` on (the name before it may hold spaces)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def wait_ready(url: str, process: subprocess.Popen[bytes], timeout_s: float = 60.0) -> float:
    """Seconds until `url` answers below 500. Raises RuntimeError when it does not."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < timeout_s:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return time.perf_counter() - begun
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return time.perf_counter() - begun
        except OSError:
            pass
        time.sleep(0.005)
    raise RuntimeError(f"{process.args!r} did not become ready")


def post_json(url: str, document: Any, headers: Mapping[str, str] | None = None) -> bytes:
    request = urllib.request.Request(
        url,
        data=json.dumps(document).encode(),
        headers={"content-type": "application/json", **(headers or {})},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return bytes(reply.read())


def load(cpus: set[int], url: str, *options: str) -> dict[str, Any]:
    """Runs `bench.load` on `cpus` and returns what it measured."""
    command = [sys.executable, "-m", "bench.load", "--url", url, *options]
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def machine() -> dict[str, Any]:
    """What a row says about where it was measured."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if "model name" in line
        ),
        platform.processor() or platform.machine(),
    )
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit or None,
        "python": platform.python_version(),
        "cpu": cpu,
        "cpus": os.cpu_count(),
        "busy": round(os.getloadavg()[0], 2),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def append(name: str, row: Mapping[str, Any]) -> None:
    """Adds one row to `bench/results/NAME.jsonl`."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
