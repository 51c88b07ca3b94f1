"""Reloads of policy, prices and fleet under a load that does not wait: nothing lost, nothing mixed.

    python -m bench reload --times 100 --rate 300

The load is an open loop: requests leave when they are due, and a latency counts from then. First
it runs alone, then with reloads that alternate between two generations, spread over the same time.
Every decision must have been made with the policy and the fleet of one and the same generation.
"""

from __future__ import annotations

import argparse
import collections
import json
import statistics
import threading
import time
from collections.abc import Sequence
from typing import Any, Self

from bench import endurance, processes
from bench.endurance import Stage
from bench.endurance_books import Decided, Ended, read_receipts
from situs.cli.admin import SOCKET, OverSocket

RULES = """package situs
import rego.v1
allow contains d.name if {{
    some d in input.deployments
    d.locus.kind == "{kind}"
}}
deny contains denial if {{
    some d in input.deployments
    d.locus.kind != "{kind}"
    denial := {{"deployment": d.name, "code": "elsewhere"}}
}}
"""
GENERATIONS = (("rack", "on_prem", 0.1), ("cloud", "public_cloud", 7.0))
"""The locus that its policy allows, by name and kind, and a price."""


def write_generations(stage: Stage) -> list[str]:
    """Two configurations as text, each with a policy folder of its own."""
    texts = []
    for name, kind, price in GENERATIONS:
        folder = stage.folder / f"policy-{name}"
        folder.mkdir()
        (folder / "main.rego").write_text(RULES.format(kind=kind))
        config = endurance.configuration(stage.upstream_port, policy={"paths": [folder.name]})
        config["deployments"]["cloud-large"]["price"]["prompt"] = price
        texts.append(json.dumps(config))
    return texts


def reload(stage: Stage) -> float:
    """Seconds that it took. Raises RuntimeError when it was refused."""
    begun = time.perf_counter()
    connection = OverSocket(stage.data / SOCKET, 60.0)
    connection.request("POST", "/situs/v1/reload", b"{}", {"content-type": "application/json"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"reload: {answer.status} {body.decode()}")
    return time.perf_counter() - begun


class Loaded:
    """Runs the open loop beside whatever the block does."""

    def __init__(self, stage: Stage, rate: float, seconds: float) -> None:
        options = ["--rate", str(rate), "--seconds", str(seconds), "--warmup", "1"]
        options += ["--count", "1000"]
        url = f"{stage.url}/v1/chat/completions"
        self.measured: dict[str, Any] = {}
        self._thread = threading.Thread(
            target=lambda: self.measured.update(
                processes.load(endurance.everywhere(), url, *options, "--connections", "64")
            )
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def mixed(decided: Sequence[Decided]) -> list[str]:
    """What shows that a decision was made on halves: pairs of (policy, fleet) that do not fit."""
    pairs = collections.Counter((d.policy, d.fleet) for d in decided)
    wrong = [] if len(pairs) == 2 else [f"{len(pairs)} generations were seen, not 2"]
    for kind, place in (("policy", 0), ("fleet", 1)):
        by = collections.Counter(pair[place] for pair in pairs)
        wrong += [f"a {kind} with {count} others" for count in by.values() if count > 1]
    return wrong


def unserved(decided: Sequence[Decided], ended: Sequence[Ended], answered: int) -> list[str]:
    """What was asked and did not come to a good end; `answered` is what callers got."""
    wrong = []
    if len(decided) != answered:
        wrong.append(f"{len(decided)} decisions for {answered} answers")
    if len(ended) != len(decided):
        wrong.append(f"{len(ended)} outcomes for {len(decided)} decisions")
    if bad := sum(e.status != 200 for e in ended):
        wrong.append(f"{bad} requests were not answered well")
    return wrong


def run(given: argparse.Namespace) -> dict[str, Any]:
    seconds = given.seconds or max(5.0, given.times * 0.4)
    with endurance.staged(given.workers) as stage:
        texts = write_generations(stage)
        stage.config.write_text(texts[0])
        reload(stage)
        with Loaded(stage, given.rate, seconds) as quiet:
            pass
        endurance.say(f"alone: {_latency(quiet.measured)}")
        took = []
        with Loaded(stage, given.rate, seconds) as busy:
            time.sleep(1.5)
            begun = time.monotonic()
            for number in range(given.times):
                due = begun + number * (seconds - 1.0) / given.times
                time.sleep(max(0.0, due - time.monotonic()))
                stage.config.write_text(texts[(number + 1) % 2])
                took.append(reload(stage))
        endurance.say(f"with reloads: {_latency(busy.measured)}")
        status = stage.stop()
        report = stage.situs("receipts", "verify", "--json")
        decided, ended = read_receipts(stage.data / "receipts")
    answered = sum(got["total"] for got in (quiet.measured, busy.measured))
    wrong = mixed(decided) + unserved(decided, ended, answered)
    for name, got in (("alone", quiet.measured), ("with reloads", busy.measured)):
        wrong += [f"{name}: {got['failed']}"] if got["failed"] else []
        late = got["rps"] < 0.98 * given.rate
        wrong += [f"{name}: {got['rps']} a second of {given.rate}"] if late else []
    wrong += ["receipts do not verify"] if report["problems"] else []
    wrong += [f"exit status {status}"] if status else []
    return {
        "workers": given.workers,
        "times": given.times,
        "rate": given.rate,
        "seconds": seconds,
        "answered": answered,
        "alone": _latency(quiet.measured),
        "with_reloads": _latency(busy.measured),
        "reload_ms": round(1000 * statistics.median(took), 1),
        "reload_ms_max": round(1000 * max(took), 1),
        "wrong": wrong,
        "sound": not wrong,
    }


def _latency(got: dict[str, Any]) -> dict[str, float]:
    return {name: got[name] for name in ("p50_ms", "p99_ms", "max_ms")}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--seconds", type=float, help="of each part; by default 0.4 a reload")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="do not append the row")
    given = parser.parse_args()
    endurance.finish("reload", run(given), save=not given.dry)


if __name__ == "__main__":
    main()
