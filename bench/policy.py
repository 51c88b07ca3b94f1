"""How long judging takes: evaluated each time, and remembered.

python -m bench policy [--rounds N]
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from pathlib import Path

import msgspec

from situs.core.fleet import DeploymentState, FleetView, LocusKind
from situs.core.label import Label
from situs.core.snapshot import Snapshot
from situs.policy import judge
from situs.rego.embedded import load
from situs.rego.library import shipped
from situs.rego.sample import sample_deployment, sample_facts, sample_snapshot


def fleet(size: int) -> FleetView:
    kinds = list(LocusKind)
    some = tuple(
        msgspec.structs.replace(sample_deployment(kinds[i % 5]), name=f"deployment-{i}")
        for i in range(size)
    )
    return FleetView(some, tuple(DeploymentState() for _ in some), digest=f"bench-{size}")


def timed(snapshot: Snapshot, rounds: int) -> list[int]:
    """Nanoseconds per judgement, over the four labels in turn."""
    facts = [sample_facts(label) for label in Label]
    taken = []
    for i in range(rounds):
        one = facts[i % len(facts)]
        begun = time.perf_counter_ns()
        decision = judge(one.request, one.analysis, snapshot, one.now)
        taken.append(time.perf_counter_ns() - begun)
        assert decision.error is None
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    gc.disable()
    for path in (shipped("default"), shipped("examples/confidential_on_prem")):
        loaded = load([Path(path)])
        for size in (8, 50):
            for how, policy in {
                "evaluated": msgspec.structs.replace(loaded, memory=None),
                "evaluated_encoded_once": msgspec.structs.replace(loaded, memory=Fleets()),
                "remembered": loaded,
            }.items():
                snapshot = msgspec.structs.replace(
                    sample_snapshot(), fleet=fleet(size), policy=policy
                )
                timed(snapshot, 50)
                taken = sorted(timed(snapshot, rounds))
                row = {
                    "policy": path.stem,
                    "deployments": size,
                    "how": how,
                    "rounds": rounds,
                    "median_us": round(statistics.median(taken) / 1000, 2),
                    "p99_us": round(taken[len(taken) * 99 // 100] / 1000, 2),
                }
                print(json.dumps(row), flush=True)


class Fleets:
    """A memory that keeps the encoded fleet and forgets the verdicts."""

    def __init__(self) -> None:
        self._kept: dict[bytes, object] = {}

    def get(self, key: bytes) -> object | None:
        return self._kept.get(key)

    def put(self, key: bytes, value: object) -> None:
        if key.startswith((b"deployments:", b"kinds:")):
            self._kept[key] = value


if __name__ == "__main__":
    main()
