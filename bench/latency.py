"""How well the time of an answer is foretold: first token and whole, on a real server and on drift.

    python -m bench latency [COUNT]
    python -m bench latency --simulated

Requests to one llama.cpp server (SmolLM2 from the lock, one thread, two slots): one to four in
flight, prompts of 50 to 1,500 tokens, 8 to 48 tokens of answer, some prompts begun alike. Each is
foretold before it is learned from, by three: the configured constants (`constants`), those times
one smoothed ratio (`ratio`, what Situs had before), and `placement.latency` (`learned`). Simulated
are a step, a drift, queues and heavy tails. Prints JSON lines: the median absolute percentage
error of TTFT and E2E after the first 20, and how often TTFT was beyond `late_s` (wanted: 0.05).
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from math import exp, log
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from msgspec import Struct

from situs.config.paths import data_dir
from situs.core.capability import CapabilityClass
from situs.core.fleet import (
    Deployment,
    DeploymentState,
    Locus,
    LocusKind,
    Model,
    PrefixCache,
    Speed,
)
from situs.core.record import Measured, Usage
from situs.placement.latency import Learned, beginning, learn, predict
from situs.runtimes.llama_cpp import llama_spec
from situs.runtimes.supervisor import Supervisor
from situs.runtimes.weights import locate

NAME = "SmolLM2-135M-Instruct.Q4_1"
_FIRST = 20
_SLOTS = 2
_SPEED = Speed(ttft_s=0.1, prompt_tokens_per_s=500.0, completion_tokens_per_s=40.0)


class Row(Struct, frozen=True):
    """One answer: what was asked under which load, and how long it took."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    in_flight: int
    ttft_s: float
    e2e_s: float

    @property
    def measured(self) -> Measured:
        usage = Usage(self.prompt_tokens, self.completion_tokens, self.cached_tokens)
        return Measured(self.ttft_s, self.e2e_s, 0.0, self.prompt_tokens, usage)


class Teller(Protocol):
    """Foretells TTFT, E2E and the p95 of TTFT, and is then shown what was."""

    def tell(self, row: Row) -> tuple[float, float, float]: ...

    def see(self, row: Row) -> None: ...


class Constants:
    """What is configured, times a ratio that is one."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._ratio = 1.0

    def tell(self, row: Row) -> tuple[float, float, float]:
        speed = self._deployment.speed
        load = 1.0 + row.in_flight / self._deployment.max_in_flight
        prefill_s = speed.ttft_s + row.prompt_tokens / speed.prompt_tokens_per_s
        ttft_s = prefill_s * self._ratio * load
        e2e_s = ttft_s + row.completion_tokens / speed.completion_tokens_per_s * load
        return ttft_s, e2e_s, 2 * ttft_s

    def see(self, row: Row) -> None:
        pass


class Ratio(Constants):
    """The ratio follows what was measured: a fifth of each, within 0.05 and 20."""

    def see(self, row: Row) -> None:
        ratio = row.ttft_s / max(self.tell(row)[0], 1e-3)
        self._ratio = min(max(self._ratio * (0.8 + 0.2 * ratio), 0.05), 20.0)


class Fitted:
    """What Situs does."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.learned: Learned = beginning(deployment)

    def tell(self, row: Row) -> tuple[float, float, float]:
        state = DeploymentState(in_flight=row.in_flight, pace=self.learned.pace)
        sizes = (row.prompt_tokens, row.cached_tokens, row.completion_tokens)
        return predict(self._deployment, state, *sizes)

    def see(self, row: Row) -> None:
        self.learned = learn(self.learned, row.measured, row.in_flight)


TELLERS: dict[str, Callable[[Deployment], Teller]] = {
    "constants": Constants,
    "ratio": Ratio,
    "learned": Fitted,
}


def judged(
    what: str, rows: Sequence[Row], speed: Speed, slots: int | None = None
) -> Iterator[dict[str, Any]]:
    """Each teller's errors over these rows, in their order."""
    for name, make_one in TELLERS.items():
        teller = make_one(_deployment(speed, slots))
        first: list[float] = []
        whole: list[float] = []
        beyond = 0
        for place, row in enumerate(rows):
            ttft_s, e2e_s, late_s = teller.tell(row)
            if place >= _FIRST:
                first.append(abs(ttft_s - row.ttft_s) / row.ttft_s)
                whole.append(abs(e2e_s - row.e2e_s) / row.e2e_s)
                beyond += row.ttft_s > late_s
            teller.see(row)
        yield {
            "what": what,
            "by": name,
            "count": len(rows),
            "ttft_mdape": round(statistics.median(first), 3),
            "e2e_mdape": round(statistics.median(whole), 3),
            "ttft_late": round(beyond / len(first), 3),
        }


def _deployment(speed: Speed, slots: int | None) -> Deployment:
    model = Model(NAME, CapabilityClass.TINY, context_tokens=2048)
    locus = Locus("here", LocusKind.DEVICE, "AU", owned=True)
    cache = PrefixCache(slots=slots)
    return Deployment("bench", model, locus, "here", speed=speed, max_in_flight=8, cache=cache)


class Truth(Struct, frozen=True):
    """A server as it really is: the six coefficients of `placement.latency`."""

    fixed_s: float = 0.3
    prompt_s: float = 1 / 800
    wait_s: float = 0.3
    token_s: float = 0.03
    crowd_s: float = 0.005
    times: float = 1.0


SIMULATED: dict[str, Callable[[int], Truth]] = {
    "as configured": lambda _: Truth(0.1, 1 / 500, 0.0125, 0.025, 0.003),
    "steady": lambda _: Truth(),
    "step to threefold": lambda place: Truth(times=1.0 if place < 300 else 3.0),
    "drift to fourfold": lambda place: Truth(times=1.0 + place / 200),
    "queue": lambda _: Truth(wait_s=2.0),
}


def simulated(truth: Callable[[int], Truth], seed: int, tail: float) -> Iterator[Row]:
    """Noise of 20 percent; `tail` of the answers take three to ten times as long."""
    rng = random.Random(seed)
    for place in range(600):
        now, k = truth(place), rng.choice((0, 0, 1, 1, 2, 3))
        n, out = int(exp(rng.uniform(log(50), log(1500)))), rng.randrange(8, 200)
        noise = exp(rng.gauss(0, 0.2)) * (rng.uniform(3, 10) if rng.random() < tail else 1.0)
        ttft_s = (now.fixed_s + n * now.prompt_s + k * now.wait_s) * now.times * noise
        token_s = (now.token_s + k * now.crowd_s) * now.times * exp(rng.gauss(0, 0.1))
        yield Row(n, 0, out, k, ttft_s, ttft_s + (out - 1) * token_s)


async def asked(session: aiohttp.ClientSession, rng: random.Random, in_flight: int) -> Row | None:
    """One streamed request; None where it said nothing."""
    words = [f"{rng.choice(_SYLLABLES)}{rng.choice(_SYLLABLES)}" for _ in range(900)]
    count = int(exp(rng.uniform(log(15), log(400))))
    shared = _SHARED[: count // 2] if rng.random() < 0.3 else []
    text = " ".join([*shared, *words[: count - len(shared)]])
    document = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": rng.randrange(8, 49),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    started, first, usage = time.monotonic(), 0.0, None
    async with session.post("/v1/chat/completions", json=document) as answer:
        async for line in answer.content:
            if line.startswith(b"data: {"):
                first = first or time.monotonic()
                usage = json.loads(line[6:]).get("usage") or usage
    if not first or usage is None:
        return None
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return Row(
        usage["prompt_tokens"], cached, usage["completion_tokens"], in_flight,
        first - started, time.monotonic() - started,
    )  # fmt: skip


_SYLLABLES = ("ka", "lo", "mi", "ren", "tas", "vol", "pir", "und", "qua", "bro", "fin", "jen")
_SHARED = [f"{one}{two}" for one in _SYLLABLES for two in _SYLLABLES]


async def measured(count: int) -> list[Row]:
    """Rows of a real server in the order in which they ended; the load changes every ten."""
    rows: list[Row] = []
    running: set[asyncio.Task[Row | None]] = set()
    rng = random.Random(4)
    with tempfile.TemporaryDirectory() as folder:
        located = locate(NAME, data_dir(None) / "models")
        spec = llama_spec("bench", located, context_tokens=2048, threads=1, parallel=_SLOTS)
        supervisor = Supervisor(spec, Path(folder), lambda *_: None)
        try:
            await supervisor.ensure_ready(90)
            host, port = supervisor.address or ("", 0)
            headers = {"authorization": f"Bearer {spec.api_key}"}
            base, once = f"http://{host}:{port}", aiohttp.TCPConnector(force_close=True)
            async with aiohttp.ClientSession(base, connector=once, headers=headers) as session:
                for place in range(count):
                    while len(running) >= 1 + place // 10 % 4:
                        done, running = await asyncio.wait(running, return_when="FIRST_COMPLETED")
                        rows.extend(row for one in done if (row := one.result()) is not None)
                    running.add(asyncio.create_task(asked(session, rng, len(running))))
                for row in await asyncio.gather(*running):
                    rows.extend([] if row is None else [row])
        finally:
            await supervisor.stop(5.0)
    return rows


def main(*words: str) -> None:
    for tail in (0.0, 0.05):
        for what, truth in SIMULATED.items():
            rows = [row for seed in range(4) for row in simulated(truth, seed, tail)][:600]
            named = f"simulated: {what}{', heavy tail' if tail else ''}"
            for line in judged(named, rows, _SPEED):
                print(json.dumps(line))
    if "--simulated" in words:
        return
    real = asyncio.run(measured(int(words[0]) if words else 240))
    for line in judged("llama.cpp", real, _SPEED, _SLOTS):
        print(json.dumps(line))


if __name__ == "__main__":
    main(*sys.argv[1:])
