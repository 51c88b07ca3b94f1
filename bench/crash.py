"""kill -9 under load, again and again: nothing that left lacks a receipt, every restart is clean.

    python -m bench crash --kills 50 --workers 2 --seed 1

A worker or the parent is killed at a random moment (the seed is printed and in the row). After a
parent the gateway is started again on the same data and port, as soon as it is dead; now and then
it is killed once more before it is ready. At the end the books are compared (see `bench soak`):
what the upstream received has a decision, and the index has every line once. Decisions without an
outcome are what the killed had in hand.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import time
from collections import Counter
from typing import Any

from bench import endurance
from bench.endurance import Stage
from bench.endurance_books import compare, read_books
from bench.soak import counted

WAIT_S = (0.05, 1.0)
"""Between kills, at least and at most."""

ROTATE_MB = 1
"""Segments are short, so that kills meet the change from one to the next."""

HALF_STARTED = 0.25
"""Of all restarts, those that are killed before they are ready."""


class Killer:
    """Kills by chance, starts again, and remembers how that went."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._chance = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.restarts: list[float] = []
        self.failures: list[str] = []
        self.left: list[int] = []

    def kill_one(self) -> None:
        time.sleep(self._chance.uniform(*WAIT_S))
        stage = self._stage
        workers = stage.worker_pids()
        victim = self._chance.choice([stage.gateway.pid, *workers])
        if victim != stage.gateway.pid:
            self.killed["worker"] += 1
            _kill(victim)
            return
        self._kill_parent("parent")
        if self._chance.random() < HALF_STARTED:
            stage.begin()
            time.sleep(self._chance.uniform(0.0, 0.6))
            self._kill_parent("starting parent")
        self._restart()

    def _kill_parent(self, what: str) -> None:
        if self._stage.gateway.poll() is not None:
            self.failures.append(self._stage.log.read_text()[-300:])
        self.killed[what] += 1
        _kill(self._stage.gateway.pid)
        self._stage.gateway.wait()

    def _restart(self) -> None:
        before = set(endurance.marked(self._stage.mark))
        try:
            self.restarts.append(self._stage.start())
        except RuntimeError as error:
            self.failures.append(str(error)[-600:])
            self._stage.orphans(5.0)
            self._stage.start()
        self.left = sorted(before.intersection(self._gone_or_left(before)))

    def _gone_or_left(self, before: set[int]) -> set[int]:
        """Those of another gateway's time that still run some seconds later."""
        deadline = time.monotonic() + 10
        while (left := before.intersection(endurance.marked(self._stage.mark))) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.02)
        return left


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def run(given: argparse.Namespace) -> dict[str, Any]:
    with endurance.staged(given.workers, receipts={"rotate_mb": ROTATE_MB}) as stage:
        killer = Killer(stage, given.seed)
        load = stage.load("--callers", str(given.callers), "--seed", str(given.seed))
        begun = time.monotonic()
        with endurance.ended(load):
            for number in range(given.kills):
                killer.kill_one()
                if number % 10 == 9:
                    endurance.say(f"{number + 1} kills: {dict(killer.killed)}")
            time.sleep(1.0)
        took = time.monotonic() - begun
        behind = stage.wait_indexed()
        in_flight = stage.in_flight()
        status = stage.stop()
        orphans = stage.orphans()
        report = stage.situs("receipts", "verify", "--json")
        books = read_books(stage.arrived, stage.told, stage.data)
    findings = compare(books)
    wrong = [f"{name}: {count}" for name, count in findings.wrong.items()]
    wrong += [f"did not start: {text}" for text in killer.failures]
    wrong += [f"left over from before: {killer.left}"] if killer.left else []
    wrong += [f"{p['chain']}:{p['seq']} {p['code']}" for p in report["problems"]]
    wrong += [f"{in_flight} in flight at rest"] if in_flight else []
    wrong += [f"exit status {status}"] if status else []
    wrong += [f"orphans: {orphans}"] if orphans else []
    most = given.callers * sum(killer.killed.values())
    wrong += [f"open decisions: {findings.open}"] if findings.open > most else []
    return {
        "workers": given.workers,
        "kills": killer.killed.total(),
        "killed": dict(killer.killed),
        "seed": given.seed,
        "seconds": round(took, 1),
        **counted(books),
        "open": findings.open,
        "restart_s": round(statistics.median(killer.restarts), 2) if killer.restarts else None,
        "restart_s_max": round(max(killer.restarts), 2) if killer.restarts else None,
        "index_behind_s": round(behind, 1),
        "wrong": wrong,
        "sound": not wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--dry", action="store_true", help="do not append the row")
    given = parser.parse_args()
    print(f"seed {given.seed}", file=sys.stderr)
    endurance.finish("crash", run(given), save=not given.dry)


if __name__ == "__main__":
    main()
