"""A policy on past decisions: how many a second are decided again and compared.

    python -m bench replay [DECISIONS]

Makes so many (100,000 unless said) over eight deployments whose load changes, records them as a
gateway does, and replays the same policy, a stricter one, and one against the other. Prints a JSON
line for each: seconds of wall time, CPU of all processes, and microseconds of it a decision.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace

from bench.decision import fleet
from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis
from situs.core.fleet import DeploymentState, FleetView, Pace
from situs.core.label import Finding, Label, LabelReason
from situs.core.record import Attempt, Decided, End, Outcome, Peer, Usage
from situs.core.request import Request, Wire
from situs.core.snapshot import Labels, Snapshot
from situs.decide import decide
from situs.rego.embedded import load, load_checked
from situs.rego.library import shipped
from situs.stores.layout import receipts_dir
from situs.stores.segments import SegmentWriter
from situs.studies.replay import replay
from situs.studies.replay_report import FailOn, report
from situs.studies.replay_tally import Terms
from situs.trust.keys import open_signing_key

KINDS = {
    Label.PUBLIC: None,
    Label.INTERNAL: "email",
    Label.CONFIDENTIAL: "iban",
    Label.RESTRICTED: "secret",
}
TASKS = ("chat", "code", "summarise", "extract", "translate", "reason")
BODY = b"the request as it came"


def analysis(rng: random.Random) -> Analysis:
    label = rng.choices(list(KINDS), (60, 25, 12, 3))[0]
    kind = KINDS[label]
    return Analysis(
        label=label,
        reasons=() if kind is None else (LabelReason(label, "finding", kind),),
        findings=() if kind is None else (Finding(kind, 0, 10, 32, 1.0, kind, True),),
        prompt_tokens=rng.randrange(20, 4000),
        completion_tokens=rng.randrange(10, 800),
        task=rng.choice(TASKS),
        needs=rng.choice(list(CapabilityClass)[1:4]),
        tiers={"task": "fast", "needs": "fast", "names": rng.choice(("fast", "skipped"))},
        language="en",
        task_probability=rng.random(),
        needs_probability=rng.random(),
    )


def states(rng: random.Random, count: int) -> tuple[DeploymentState, ...]:
    def pace() -> Pace:
        return Pace(**{name: rng.random() for name in Pace.__struct_fields__})

    return tuple(DeploymentState(in_flight=rng.randrange(20), pace=pace()) for _ in range(count))


def outcome(decision: str, at: float) -> Outcome:
    peer, usage = Peer("127.0.0.1", 8080), Usage(512, 200)
    attempt = Attempt(
        "d0", "locus-0", "AU", "model-0", None, End.COMPLETE, peer, 200, 2048, 900, 0.3, 4.2
    )
    return Outcome(decision, at, 200, None, (attempt,), usage, 1e-4, 0.0, "USD", 9e-4, 4.3)


async def record(data: Path, count: int) -> None:
    rng, view = random.Random(7), fleet()
    snapshot = Snapshot(view, load((shipped(),)), Labels({}), home="AU")
    views = [
        FleetView(view.deployments, states(rng, len(view.deployments)), view.digest)
        for _ in range(500)
    ]
    writer = SegmentWriter(receipts_dir(data), open_signing_key(data / "keys"), time.time)
    writer.start()
    now = time.time() - count
    try:
        for number in range(count):
            request = Request(
                f"req_{number:012d}", Wire.OPENAI_CHAT, "auto", {}, (),
                rng.randrange(100, 20_000), body=BODY, stream=bool(number % 2),
            )  # fmt: skip
            snapshot = replace(snapshot, fleet=rng.choice(views))
            decision = decide(request, snapshot, now + number, analysis=analysis(rng))
            await writer.decided(Decided(request, decision, snapshot.fleet))
            writer.ended(outcome(request.id, decision.at + 1))
    finally:
        writer.close()


def used() -> float:
    """CPU seconds of this process and of those that have ended."""
    mine, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, -1))
    return mine.ru_utime + mine.ru_stime + ended.ru_utime + ended.ru_stime


def measure(data: Path, what: str, terms: Terms) -> None:
    began, cpu = time.perf_counter(), used()
    found, terms = replay(data, terms, None, lambda done, whole: None)
    said = report(found, terms, [FailOn.LEFT])
    wall, cpu = time.perf_counter() - began, used() - cpu
    row = {
        "what": what,
        "decisions": said.replayed,
        "deployments": 8,
        "seconds": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "cpu_us": round(cpu / said.replayed * 1e6, 1),
        "moved": said.changes["moved"].decisions,
        "denied": said.changes["denied"].decisions,
        "not_as_recorded": said.reproduced.verdicts_other.decisions
        + said.reproduced.rankings_other.decisions,
    }
    print(json.dumps(row), flush=True)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        asyncio.run(record(data, count))
        names = {"person": Label.INTERNAL}
        for what, name in (
            ("the same policy", "default"),
            ("a stricter policy", "examples/confidential_on_prem"),
        ):
            new = load_checked((shipped(name),))
            measure(data, what, Terms(new=new, home="AU", names=names))
        old, new = load_checked((shipped(),)), load_checked((shipped(name),))
        measure(data, "two policies", Terms(new=new, old=old, home="AU", names=names))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
