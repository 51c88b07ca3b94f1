"""Throughput with one worker and with two, in interleaved rounds of one run; the bar is 1.6 times.

    python -m bench workers --rounds 3

The kernel gives each worker a share of a core (`--share`, a cgroup), so that two of them, the
parent, the upstream and the callers all find room on a machine of two cores. Without a limit the
second worker would compete there with those that make its work; with four cores or more, and where
cgroups cannot be made, use `--share 0`. CPU is stated for each part, by request.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import endurance

BAR = 1.6
CGROUPS = Path("/sys/fs/cgroup/cpu")
SLICE_US = 10_000

Round = dict[str, float]


def measure(workers: int, given: argparse.Namespace) -> Round:
    """One round: a gateway of its own, saturated."""
    with contextlib.ExitStack() as stack:
        stage = stack.enter_context(endurance.staged(workers))
        options = ["--size", str(given.size), "--callers", str(given.callers)]
        with endurance.ended(stage.load(*options, "--seconds", "2", "--seed", "1")) as warm_up:
            warm_up.wait()
        pids = stage.worker_pids()
        parts = {"worker": pids, "parent": [stage.gateway.pid], "upstream": [stage.upstream.pid]}
        stack.enter_context(limited(pids, given.share))
        before = {name: _own_cpu_s(pids) for name, pids in parts.items()}
        each_before = [_own_cpu_s([pid]) for pid in pids]
        counted = stage.arrived.read_bytes().count(b"\n")
        children, begun, busy = _children_s(), time.monotonic(), _machine_cpu_s()
        with endurance.ended(stage.load(*options, "--seconds", str(given.seconds))) as load:
            load.wait()
        took = time.monotonic() - begun
        served = max(1, stage.arrived.read_bytes().count(b"\n") - counted)
        used = {name: _own_cpu_s(pids) - before[name] for name, pids in parts.items()}
        used["callers"] = _children_s() - children
        shares = [_own_cpu_s([p]) - b for p, b in zip(pids, each_before, strict=True)]
        foreign = _machine_cpu_s() - busy - sum(used.values())
        stage.stop()
    return {
        "rps": round(served / given.seconds, 1),
        **{f"{name}_cpu_us": round(1e6 * cpu / served, 1) for name, cpu in used.items()},
        "busiest_share": round(max(shares) / max(sum(shares), 0.01), 2),
        "foreign_cores": round(foreign / took, 2),
    }


@contextlib.contextmanager
def limited(pids: list[int], share: float) -> Iterator[None]:
    """Each of these processes may use so much of a core. Raises OSError where that is not to be."""
    folders = [CGROUPS / f"situs-bench-{pid}" for pid in pids] if share else []
    try:
        for pid, folder in zip(pids, folders, strict=False):
            folder.mkdir()
            (folder / "cpu.cfs_period_us").write_text(str(SLICE_US))
            (folder / "cpu.cfs_quota_us").write_text(str(round(share * SLICE_US)))
            (folder / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for pid, folder in zip(pids, folders, strict=False):
            with contextlib.suppress(OSError):
                (CGROUPS / "cgroup.procs").write_text(str(pid))
            with contextlib.suppress(OSError):
                folder.rmdir()


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


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def summary(rounds: dict[int, list[Round]]) -> dict[str, Any]:
    """Medians by number of workers, and how they compare, round by round."""
    row: dict[str, Any] = {}
    for workers, got in rounds.items():
        for key in got[0]:
            values = [one[key] for one in got]
            row[f"{key}_{workers}"] = round(statistics.median(values), 2)
            row[f"{key}_{workers}_range"] = [min(values), max(values)]
    pairs = list(zip(rounds[1], rounds[2], strict=True))
    for name, key in (("ratio", "rps"), ("cpu_ratio", "worker_cpu_us")):
        row[name] = round(statistics.median(two[key] / one[key] for one, two in pairs), 3)
    return row


def run(given: argparse.Namespace) -> dict[str, Any]:
    rounds: dict[int, list[Round]] = {1: [], 2: []}
    for number in range(given.rounds):
        for workers, got in rounds.items():
            got.append(measure(workers, given))
            endurance.say(f"round {number + 1}, {workers} worker(s): {got[-1]}")
    row = summary(rounds)
    wrong = []
    if row["ratio"] < BAR:
        wrong.append(f"two workers serve {row['ratio']} times what one does")
    asked = {name: getattr(given, name) for name in ("rounds", "size", "callers", "share")}
    return {**asked, **row, "wrong": wrong, "sound": not wrong}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--size", type=int, default=30_000)
    parser.add_argument("--callers", type=int, default=24)
    parser.add_argument("--share", type=float, default=0.4, help="of a core, for each worker")
    parser.add_argument("--dry", action="store_true", help="do not append the row")
    given = parser.parse_args()
    endurance.finish("workers", run(given), save=not given.dry)


if __name__ == "__main__":
    main()
