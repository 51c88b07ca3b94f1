"""What a receipt costs the request path, and how fast a chain is verified.

    python -m bench receipts [REQUESTS]

Prints a JSON line for each way to sync: microseconds of wall time for decision + outcome with 8
deployments (mean and percentiles), CPU of the request path and of the whole process per request
(the signing thread included), bytes per request, and lines verified per second of CPU.
SITUS_BENCH_DIR is where the files lie, if not where temporary files do.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis, Candidate, Decision, Exclusion, Placement, PolicyDecision
from situs.core.fleet import Deployment, DeploymentState, FleetView, Locus, LocusKind, Model
from situs.core.label import Finding, Label, LabelReason
from situs.core.record import Attempt, Decided, End, Outcome, Peer, Usage
from situs.core.request import Objective, Request, Wire
from situs.stores.segments import SegmentWriter
from situs.stores.signatory import Pace
from situs.stores.verify import verify
from situs.trust.keys import open_signing_key

SCORERS = ("adequacy", "cost", "latency", "load", "owned", "affinity")


def fleet() -> FleetView:
    locus = Locus("rack-1", LocusKind.ON_PREM, "DE", True)
    model = Model("small", CapabilityClass.SMALL, 8192)
    deployments = tuple(Deployment(f"d{i}", model, locus, f"node-{i}") for i in range(8))
    return FleetView(deployments, (DeploymentState(),) * 8, "f" * 64)


FLEET = fleet()


def decided(number: int, body: bytes) -> Decided:
    request_id = f"req-{number:09d}"
    request = Request(request_id, Wire.OPENAI_CHAT, "auto", {}, (), len(body), body=body)
    analysis = Analysis(
        Label.CONFIDENTIAL,
        (LabelReason(Label.CONFIDENTIAL, "finding", "iban"),),
        (Finding("iban", 0, 10, 32, 1.0, "iban", True),),
        512,
        256,
        "chat",
        CapabilityClass.SMALL,
        {"task": "fast"},
    )
    ranked = tuple(
        Candidate(f"d{i}", 0.9 - i / 31, dict.fromkeys(SCORERS, 1 / (i + 3)), True, 1e-4, 0.21, 3.7)
        for i in range(5)
    )
    out = tuple(Exclusion(f"d{i}", "policy", "not_owned") for i in range(5, 8))
    policy = PolicyDecision(tuple(f"d{i}" for i in range(5)), out, (), "e" * 64)
    placement = Placement(ranked, (), Objective.CHEAPEST_ADEQUATE)
    decision = Decision(request_id, 1.75e9 + number / 977, analysis, policy, placement, "f" * 64)
    return Decided(request, decision, FLEET)


def outcome(number: int) -> Outcome:
    peer = Peer("127.0.0.1", 8080)
    attempt = Attempt(
        "d0", "rack-1", "DE", "small", None, End.COMPLETE, peer, 200, 2048, 900, 0.31, 4.2
    )
    usage, at = Usage(512, 200), 1.75e9 + number / 977
    return Outcome(
        f"req-{number:09d}", at, 200, None, (attempt,), usage, 1e-4, 0.0, "EUR", 9e-4, 4.3
    )


async def write(writer: SegmentWriter, requests: int, callers: int) -> list[float]:
    """Wall seconds per request, `callers` at once, sorted."""
    body, numbers, took = b"x" * 2048, iter(range(requests)), []

    async def caller() -> None:
        for number in numbers:
            record, end = decided(number, body), outcome(number)
            began = time.perf_counter()
            await writer.decided(record)
            writer.ended(end)
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return sorted(took)


def making(requests: int) -> float:
    """CPU seconds that the records alone take."""
    began = time.process_time()
    for number in range(requests):
        decided(number, b"")
        outcome(number)
    return time.process_time() - began


def measure(sync: str, callers: int, requests: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("SITUS_BENCH_DIR")) as folder:
        data = Path(folder)
        key = open_signing_key(data / "keys")
        pace = Pace(sync_first=sync == "before_dispatch")
        writer = SegmentWriter(data / "receipts", key, time.time, pace)
        writer.start()
        made_cpu = making(requests)
        cpu, path_cpu = time.process_time(), time.thread_time()
        took = asyncio.run(write(writer, requests, callers))
        path_cpu = time.thread_time() - path_cpu - made_cpu
        writer.close()
        cpu = time.process_time() - cpu - made_cpu
        size = sum(p.stat().st_size for p in data.rglob("*.jsonl"))
        began = time.process_time()
        report = verify(data / "receipts", [key.public])
        verified_s = time.process_time() - began
    return {
        "bench": "receipts",
        "sync": sync,
        "callers": callers,
        "requests": requests,
        "us_mean": round(sum(took) / requests * 1e6, 1),
        "us_p50": round(took[requests // 2] * 1e6, 1),
        "us_p99": round(took[requests * 99 // 100] * 1e6, 1),
        "us_max": round(took[-1] * 1e6, 1),
        "cpu_us": round(path_cpu / requests * 1e6, 1),
        "cpu_us_with_signing": round(cpu / requests * 1e6, 1),
        "bytes_per_request": size // requests,
        "verified_lines_per_s": round(report.lines / verified_s),
        "problems": len(report.problems),
    }


def main(requests: int) -> None:
    facts = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }
    for sync, callers in (("group", 1), ("before_dispatch", 1), ("before_dispatch", 32)):
        few = requests if sync == "group" else requests // 10
        print(json.dumps({**measure(sync, callers, few), **facts}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
