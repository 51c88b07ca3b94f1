"""kill -9 of model servers under load: no whole answer fails, no broken stream looks clean.

    python -m bench kills --nodes fake --minutes 10 --rate 50
    python -m bench kills --nodes llama --kills 10 --rate 2

`fake`: three nodes and a standby, each a process; every five seconds one of the four is killed,
and started again half of that later. `llama`: two llama.cpp servers and a standby that Situs runs;
one is killed when all are well, and Situs starts it again. Requests leave at a fixed rate,
whatever the answers do; every second one is a stream. Sound: no whole answer failed, and every
stream that was not whole said so.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench import endurance, processes
from bench.kills_node import PIECES
from situs.config.paths import data_dir
from situs.studies.failures import serving
from situs.studies.failures_ask import Said, ask, fleet_health

EVERY_S = 5.0
"""Between two kills; half of it a fake node is gone."""

_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1"
_USABLE = frozenset({"healthy", "unknown"})
_MODEL = "chat"


class Tally:
    """What came of the requests."""

    def __init__(self) -> None:
        self.whole: Counter[str] = Counter()
        self.streams: Counter[str] = Counter()
        self.sent = 0

    def add(self, said: Said, *, stream: bool, pieces: int | None) -> None:
        if not stream:
            self.whole["answered" if said.whole else f"{said.code}: {said.message}"] += 1
            return
        self.streams[_how_it_ended(said, pieces)] += 1

    @property
    def sound(self) -> bool:
        known = self.whole.total() + self.streams.total() == self.sent
        return known and set(self.whole) == {"answered"} and "looks clean" not in self.streams


def _how_it_ended(said: Said, pieces: int | None) -> str:
    """`looks clean` is a stream that lacks something and does not end with an error event."""
    if said.whole and pieces in (None, said.pieces):
        return "answered"
    if said.code is None or said.done:
        return "looks clean"
    return f"{said.status} {said.code}"


class Plan(Struct, frozen=True):
    """Requests a second, for how long at most, and what each asks for."""

    rate: float
    seconds: float
    most_tokens: int
    pieces: int | None


def load(url: str, plan: Plan, over: threading.Event) -> Tally:
    """Sends requests at their times until time is up or it is over; returns when all ended."""
    tally, lock = Tally(), threading.Lock()
    content = "Tell me about the garden."

    def one(number: int) -> None:
        stream = number % 2 == 1
        document = {
            "model": _MODEL,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": plan.most_tokens,
            "stream": stream,
        }
        said = ask(url, "chat", document)
        with lock:
            tally.add(said, stream=stream, pieces=plan.pieces)

    begun = time.monotonic()
    with ThreadPoolExecutor(max_workers=128) as pool:
        for number in range(int(plan.rate * plan.seconds)):
            if over.wait(max(0.0, begun + number / plan.rate - time.monotonic())):
                break
            tally.sent += 1
            pool.submit(one, number)
    return tally


class Nodes:
    """Fake nodes, each a process on a port of its own."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.ports = {name: endurance.free_port() for name in names}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in names:
            self.start(name)

    def start(self, name: str) -> None:
        command = [sys.executable, "-m", "bench.kills_node", "--port", str(self.ports[name])]
        self._processes[name] = subprocess.Popen(command, cwd=processes.ROOT)
        endurance.wait_open(self.ports[name])

    def kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes[name].wait(10)

    def close(self) -> None:
        for name in self._processes:
            self.kill(name)


def configuration(deployments: dict[str, dict[str, Any]], **model: Any) -> dict[str, Any]:
    """One model, served by all of them at an owned locus; the last one is a standby."""
    price = {"currency": "EUR", "prompt": 0.1, "completion": 0.1}
    common = {"model": _MODEL, "locus": "rack", "price": price}
    found = {name: {**common, **one} for name, one in deployments.items()}
    found[next(reversed(found))]["role"] = "standby"
    locus = {"kind": "on_prem", "jurisdiction": "DE", "owned": True, "retention": "none"}
    return {
        "version": 1,
        "home": "DE",
        "loci": {"rack": {**locus, "training_use": "none", "key_custody": "customer"}},
        "models": {_MODEL: {"capability": "medium", "context_tokens": 2048, **model}},
        "deployments": found,
    }


@contextmanager
def _fleet(config: Callable[[], dict[str, Any]], weights: Path | None) -> Iterator[str]:
    """The URL of a gateway with this configuration; `weights` is the folder of the models."""
    with tempfile.TemporaryDirectory(prefix="situs-bench-") as folder:
        file, data = Path(folder) / "situs.yaml", Path(folder) / "data"
        if weights is not None:
            data.mkdir()
            (data / "models").symlink_to(weights)
        file.write_bytes(msgspec.json.encode(config()))
        with serving(file, data) as url:
            yield url


def run_fake(seconds: float, rate: float, chance: random.Random) -> dict[str, Any]:
    names = ("node-1", "node-2", "node-3", "standby")
    killed: Counter[str] = Counter()
    with ExitStack() as stack:
        nodes = Nodes(names)
        stack.callback(nodes.close)
        places = {name: f"http://127.0.0.1:{port}/v1" for name, port in nodes.ports.items()}
        fleet = configuration({name: {"endpoint": {"url": places[name]}} for name in names})
        url = stack.enter_context(_fleet(lambda: fleet, None))
        over = threading.Event()
        pool = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(over.set)
        loading = pool.submit(load, url, Plan(rate, seconds, 16, PIECES), over)
        while not loading.done():
            time.sleep(EVERY_S / 2)
            name = chance.choice(names)
            nodes.kill(name)
            killed[name] += 1
            time.sleep(EVERY_S / 2)
            nodes.start(name)
        tally = loading.result()
    return _row("fake", tally, killed, seconds, rate)


def run_llama(kills: int, rate: float, chance: random.Random) -> dict[str, Any]:
    names = ("llama-1", "llama-2", "llama-standby")
    runtime = {"kind": "llama_cpp", "threads": 1, "parallel": 2, "context_tokens": 2048}
    fleet = configuration({name: {"runtime": runtime} for name in names}, file=_WEIGHTS)
    models = Path(os.environ.get("SITUS_TEST_MODELS") or data_dir(None) / "models")
    killed: Counter[str] = Counter()
    with ExitStack() as stack:
        url = stack.enter_context(_fleet(lambda: fleet, models))
        _wait_well(url, names)
        over = threading.Event()
        pool = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(over.set)
        begun = time.monotonic()
        loading = pool.submit(load, url, Plan(rate, 1200.0, 12, None), over)
        for number in range(kills):
            time.sleep(chance.uniform(1.0, 2.0))
            os.kill(chance.choice(_servers()), signal.SIGKILL)
            killed["llama"] += 1
            _wait_well(url, names)
            endurance.say(f"{number + 1} kills")
        time.sleep(2.0)
        over.set()
        tally = loading.result()
    return _row("llama", tally, killed, time.monotonic() - begun, rate)


def _servers() -> list[int]:
    """The model servers among the processes that this one started."""
    found = []
    for pid in processes.family(os.getpid()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b".gguf" in command:
            found.append(pid)
    return found


def _wait_well(url: str, names: tuple[str, ...], timeout_s: float = 120.0) -> None:
    """Until as many servers run as there should, and all of them may be asked."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        well = all(fleet_health(url, name) in _USABLE for name in names)
        if well and len(_servers()) == len(names):
            return
        time.sleep(0.2)
    raise RuntimeError("the servers did not come back")


def _row(
    nodes: str, tally: Tally, killed: Counter[str], seconds: float, rate: float
) -> dict[str, Any]:
    broken = {how: count for how, count in tally.streams.items() if how != "answered"}
    return {
        "nodes": nodes,
        "seconds": round(seconds),
        "rate": rate,
        "kills": killed.total(),
        "killed": dict(killed),
        "whole": tally.whole.total(),
        "whole_failed": tally.whole.total() - tally.whole["answered"],
        "whole_ends": dict(tally.whole),
        "streams": tally.streams.total(),
        "streams_broken": sum(broken.values()) - broken.get("looks clean", 0),
        "streams_look_clean": broken.get("looks clean", 0),
        "stream_ends": dict(tally.streams),
        "sound": tally.sound,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", choices=("fake", "llama"), default="fake")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--dry", action="store_true", help="do not append the row")
    given = parser.parse_args()
    print(f"seed {given.seed}", file=sys.stderr)
    chance = random.Random(given.seed)
    if given.nodes == "fake":
        row = run_fake(given.minutes * 60, given.rate or 50.0, chance)
    else:
        row = run_llama(given.kills, given.rate or 2.0, chance)
    endurance.finish("kills", {**row, "seed": given.seed}, save=not given.dry)


if __name__ == "__main__":
    main()
