"""Puts gateways under one load, side by side: throughput, CPU, added latency, start, memory.

The system under test has one core, the load and the upstream share the others. Rounds are
interleaved and the median is reported; "added" is the gateway less the bare upstream, measured in
the same round. CPU per request comes from /proc, of the whole process tree: it is the number that
moves least between machines and moods.

    python -m bench gateway --systems direct situs envoy ferrogw --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench import processes
from bench.systems import SYSTEMS, System

UPSTREAM_PORT, PORT = 19300, 19301
PATH = "/v1/chat/completions"


class Span(Struct, frozen=True):
    """How long each phase of a round runs, in seconds; `rate` is the open loop's, per second."""

    seconds: float = 5.0
    warmup: float = 1.0
    rate: float = 100.0
    connections: int = 32
    streams: int = 4


def measure(name: str, span: Span, folder: Path) -> dict[str, Any]:
    """One round of one system, started anew."""
    under_test, others = processes.cores()
    system = SYSTEMS[name](PORT, UPSTREAM_PORT, folder)
    if not system.installed:
        raise RuntimeError(f"{name} is not installed; python -m bench.peers install")
    if not system.command:
        return _phases(system, UPSTREAM_PORT, span, others, pid=None)
    log = folder / "log.txt"
    begun = time.perf_counter()
    with processes.running(system.command, under_test, env=system.env, log=log) as process:
        processes.wait_ready(f"http://127.0.0.1:{PORT}{system.ready}", process)
        started = time.perf_counter() - begun
        _first_answer(system)
        idle = processes.resident_mb(process.pid)
        row = _phases(system, PORT, span, others, pid=process.pid)
        loaded = processes.resident_mb(process.pid)
    return {**row, "start_s": round(started, 3), "idle_mb": idle, "loaded_mb": loaded}


def _first_answer(system: System) -> None:
    document = {"model": system.model, "messages": [{"role": "user", "content": "Hello"}]}
    processes.post_json(f"http://127.0.0.1:{PORT}{PATH}", document, system.headers)


def _phases(
    system: System, port: int, span: Span, cpus: set[int], pid: int | None
) -> dict[str, Any]:
    """Saturation, then a fixed rate, then paced streams, then streams without a gap."""
    url = f"http://127.0.0.1:{port}{PATH}"
    shared = ["--model", system.model, "--warmup", str(span.warmup)]
    shared += [f"--header={name}={value}" for name, value in system.headers.items()]

    def phase(*options: str) -> tuple[dict[str, Any], float]:
        before = processes.cpu_s(pid) if pid else 0.0
        got = processes.load(cpus, url, *shared, "--seconds", str(span.seconds), *options)
        return got, (processes.cpu_s(pid) if pid else 0.0) - before

    full, full_cpu = phase("--connections", str(span.connections))
    fixed, fixed_cpu = phase("--connections", "64", "--rate", str(span.rate))
    _pace(64, 0.005)
    paced, paced_cpu = phase("--stream", "--connections", str(span.streams))
    _pace(100, 0)
    burst, burst_cpu = phase("--stream", "--connections", "8")
    failed = {
        phase: got["failed"]
        for phase, got in (("full", full), ("fixed", fixed), ("paced", paced), ("burst", burst))
        if got["failed"]
    }
    return {
        "rps": full["rps"],
        "p50_ms": full.get("p50_ms"),
        "p99_ms": full.get("p99_ms"),
        "cpu_us": _each(full_cpu, full["total"]),
        "fixed_p50_ms": fixed.get("p50_ms"),
        "fixed_p99_ms": fixed.get("p99_ms"),
        "fixed_cpu_us": _each(fixed_cpu, fixed["total"]),
        "ttft_p50_ms": paced.get("ttft_p50_ms"),
        "ttft_p99_ms": paced.get("ttft_p99_ms"),
        "chunk_p50_ms": paced.get("chunk_p50_ms"),
        "chunk_p99_ms": paced.get("chunk_p99_ms"),
        "chunk_cpu_us": _each(paced_cpu, paced["total"] * 64),
        "burst_chunks_per_s": burst["chunks_per_s"],
        "burst_chunk_cpu_us": _each(burst_cpu, burst["total"] * 100),
        "failed": failed,
        "workload": full["workload"],
    }


def _each(cpu_s: float, count: int) -> float:
    return round(1e6 * cpu_s / max(1, count), 2)


def _pace(chunks: int, interval_s: float) -> None:
    url = f"http://127.0.0.1:{UPSTREAM_PORT}/_pace"
    processes.post_json(url, {"chunks": chunks, "interval_s": interval_s})


ADDED = {
    "added_p50_ms": "fixed_p50_ms",
    "added_p99_ms": "fixed_p99_ms",
    "added_ttft_p50_ms": "ttft_p50_ms",
    "added_ttft_p99_ms": "ttft_p99_ms",
    "added_chunk_p50_ms": "chunk_p50_ms",
    "added_chunk_p99_ms": "chunk_p99_ms",
}


def with_added(row: dict[str, Any], bare: dict[str, Any]) -> dict[str, Any]:
    """`row` with what the gateway adds to the bare upstream's latencies of the same round."""
    added = {
        name: round(row[key] - bare[key], 4)
        for name, key in ADDED.items()
        if row.get(key) is not None and bare.get(key) is not None
    }
    return {**row, **added}


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of every number over the rounds; `min` and `max` of those that vary most."""
    row: dict[str, Any] = {"rounds": len(rounds)}
    for key in rounds[0]:
        values = [r[key] for r in rounds if isinstance(r.get(key), int | float)]
        if values:
            row[key] = round(statistics.median(values), 4)
            row[f"{key}_range"] = [min(values), max(values)]
    row["failed"] = [r["failed"] for r in rounds if r["failed"]]
    row["workload"] = rounds[0]["workload"]
    return row


COLUMNS = (
    "rps", "cpu_us", "p50_ms", "p99_ms", "added_p50_ms", "added_p99_ms", "added_ttft_p50_ms",
    "added_chunk_p50_ms", "chunk_cpu_us", "burst_chunks_per_s", "burst_chunk_cpu_us", "start_s",
    "idle_mb", "loaded_mb",
)  # fmt: skip


def table(rows: dict[str, dict[str, Any]]) -> str:
    lines = [f"{'':20}" + "".join(f"{name:>11}" for name in rows)]
    for key in COLUMNS:
        cells = [row.get(key) for row in rows.values()]
        shown = ["-" if cell is None else f"{cell:.6g}" for cell in cells]
        lines.append(f"{key:20}" + "".join(f"{cell:>11}" for cell in shown))
    failed = {name: row["failed"] for name, row in rows.items() if row["failed"]}
    return "\n".join([*lines, *([f"FAILED REQUESTS: {failed}"] if failed else [])])


def run(names: list[str], rounds: int, span: Span, *, save: bool) -> dict[str, dict[str, Any]]:
    """Interleaved rounds; a row each. The bare upstream is measured in every round."""
    names = ["direct", *(name for name in names if name != "direct")]
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    _, others = processes.cores()
    upstream = [sys.executable, "-m", "tests.fakes.fast_upstream", "--port", str(UPSTREAM_PORT)]
    with processes.running(upstream, others) as process:
        processes.wait_ready(f"http://127.0.0.1:{UPSTREAM_PORT}/", process)
        for number in range(rounds):
            bare: dict[str, Any] = {}
            for name in names:
                with tempfile.TemporaryDirectory(prefix="situs-bench-") as folder:
                    row = measure(name, span, Path(folder))
                bare = row if name == "direct" else bare
                measured[name].append(with_added(row, bare) if name != "direct" else row)
                short = {key: row.get(key) for key in ("rps", "cpu_us", "failed")}
                print(f"round {number + 1}: {name} {short}", file=sys.stderr)
    rows = {name: middle(got) for name, got in measured.items() if got}
    if save:
        facts = processes.machine()
        for name, row in rows.items():
            processes.append("gateway", {"bench": "gateway", "system": name, **row, **facts})
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--systems", nargs="+", default=["situs"], choices=list(SYSTEMS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--dry", action="store_true", help="do not append rows")
    given = parser.parse_args(arguments)
    span = Span(seconds=given.seconds, rate=given.rate)
    print(table(run(given.systems, given.rounds, span, save=not given.dry)))


if __name__ == "__main__":
    main()
