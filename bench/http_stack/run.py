"""Measures every server and client pair: CPU per request and per SSE chunk."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from bench import processes

PAIRS = (
    "raw+raw",
    "uvicorn+raw",
    "uvicorn+own",
    "uvicorn+own:STACK_HTTP=guarded",
    "granian-rsgi+own",
    "uvicorn+aiohttp",
    "uvicorn+aiohttp:STACK_AIOHTTP=plain",
    "uvicorn+pyreqwest",
    "granian-asgi+aiohttp",
    "granian-asgi+raw",
    "granian-asgi+pyreqwest",
    "granian-rsgi+aiohttp",
    "granian-rsgi+raw",
    "granian-rsgi+pyreqwest",
    "aiohttp+aiohttp",
    "raw+aiohttp",
    "uvicorn+httpx",
)
UPSTREAM, PORT = 19000, 19001


def measure(pair: str, seconds: float, log: Path) -> dict[str, Any]:
    """One round of one pair; `pair` is server+client and environment settings after colons."""
    name, *settings = pair.split(":")
    server, client = name.split("+")
    env = dict(setting.split("=") for setting in settings)
    env |= {
        "STACK_CLIENT": client,
        "STACK_UPSTREAM": f"http://127.0.0.1:{UPSTREAM}/v1/chat/completions",
    }
    under_test, others = processes.cores()
    url = f"http://127.0.0.1:{PORT}/v1/chat/completions"
    command = [sys.executable, "-m", "bench.http_stack.servers", server, str(PORT)]
    with processes.running(command, under_test, env=env, log=log) as process:
        _wait(url)
        row: dict[str, Any] = {"stack": pair}
        before = processes.cpu_s(process.pid)
        json_load = processes.load(
            others, url, "--seconds", str(seconds), "--connections", "32", "--count", "2000"
        )
        middle = processes.cpu_s(process.pid)
        options = ("--seconds", str(seconds), "--connections", "16", "--warmup", "0", "--stream")
        stream_load = processes.load(others, url, *options, "--count", "500")
        after = processes.cpu_s(process.pid)
        row["cpu_us"] = round(1e6 * (middle - before) / max(1, json_load["total"]), 1)
        row |= {key: json_load.get(key) for key in ("rps", "p50_ms", "p99_ms")}
        row["failed"] = {**json_load["failed"], **stream_load["failed"]}
        row["chunk_cpu_us"] = round(1e6 * (after - middle) / max(1, stream_load["chunks"]), 2)
        row["merged"] = round(stream_load["chunks"] / max(1, stream_load["reads"]), 2)
        row["pss_mb"] = processes.resident_mb(process.pid)
    return row


def _wait(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            processes.post_json(url, {"model": "x"})
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--log", type=Path, default=Path("/dev/null"))
    parser.add_argument("--dry", action="store_true", help="do not append rows")
    parser.add_argument("pairs", nargs="*", default=PAIRS)
    given = parser.parse_args()
    _, others = processes.cores()
    upstream = [sys.executable, "-m", "tests.fakes.fast_upstream", "--port", str(UPSTREAM)]
    rows: dict[str, list[dict[str, Any]]] = {pair: [] for pair in given.pairs}
    with processes.running(upstream, others) as process:
        processes.wait_ready(f"http://127.0.0.1:{UPSTREAM}/", process)
        for _ in range(given.rounds):
            for pair in given.pairs:
                try:
                    rows[pair].append(measure(pair, given.seconds, given.log))
                    print(rows[pair][-1], file=sys.stderr)
                except (OSError, RuntimeError) as error:
                    print(pair, type(error).__name__, error, file=sys.stderr)
    facts = processes.machine()
    for pair, measured in rows.items():
        if not measured:
            continue
        keys = ("cpu_us", "rps", "p50_ms", "p99_ms", "chunk_cpu_us", "merged", "pss_mb")
        row = {key: statistics.median([m[key] for m in measured]) for key in keys}
        for key in ("cpu_us", "chunk_cpu_us"):
            values = [m[key] for m in measured]
            row[f"{key}_range"] = [min(values), max(values)]
        row["rounds"] = len(measured)
        row["failed"] = [m["failed"] for m in measured if m["failed"]]
        print(f"{pair:42}", row)
        if not given.dry:
            processes.append("http_stack", {"bench": "http_stack", "stack": pair, **row, **facts})


if __name__ == "__main__":
    main()
