"""How long judging takes: evaluated each time, and remembered.

python -m bench policy [--rounds N]

Times are of the processor: what else runs on the machine does not count. Fleets stand at eight
loci; each model has its price, or, in `cost_cap, 50 prices`, each deployment. `evaluated` is one
evaluation, the fleet known already; `each_alone` the same without taking deployments together that
are alike to the policy; `new_fleet` the first of a fleet; `remembered` a verdict that is there
already.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from situs.core.capability import CapabilityClass
from situs.core.fleet import DeploymentState, FleetView, LocusKind, Model, Price
from situs.core.label import Finding, Label
from situs.core.snapshot import Policy, Snapshot
from situs.policy import judge
from situs.policy.input import Facts
from situs.rego.embedded import load
from situs.rego.library import shipped
from situs.rego.sample import sample_deployment, sample_facts, sample_snapshot

LOCI = 8
POLICIES = ("default", "examples/confidential_on_prem", "examples/us_health", "examples/cost_cap")
OWN_PRICES = ", 50 prices"


def fleet(size: int, *, own_prices: bool = False) -> FleetView:
    """At eight loci, of four models, each with its price."""
    kinds, classes = list(LocusKind), list(CapabilityClass)
    some = []
    for place in range(size):
        one = sample_deployment(kinds[place % LOCI % len(kinds)])
        locus = replace(one.locus, name=f"locus-{place % LOCI}")
        model = Model(f"model-{place % 4}", classes[place % 4], context_tokens=32_768)
        price = Price("EUR", 0.2 + (place if own_prices else place % 4) / 10, 0.6)
        name = f"deployment-{place}"
        some.append(replace(one, name=name, locus=locus, model=model, price=price))
    return FleetView(tuple(some), tuple(DeploymentState() for _ in some), digest=f"bench-{size}")


def some_facts() -> list[Facts]:
    """Of each label, with and without findings that a policy may be about."""
    bare = [sample_facts(label) for label in Label]
    kinds = ("card", "health_id", "iban")
    found = tuple(Finding(kind, 0, place, place + 1, 1.0, kind) for place, kind in enumerate(kinds))
    return [*bare, *(replace(f, analysis=replace(f.analysis, findings=found)) for f in bare)]


def timed(snapshot: Snapshot, rounds: int) -> list[int]:
    """Nanoseconds per judgement, over the requests in turn."""
    facts = some_facts()
    taken = []
    for i in range(rounds):
        one = facts[i % len(facts)]
        begun = time.thread_time_ns()
        decision = judge(one.request, one.analysis, snapshot, one.now)
        taken.append(time.thread_time_ns() - begun)
        assert decision.error is None
    return taken


class Fleets:
    """A memory that keeps what is known of a fleet and forgets the verdicts."""

    def __init__(self) -> None:
        self._kept: dict[bytes, object] = {}

    def get(self, key: bytes) -> object | None:
        return self._kept.get(key)

    def put(self, key: bytes, value: object) -> None:
        if key.startswith((b"deployments:", b"kinds:", b"evidence:")):
            self._kept[key] = value


HOW: dict[str, Callable[[Policy], Policy]] = {
    "new_fleet": lambda policy: replace(policy, memory=None),
    "each_alone": lambda policy: replace(policy, memory=Fleets(), facts=frozenset({()})),
    "evaluated": lambda policy: replace(policy, memory=Fleets()),
    "remembered": lambda policy: policy,
}


def row(name: str, size: int, how: str, rounds: int) -> dict[str, Any]:
    policy = HOW[how](load([shipped(name.removesuffix(OWN_PRICES))]))
    view = fleet(size, own_prices=name.endswith(OWN_PRICES))
    snapshot = replace(sample_snapshot(), fleet=view, policy=policy)
    timed(snapshot, 50)
    taken = sorted(timed(snapshot, rounds))
    return {
        "policy": name.rpartition("/")[2],
        "deployments": size,
        "how": how,
        "rounds": rounds,
        "median_us": round(statistics.median(taken) / 1000, 2),
        "p99_us": round(taken[len(taken) * 99 // 100] / 1000, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    gc.disable()
    for name in POLICIES:
        for size in (8, 50):
            for how in HOW:
                print(json.dumps(row(name, size, how, rounds)), flush=True)
    for how in HOW:
        print(json.dumps(row(POLICIES[-1] + OWN_PRICES, 50, how, rounds)), flush=True)


if __name__ == "__main__":
    main()
