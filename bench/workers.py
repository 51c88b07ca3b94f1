"""Throughput with one worker and with two, in interleaved rounds of one run; the bar is 1.6 times.

    python -m bench workers --rounds 3

Everything may run on every core: workers, parent, upstream and callers. On two cores the second
worker therefore competes with the others, which one worker alone leaves an idle core. Prompts of
30 KB make the request path the greater part of the work, as it is where callers and models are
other machines. The row has the CPU that each part used for a request, and of that

- `busiest_share_2`: the part of the work that the busier worker had. Callers keep connections, so
  whoever accepts more of them is full while the other waits;
- `ratio_own_cores`: what two workers reach where the others are not in their way: the requests that
  a CPU second serves, against one alone, over the busier worker's share (twice, for a half);
- `ratio_possible`: what they could reach on this machine, if no core was ever idle.

`foreign_cores` is what others on the machine used meanwhile; a row with much of it says little.
With fewer cores than four, the bar is for `ratio_own_cores` where `ratio` cannot reach it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

from bench import endurance

BAR = 1.6
ENOUGH_CORES = 4
"""Two for the workers, two for all others."""

PARTS = ("worker", "parent", "upstream", "callers")
Round = dict[str, float]


def measure(workers: int, given: argparse.Namespace) -> Round:
    """One round: a gateway of its own, saturated."""
    with endurance.staged(workers) as stage:
        options = ["--size", str(given.size), "--callers", str(given.callers)]
        with endurance.ended(stage.load(*options, "--seconds", "2", "--seed", "1")) as warm_up:
            warm_up.wait()
        parts = {
            "worker": stage.worker_pids(),
            "parent": [stage.gateway.pid],
            "upstream": [stage.upstream.pid],
        }
        before = {name: _own_cpu_s(pids) for name, pids in parts.items()}
        each_before = [_own_cpu_s([pid]) for pid in parts["worker"]]
        counted = stage.arrived.read_bytes().count(b"\n")
        children, begun, busy = os.times(), time.monotonic(), _machine_cpu_s()
        with endurance.ended(stage.load(*options, "--seconds", str(given.seconds))) as load:
            load.wait()
        served = max(1, stage.arrived.read_bytes().count(b"\n") - counted)
        used = {name: _own_cpu_s(pids) - before[name] for name, pids in parts.items()}
        after = os.times()
        used["callers"] = (
            after.children_user
            + after.children_system
            - children.children_user
            - children.children_system
        )
        shares = [_own_cpu_s([p]) - b for p, b in zip(parts["worker"], each_before, strict=True)]
        foreign = _machine_cpu_s() - busy - sum(used.values())
        took = time.monotonic() - begun
        stage.stop()
    each = {f"{name}_cpu_us": round(1e6 * cpu / served, 1) for name, cpu in used.items()}
    rps = round(served / given.seconds, 1)
    share = round(max(shares) / max(sum(shares), 0.01), 2)
    return {"rps": rps, **each, "busiest_share": share, "foreign_cores": round(foreign / took, 2)}


def _machine_cpu_s() -> float:
    """CPU time that all processes of the machine have used: user, nice, system, interrupts."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    return sum(int(fields[place]) for place in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")


def _own_cpu_s(pids: list[int]) -> float:
    """User and system time of these processes without their children."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def summary(rounds: dict[int, list[Round]], cores: int) -> dict[str, Any]:
    """Medians by number of workers, and how they compare, round by round."""
    row: dict[str, Any] = {}
    for workers, got in rounds.items():
        for key in got[0]:
            values = [one[key] for one in got]
            row[f"{key}_{workers}"] = round(statistics.median(values), 2)
            row[f"{key}_{workers}_range"] = [min(values), max(values)]
    pairs = list(zip(rounds[1], rounds[2], strict=True))
    cpu = "worker_cpu_us"
    for name, key in (("ratio", "rps"), ("cpu_ratio", cpu)):
        row[name] = round(statistics.median(two[key] / one[key] for one, two in pairs), 3)
    own = [1 / two["busiest_share"] * one[cpu] / two[cpu] for one, two in pairs]
    row["ratio_own_cores"] = round(statistics.median(own), 3)
    all_parts = sum(row[f"{part}_cpu_us_2"] for part in PARTS)
    most = min(2 / row["worker_cpu_us_2"], cores / all_parts)
    row["ratio_possible"] = round(most * row["worker_cpu_us_1"], 3)
    return row


def reached(row: dict[str, Any], cores: int) -> str | None:
    """By what two workers are shown to be worth enough: `throughput`, or `cpu`; None: by nothing.

    `cpu` counts only where cores are few: it is an inference, and sees no waiting.
    """
    if row["ratio"] >= BAR:
        return "throughput"
    return "cpu" if cores < ENOUGH_CORES and row["ratio_own_cores"] >= BAR else None


def run(given: argparse.Namespace) -> dict[str, Any]:
    rounds: dict[int, list[Round]] = {1: [], 2: []}
    for number in range(given.rounds):
        for workers, got in rounds.items():
            got.append(measure(workers, given))
            endurance.say(f"round {number + 1}, {workers} worker(s): {got[-1]}")
    cores = len(endurance.everywhere())
    row = summary(rounds, cores)
    wrong = []
    if (shown := reached(row, cores)) is None:
        wrong.append(f"two workers serve {row['ratio']} times what one does")
    return {
        "rounds": given.rounds,
        "size": given.size,
        "callers": given.callers,
        **row,
        "shown_by": shown,
        "wrong": wrong,
        "sound": not wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--size", type=int, default=30_000)
    parser.add_argument("--callers", type=int, default=24)
    parser.add_argument("--dry", action="store_true", help="do not append the row")
    given = parser.parse_args()
    endurance.finish("workers", run(given), save=not given.dry)


if __name__ == "__main__":
    main()
