"""How soon workers that hear each other know that a place changed, and what that costs.

    python -m bench times

The simulated servers of `bench.latency`, asked through 1, 2 or 4 workers: each answer is one of
them at random, and foretold by it before it is learned from. They hear each other every five
answers (`hear`: no, as it was before; or yes). Prints JSON lines: the median absolute percentage
error of TTFT in the first 40 answers, in 40 after the middle (where the step is), and in the last
100, over 20 rounds; then microseconds of CPU for each thing that is done.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.latency import SIMULATED, Row, Truth, simulated
from situs.core.capability import CapabilityClass
from situs.core.fleet import Deployment, Locus, LocusKind, Model, Speed
from situs.core.record import End
from situs.fleet.board import Board
from situs.fleet.registry import Registry
from situs.fleet.times import MOST, number_of
from situs.placement.latency import predict

_ROUNDS = 20
_EVERY = 5
_MANY = 20_000
_PARTS = {"first": slice(0, 40), "change": slice(300, 340), "settled": slice(500, 600)}
_PLACE = Deployment(
    "bench",
    Model("bench-model", CapabilityClass.SMALL, context_tokens=4096),
    Locus("here", LocusKind.DEVICE, "AU", owned=True),
    "here",
    speed=Speed(ttft_s=0.1, prompt_tokens_per_s=500.0, completion_tokens_per_s=40.0),
    max_in_flight=8,
)


class Crew:
    """So many workers' registries over one board."""

    def __init__(self, count: int) -> None:
        self._fd = Board.make(count)
        self.boards = [Board(self._fd, row) for row in range(count)]
        for board in self.boards:
            board.bind({_PLACE.name: 0})
        self.workers = [
            Registry([_PLACE], "bench", lambda: 0.0, board, seed, board.times)
            for seed, board in enumerate(self.boards)
        ]

    def close(self) -> None:
        os.close(self._fd)


def errors(rows: Sequence[Row], count: int, seed: int, *, hear: bool) -> list[float]:
    """Of each answer's TTFT, as foretold by the worker that it came to."""
    crew, rng, found = Crew(count), random.Random(seed), []
    for place, row in enumerate(rows):
        worker = rng.choice(crew.workers)
        for _ in range(row.in_flight + 1):
            worker.began(_PLACE.name)
        state = worker.view().states[0]
        worker.sent(_PLACE.name, "req")
        expected_s = predict(_PLACE, _before(state), row.prompt_tokens)[0]
        found.append(abs(expected_s - row.ttft_s) / row.ttft_s)
        worker.ended(_PLACE.name, "req", End.COMPLETE, row.measured)
        for _ in range(row.in_flight):
            worker.ended(_PLACE.name, "other", End.COMPLETE, None)
        if hear and place % _EVERY == 0:
            for one in crew.workers:
                one.hear()
    crew.close()
    return found


def _before(state: Any) -> Any:
    """As it was when this one was placed: it is not in flight yet."""
    return type(state)(state.health, state.in_flight - 1, state.pace)


def drifts(truths: dict[str, Callable[[int], Truth]]) -> Iterator[dict[str, Any]]:
    for what, truth in truths.items():
        for count in (1, 2, 4):
            for hear in (False, True)[: 1 if count == 1 else 2]:
                rounds = [
                    errors(list(simulated(truth, seed, 0.05)), count, seed, hear=hear)
                    for seed in range(_ROUNDS)
                ]
                medians = {
                    part: round(statistics.median(e for one in rounds for e in one[among]), 3)
                    for part, among in _PARTS.items()
                }
                yield {"what": what, "workers": count, "hear": hear, **medians}


def costs() -> Iterator[dict[str, Any]]:
    """Microseconds of CPU."""
    crew = Crew(4)
    rows = [row.measured for row in simulated(SIMULATED["steady"], 1, 0.05)]
    number = number_of(_PLACE)

    def told() -> None:
        for measured in rows:
            crew.boards[1].times.tell(number, measured, 1)

    def heard() -> None:
        for at in range(MOST // 3 * 3):
            crew.boards[1 + at % 3].times.tell(number, rows[at], 1)
        crew.workers[0].hear()

    def silent() -> None:
        crew.workers[0].hear()

    tell_us = _cpu_us(told, len(rows))
    yield {"what": "an answer is told", "cpu_us": tell_us}
    hear_us = round(_cpu_us(heard, MOST // 3 * 3) - tell_us, 1)
    yield {"what": "an answer of another is heard and learned from", "cpu_us": hear_us}
    yield {"what": "nothing is heard, of three others", "cpu_us": _cpu_us(silent, 1)}
    crew.close()


def _cpu_us(run: Callable[[], None], things: int) -> float:
    """For each of the things that one run does; the least of five."""
    times = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(max(1, _MANY // things)):
            run()
        times.append((time.process_time() - began) / max(1, _MANY // things) / things)
    return round(min(times) * 1e6, 1)


def main() -> None:
    wanted = ("steady", "step to threefold", "drift to fourfold")
    for line in drifts({what: SIMULATED[what] for what in wanted}):
        print(json.dumps(line), flush=True)
    for line in costs():
        print(json.dumps(line))


if __name__ == "__main__":
    main()
