"""The decision alone: analysis, policy and placement in one process, no I/O.

    python -m bench decision [COUNT]

Eight deployments, distinct prompts of about 512 tokens, the heads of the package without the deep
tier. Prints one JSON line for each part and for
the whole: microseconds of wall time (p50, p99) and of CPU (mean).
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from bench.analysis import prose
from situs.analysis import DEFAULT_FLOORS, analyse, look, warm
from situs.analysis.texts import texts_of
from situs.app.heads import load_heads
from situs.config.analysis import Analysis as Settings
from situs.core.capability import CapabilityClass
from situs.core.fleet import (
    Deployment,
    DeploymentState,
    FleetView,
    KeyCustody,
    Locus,
    LocusKind,
    Model,
    Price,
    TrainingUse,
)
from situs.core.heads import FindsNames
from situs.core.request import Request, Wire
from situs.core.snapshot import NO_ROUTES, Labels, Snapshot
from situs.decide import decide
from situs.placement import place
from situs.policy import judge
from situs.rego.embedded import load
from situs.rego.library import shipped

FAMILIES = ("llama3", "o200k")


def fleet() -> FleetView:
    kinds = [*LocusKind, LocusKind.ON_PREM, LocusKind.SOVEREIGN_CLOUD, LocusKind.PUBLIC_CLOUD]
    deployments = tuple(deployment(i, kind) for i, kind in enumerate(kinds))
    return FleetView(deployments, (DeploymentState(),) * len(deployments), "bench")


def deployment(number: int, kind: LocusKind) -> Deployment:
    owned = kind in (LocusKind.DEVICE, LocusKind.EDGE, LocusKind.ON_PREM)
    locus = Locus(
        name=f"locus-{number}",
        kind=kind,
        jurisdiction="AU",
        owned=owned,
        key_custody=KeyCustody.CUSTOMER,
        retention="none",
        training_use=TrainingUse.NONE,
    )
    capability = list(CapabilityClass)[1 + number % 4]
    model = Model(
        f"model-{number}", capability, 8192 * (1 + number % 3), family=FAMILIES[number % 2]
    )
    return Deployment(f"d{number}", model, locus, "node", Price("USD", 0.1 + number, 0.5 + number))


def requests(count: int) -> list[Request]:
    rng = random.Random(11)
    made = []
    for number in range(count):
        document = {
            "model": "auto",
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": prose(rng, 2048)},
            ],
        }
        body = msgspec.json.encode(document)
        made.append(
            Request(
                id=f"req_{number:08d}",
                wire=Wire.OPENAI_CHAT,
                model="auto",
                document=document,
                texts=texts_of(document),
                size=len(body),
                body=body,
            )
        )
    return made


def timed(name: str, run: Callable[[Request], Any], work: list[Request]) -> dict[str, Any]:
    took = []
    cpu = time.process_time()
    for request in work:
        began = time.perf_counter_ns()
        run(request)
        took.append(time.perf_counter_ns() - began)
    cpu = time.process_time() - cpu
    took.sort()
    return {
        "what": name,
        "count": len(work),
        "p50_us": round(took[len(took) // 2] / 1000, 1),
        "p99_us": round(took[len(took) * 99 // 100] / 1000, 1),
        "cpu_us": round(cpu / len(work) * 1e6, 1),
    }


def main(count: int) -> None:
    warm()
    view = fleet()
    heads = replace(load_heads(Settings(deep=False), Path()), finds_names=FindsNames.AUTO)
    snapshot = Snapshot(view, load((shipped(),)), Labels(DEFAULT_FLOORS), home="AU", heads=heads)
    always = replace(snapshot, heads=replace(heads, finds_names=FindsNames.ALWAYS))
    families = sorted({one.model.family for one in view.deployments})
    work = requests(count)
    for request in work[:200]:
        decide(request, snapshot, 1.7e9)
    analysis = analyse(work[0], snapshot.labels, NO_ROUTES, heads, families)
    verdict = judge(work[0], analysis, snapshot, 1.7e9)
    parts: dict[str, Callable[[Request], Any]] = {
        "analysis without names": lambda request: look(
            request, snapshot.labels, NO_ROUTES, heads, families
        ),
        "analysis": lambda request: analyse(request, snapshot.labels, NO_ROUTES, heads, families),
        "policy": lambda request: judge(request, analysis, snapshot, 1.7e9),
        "placement": lambda request: place(request, analysis, verdict, snapshot, {}),
        "decision": lambda request: decide(request, snapshot, 1.7e9),
        "decision, names always": lambda request: decide(request, always, 1.7e9),
    }
    for name, run in parts.items():
        print(json.dumps(timed(name, run, work)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
