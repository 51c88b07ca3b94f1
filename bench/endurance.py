"""What the endurance runs share: a gateway over a counting upstream, its processes, its books."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from msgspec import Struct

from bench import processes, report

MARK = "TMPDIR"
"""In the environment of a gateway and of its workers, and unlike any other's: no orphan escapes."""

_CATCH_UP_S = 60.0


def configuration(upstream: int, **more: Any) -> dict[str, Any]:
    """Two deployments at two loci, both for every kind of request."""
    url = f"http://127.0.0.1:{upstream}/v1"
    shared = {"context_tokens": 100_000, "serves": ["chat", "completions", "embeddings"]}
    locus = {"jurisdiction": "DE", "retention": "none", "training_use": "none"}

    def deployment(model: str, place: str, price: float) -> dict[str, Any]:
        cost = {"currency": "EUR", "prompt": price, "completion": price}
        endpoint = {"url": url, "model": "fast"}
        return {"model": model, "locus": place, "endpoint": endpoint, "price": cost}

    return {
        "version": 1,
        "home": "DE",
        "loci": {
            "rack": {**locus, "kind": "on_prem", "owned": True, "key_custody": "customer"},
            "cloud": {**locus, "kind": "public_cloud", "owned": False},
        },
        "models": {
            "small": {"capability": "medium", **shared},
            "large": {"capability": "frontier", **shared},
        },
        "deployments": {
            "rack-small": deployment("small", "rack", 0.1),
            "cloud-large": deployment("large", "cloud", 2.0),
        },
        **more,
    }


@contextlib.contextmanager
def staged(workers: int, **more: Any) -> Iterator[Stage]:
    """A stage in a folder of its own, gone afterwards; `more` is added to its configuration."""
    made = tempfile.TemporaryDirectory(prefix="situs-bench-")
    with made as folder, Stage(Path(folder), workers, more) as stage:
        yield stage


class Stage:
    """Owns a folder with configuration and data, an upstream, a gateway that may be killed."""

    def __init__(self, folder: Path, workers: int, more: dict[str, Any]) -> None:
        self.folder, self.data, self.workers = folder, folder / "data", workers
        self.upstream_port, self.port = free_port(), free_port()
        self.arrived = folder / "arrived.log"
        self.log = folder / "situs.log"
        self.config = folder / "situs.yaml"
        self.mark = str(folder / "tmp")
        (folder / "tmp").mkdir()
        self.config.write_text(json.dumps(configuration(self.upstream_port, **more)))
        self._told: list[Path] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
            stack.callback(signal.signal, signal.SIGTERM, before)
            stack.callback(self._end_all)
            upstream = [sys.executable, "-m", "bench.endurance_upstream"]
            upstream += ["--port", str(self.upstream_port), "--log", str(self.arrived)]
            self.arrived.touch()
            command = processes.running(upstream, everywhere(), log=self.folder / "upstream.log")
            self.upstream = stack.enter_context(command)
            wait_open(self.upstream_port)
            self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout_s: float = 60.0) -> float:
        """Starts `situs serve`; seconds until it answers that it is ready. Raises RuntimeError."""
        begun = time.perf_counter()
        self.begin()
        while time.perf_counter() - begun < timeout_s:
            if self.gateway.poll() is not None:
                break
            if self._greeted() and self._is_ready():
                return time.perf_counter() - begun
            time.sleep(0.005)
        raise RuntimeError(f"situs serve did not start:\n{self.log.read_text()[-2000:]}")

    def begin(self) -> None:
        """Starts `situs serve` and does not wait for it."""
        command = [sys.executable, "-m", "situs.cli.main", "serve", "--config", str(self.config)]
        command += ["--port", str(self.port), "--data", str(self.data)]
        command += ["--workers", str(self.workers)]
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.gateway = subprocess.Popen(
                command,
                cwd=processes.ROOT,
                env={**os.environ, MARK: self.mark},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def stop(self, timeout_s: float = 60.0) -> int:
        """The exit status of a clean end; -9 when it did not come to an end."""
        self.gateway.send_signal(signal.SIGTERM)
        try:
            return self.gateway.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.gateway.kill()
            return self.gateway.wait()

    def worker_pids(self) -> list[int]:
        pids = [pid for pid in marked(self.mark) if pid != self.gateway.pid]
        return [pid for pid in pids if parent_of(pid) == self.gateway.pid]

    def load(self, *options: str) -> subprocess.Popen[bytes]:
        """Callers in a process of their own; what they see goes into the books."""
        log = self.folder / f"told-{len(self._told)}.log"
        log.touch()
        self._told.append(log)
        command = [sys.executable, "-m", "bench.endurance_load", "--url", self.url]
        command += ["--log", str(log), *options]
        output = (self.folder / "load.log").open("ab")
        with output:
            return subprocess.Popen(command, cwd=processes.ROOT, stdout=output, stderr=output)

    @property
    def told(self) -> Sequence[Path]:
        return self._told

    def wait_indexed(self) -> float:
        """Seconds until the index has read every receipt, a minute at most. Raises RuntimeError."""
        begun = time.perf_counter()
        while time.perf_counter() - begun < _CATCH_UP_S:
            if self.situs("index", "status", "--json")["behind"] == 0:
                return time.perf_counter() - begun
            time.sleep(0.2)
        raise RuntimeError("the index does not catch up")

    def in_flight(self) -> int:
        """What the gateway takes to be running upstream, over all workers."""
        with urllib.request.urlopen(f"{self.url}/situs/v1/fleet", timeout=10) as answer:
            fleet = json.load(answer)
        return sum(one["state"]["in_flight"] for one in fleet["deployments"])

    def situs(self, *arguments: str) -> dict[str, Any]:
        """The JSON that a command prints about the data directory."""
        command = [sys.executable, "-m", "situs.cli.main", *arguments, "--data", str(self.data)]
        done = subprocess.run(command, cwd=processes.ROOT, capture_output=True, check=False)
        if not done.stdout:
            raise RuntimeError(f"situs {' '.join(arguments)}: {done.stderr.decode()}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def orphans(self, timeout_s: float = 10.0) -> list[int]:
        """Processes of the stage that outlive the gateway for that long."""
        deadline = time.monotonic() + timeout_s
        while (left := marked(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left

    def _greeted(self) -> bool:
        with self.log.open("rb") as file:
            file.seek(self._log_from)
            return b"Situs listens on " in file.read()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.HTTPError, OSError):
            return False

    def _end_all(self) -> None:
        for pid in marked(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.gateway.wait()


class Sample(Struct, frozen=True):
    """One process at one moment. Memory in KB; `pss` counts a shared page in parts.

    Descriptors are `sockets`, which come and go with callers, and `files`, all others.
    """

    rss: int
    pss: int
    sockets: int
    files: int
    threads: int


def sample(pid: int) -> Sample | None:
    """None when it is gone."""
    folder = Path(f"/proc/{pid}")
    try:
        rollup = (folder / "smaps_rollup").read_text()
        threads = (folder / "status").read_text().split("\nThreads:")[1].split()[0]
        kinds = [_is_socket(entry) for entry in (folder / "fd").iterdir()]
        rss, pss = (int(rollup.split(f"\n{name}:")[1].split()[0]) for name in ("Rss", "Pss"))
    except (OSError, IndexError):
        return None
    sockets = sum(kinds)
    return Sample(rss, pss, sockets, len(kinds) - sockets, int(threads))


def _is_socket(descriptor: Path) -> bool:
    """One that is closed meanwhile is none."""
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except OSError:
        return False


def growth(samples: Sequence[Sample], figure: str, warm_up: float) -> tuple[float, float, float]:
    """Just after the warm-up, half way from there, at the end: medians over a tenth of all."""
    values = [float(getattr(one, figure)) for one in samples]
    width = max(1, len(values) // 10)
    last = len(values) - width
    first = min(int(len(values) * warm_up), last)
    begins = (first, (first + last) // 2, last)
    after, middle, end = (statistics.median(values[b : b + width]) for b in begins)
    return after, middle, end


def marked(mark: str) -> list[int]:
    """Living processes whose environment carries the mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return sorted(found)


def parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def everywhere() -> set[int]:
    return os.sched_getaffinity(0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_open(port: int, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on {port}")


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Ends it with the block, with a chance to write down the last of what it saw."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def say(text: str) -> None:
    """Progress, apart from the row."""
    print(text, file=sys.stderr, flush=True)


def finish(name: str, row: dict[str, Any], *, save: bool) -> None:
    """Prints the row; appends it and renews the page; exits 1 when it is not `sound`."""
    full = {"bench": name, **row, **processes.machine()}
    print(json.dumps(full))
    if save:
        processes.append(name, full)
        report.write()
    if not row["sound"]:
        sys.exit(1)
