"""Prefix affinity on three real llama.cpp servers: Situs, round robin and random, interleaved.

    python -m bench prefix --rounds 3

One gateway runs three servers of one small model, each with a few slots that keep a prompt. Round
robin and random name the deployment, Situs' choice is `auto`; all go through the same gateway.
Every strategy has texts of its own in every round, so none finds what another left. Two loads:

- `shared`: more long beginnings than one server has slots, fewer than all have together; each
  request draws one and asks something new. Each was asked twice before counting begins. Every
  caller has its share of the beginnings to itself, for a slot answers one request at a time.
- `turns`: conversations that grow by their answers; the next turn is of any that waits.

The hit rate is cached over all prompt tokens, as llama.cpp reports them. The bar: twice round
robin's, time to the first token at least 35 % (p50) and 52 % (p95) lower.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from msgspec import Struct

from bench import processes

SERVERS = ("one", "two", "three")
STRATEGIES = ("round_robin", "random", "situs")
PORT = 7713
_WORDS = (
    "river",
    "stone",
    "garden",
    "letter",
    "winter",
    "market",
    "yellow",
    "engine",
    "doctor",
    "window",
    "silver",
    "forest",
    "paper",
    "bridge",
    "orange",
    "summer",
    "island",
    "kitchen",
    "mountain",
    "violin",
    "harbour",
    "candle",
    "meadow",
    "thunder",
    "copper",
)


class Sample(Struct, frozen=True):
    ttft_s: float
    prompt: int
    cached: int
    server: str
    text: str


class Picks:
    """Which name is asked for; each load has its own."""

    def __init__(self, strategy: str, seed: int) -> None:
        self._strategy = strategy
        self._random = random.Random(seed)
        self._next = 0

    def __call__(self) -> str:
        if self._strategy == "situs":
            return "auto"
        if self._strategy == "random":
            return self._random.choice(SERVERS)
        self._next += 1
        return SERVERS[self._next % len(SERVERS)]


def config(slots: int, context: int) -> dict[str, Any]:
    locus = {
        "kind": "device",
        "jurisdiction": "AU",
        "owned": True,
        "key_custody": "customer",
        "retention": "none",
        "training_use": "none",
    }
    one = {
        "model": "small",
        "locus": "here",
        "runtime": {
            "kind": "llama_cpp",
            "threads": 1,
            "parallel": slots,
            "context_tokens": context,
        },
        "price": {"currency": "USD", "prompt": 0.1, "completion": 0.1},
        "speed": {"ttft_s": 0.05, "prompt_tokens_per_s": 300, "completion_tokens_per_s": 60},
        "max_in_flight": slots,
    }
    return {
        "version": 1,
        "home": "AU",
        "server": {"port": PORT},
        "loci": {"here": locus},
        "models": {
            "small": {
                "capability": "small",
                "context_tokens": 2048,
                "file": "SmolLM2-135M-Instruct.Q4_1",
            }
        },
        "deployments": dict.fromkeys(SERVERS, one),
    }


@contextlib.contextmanager
def gateway(slots: int, context: int, models: Path) -> Iterator[None]:
    """Situs and its three servers, ready."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        path = home / "situs.yaml"
        path.write_text(yaml.safe_dump(config(slots, context)))
        (home / "data").mkdir(mode=0o700)
        (home / "data" / "models").symlink_to(models)
        command = [
            sys.executable,
            "-m",
            "situs.cli.main",
            "serve",
            "--config",
            str(path),
            "--data",
            str(home / "data"),
        ]
        with processes.running(command, os.sched_getaffinity(0), log=home / "log") as process:
            until = time.monotonic() + 120
            while asyncio.run(_ready()) < len(SERVERS):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((home / "log").read_text())
                time.sleep(0.5)
            yield


async def _ready() -> int:
    url = f"http://127.0.0.1:{PORT}/situs/v1/fleet"
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            found = await answer.json()
            return sum(1 for one in found["deployments"] if one["state"]["health"] == "healthy")
    except aiohttp.ClientError:
        return 0


async def ask(
    session: aiohttp.ClientSession, model: str, messages: list[dict[str, str]], tokens: int
) -> Sample:
    """One streamed answer."""
    body = {
        "model": model,
        "messages": messages,
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    usage: dict[str, Any] = {}
    began, first, text = time.monotonic(), 0.0, ""
    url = f"http://127.0.0.1:{PORT}/v1/chat/completions"
    async with session.post(url, json=body) as answer:
        answer.raise_for_status()
        server = answer.headers["x-situs-deployment"]
        async for line in answer.content:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            usage = event.get("usage") or usage
            for choice in event.get("choices", ()):
                if piece := choice["delta"].get("content"):
                    first = first or time.monotonic()
                    text += piece
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    first = first or time.monotonic()
    return Sample(first - began, usage["prompt_tokens"], cached, server, text)


def words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(_WORDS, k=count))


async def shared(given: argparse.Namespace, picks: Picks, rng: random.Random) -> list[Sample]:
    """Each caller is an application with beginnings of its own."""
    samples: list[Sample] = []

    async def caller(session: aiohttp.ClientSession, count: int, requests: int) -> None:
        own = [words(rng, given.words) for _ in range(count)]
        asked = [(one, False) for one in (*own, *own)]
        asked += [(rng.choice(own), True) for _ in range(requests)]
        for beginning, counts in asked:
            question = f"{words(rng, 6)}: what of {words(rng, 4)}?"
            messages = [
                {"role": "system", "content": beginning},
                {"role": "user", "content": question},
            ]
            sample = await ask(session, picks(), messages, 4)
            if counts:
                samples.append(sample)

    async with aiohttp.ClientSession() as session:
        each = [
            (len(range(one, given.prefixes, given.callers)), given.requests // given.callers)
            for one in range(given.callers)
        ]
        await asyncio.gather(*[caller(session, *one) for one in each])
    return samples


async def turns(given: argparse.Namespace, picks: Picks, rng: random.Random) -> list[Sample]:
    talks = [
        [{"role": "system", "content": words(rng, given.words // 2)}] for _ in range(given.talks)
    ]
    waiting = [talk for talk in talks for _ in range(given.turns)]
    rng.shuffle(waiting)
    busy: set[int] = set()
    samples: list[Sample] = []

    async def caller(session: aiohttp.ClientSession) -> None:
        while waiting:
            free = [k for k, talk in enumerate(waiting) if id(talk) not in busy]
            if not free:
                await asyncio.sleep(0.01)
                continue
            talk = waiting.pop(free[0])
            busy.add(id(talk))
            talk.append({"role": "user", "content": words(rng, 25)})
            sample = await ask(session, picks(), talk, 12)
            talk.append({"role": "assistant", "content": sample.text})
            samples.append(sample)
            busy.discard(id(talk))

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*[caller(session) for _ in range(given.callers)])
    return samples


LOADS = {"shared": shared, "turns": turns}


def figures(samples: list[Sample]) -> dict[str, float]:
    """Hit rate, TTFT in milliseconds, and the busiest server's prompt tokens not cached, over the
    mean."""
    times = sorted(sample.ttft_s * 1000 for sample in samples)
    read = [sum(s.prompt - s.cached for s in samples if s.server == name) for name in SERVERS]
    return {
        "hit": sum(s.cached for s in samples) / sum(s.prompt for s in samples),
        "ttft_p50_ms": statistics.median(times),
        "ttft_p95_ms": times[min(len(times) - 1, int(0.95 * len(times)))],
        "max_over_mean": max(read) / max(1.0, statistics.mean(read)),
        "prompt_tokens": statistics.mean(s.prompt for s in samples),
    }


def summary(load: str, rounds: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians over the rounds, and Situs against the others round by round."""
    row: dict[str, Any] = {"load": load}
    for strategy, got in rounds.items():
        for name in got[0]:
            row[f"{strategy}_{name}"] = round(statistics.median(one[name] for one in got), 3)
    for other in STRATEGIES[:2]:
        pairs = list(zip(rounds["situs"], rounds[other], strict=True))
        row[f"hit_over_{other}"] = round(
            statistics.median(mine["hit"] / max(theirs["hit"], 1e-9) for mine, theirs in pairs), 2
        )
        for name in ("ttft_p50_ms", "ttft_p95_ms"):
            less = statistics.median(1 - mine[name] / theirs[name] for mine, theirs in pairs)
            row[f"{name[:8]}_less_than_{other}"] = round(less, 3)
    return row


def run(given: argparse.Namespace) -> list[dict[str, Any]]:
    got: dict[str, dict[str, list[dict[str, float]]]] = {
        load: {strategy: [] for strategy in STRATEGIES} for load in given.loads
    }
    with gateway(given.slots, given.context, given.models):
        for number in range(given.rounds):
            for load in given.loads:
                order = STRATEGIES[number % 3 :] + STRATEGIES[: number % 3]
                for strategy in order:
                    seed = f"{given.seed} {number} {load} {strategy}"
                    picks = Picks(strategy, number)
                    samples = asyncio.run(LOADS[load](given, picks, random.Random(seed)))
                    one = figures(samples)
                    got[load][strategy].append(one)
                    said = {name: round(value, 3) for name, value in one.items()}
                    print(f"round {number + 1} {load} {strategy}: {said}", flush=True)
    facts = {
        "rounds": given.rounds,
        "servers": len(SERVERS),
        "slots": given.slots,
        "context_tokens": given.context,
        "prefixes": given.prefixes,
        "talks": given.talks,
        "callers": given.callers,
    }
    return [{**summary(load, rounds), **facts} for load, rounds in got.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    folder = os.environ.get("SITUS_TEST_MODELS") or f"{home}/situs/models"
    parser.add_argument("--models", type=Path, default=Path(folder).expanduser())
    parser.add_argument("--loads", nargs="*", choices=list(LOADS), default=list(LOADS))
    for name, value in {
        "rounds": 3,
        "seed": 1,
        "slots": 4,
        "context": 1024,
        "prefixes": 10,
        "words": 180,
        "requests": 50,
        "talks": 8,
        "turns": 4,
        "callers": 2,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    for row in run(parser.parse_args()):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
