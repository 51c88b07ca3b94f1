"""Placement alone: fleets of 4 to 10,000 deployments whose states change between requests.

    python -m bench placement [SECONDS]

Twenty models at twenty prices (or a model and a price of its own for every deployment), six loci.
Before each decision two deployments change their state. Prints one JSON line for each fleet with
microseconds of CPU (p50, p99), and the exponent of growth from 100 deployments on.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from typing import Any

from msgspec.structs import replace

from bench.decision import deployment, requests
from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis, PolicyDecision
from situs.core.fleet import DeploymentState, FleetView, Health, LocusKind
from situs.core.label import Label
from situs.core.snapshot import Labels, Policy, Snapshot
from situs.placement import place
from situs.policy.memory import Memory

SIZES = (4, 100, 1_000, 10_000)
LOCI = 6


def fleet(size: int, models: int) -> FleetView:
    """Deployment `i` is of model and price `i % models`, and at locus `i % LOCI`."""
    kinds = [deployment(number, list(LocusKind)[number % 5]) for number in range(models)]
    loci = [one.locus for one in kinds[:LOCI]] or [kinds[0].locus]
    made = tuple(
        replace(kinds[i % models], name=f"d{i}", locus=loci[i % len(loci)]) for i in range(size)
    )
    return FleetView(made, (DeploymentState(Health.HEALTHY),) * size, f"bench-{size}-{models}")


def run(size: int, models: int, seconds: float) -> dict[str, Any]:
    rng, view = random.Random(size), fleet(size, models)
    policy = Policy(lambda _: None, "bench", frozenset())
    snapshot = Snapshot(view, policy, Labels({}), memory=Memory())
    verdict = PolicyDecision(tuple(one.name for one in view.deployments), (), (), "bench")
    work, states = requests(64), list(view.states)
    took: list[int] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(took) < 20:
        request = replace(work[len(took) % 64], id=f"req_{len(took)}")
        for _ in range(2):
            states[rng.randrange(size)] = DeploymentState(Health.HEALTHY, rng.randrange(6))
        now = replace(snapshot, fleet=replace(view, states=tuple(states)))
        analysis = Analysis(
            Label.PUBLIC, (), (), rng.randrange(50, 2000), 200, "chat", CapabilityClass.SMALL
        )
        began = time.process_time_ns()
        place(request, analysis, verdict, now, {})
        took.append(time.process_time_ns() - began)
    took = sorted(took[1:])
    return {
        "what": "placement",
        "deployments": size,
        "models": min(size, models),
        "count": len(took),
        "p50_us": round(took[len(took) // 2] / 1000, 1),
        "p99_us": round(took[len(took) * 99 // 100] / 1000, 1),
    }


def main(seconds: float) -> None:
    for models in (20, SIZES[-1]):
        found = {size: run(size, min(size, models), seconds) for size in SIZES}
        for size, row in found.items():
            if size > 100:
                ratio = row["p50_us"] / found[100]["p50_us"]
                row["exponent"] = round(math.log(ratio, size / 100), 2)
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
