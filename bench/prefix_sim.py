"""Prefix affinity in simulation: block hits and balance of several rules on a trace of requests.

    python -m bench prefix_sim conversation_trace.jsonl.gz

The trace is Mooncake's (FAST '25, Apache-2.0; FAST25-release/traces of kvcache-ai/Mooncake on
GitHub). Each line has `timestamp` (ms), `input_length`, `output_length` and `hash_ids`, the prefix
blocks of 512 tokens. Each of `--nodes` keeps `--blocks` of them and forgets those that were used
longest ago, of one prompt the end first. A hit is a block of a prompt's beginning that its node
has; the hit rate is hits over all blocks. The load of a node are the tokens that it had to read in
a window of 60 s; `max_over_mean` is that of the busiest node over the mean of all, a figure a
window: its mean, median, p95 and worst.

`situs` calls what the gateway calls: `placement.prefix.affinity`. A node reads `--speed` tokens a
second.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from math import exp
from pathlib import Path
from typing import Any

from msgspec import Struct

from situs.placement.prefix import FADING_S, affinity

BLOCK = 512
WINDOW_S = 60.0
TOKEN_S = 0.03
"""A node's time for a token of the answer; only rules that count requests in flight look at it."""


class Asked(Struct, frozen=True):
    at: float
    tokens: int
    answer: int
    blocks: tuple[int, ...]

    def fresh(self, matched: int) -> int:
        return max(0, self.tokens - BLOCK * matched)


class Node:
    """A server's cache, as it really is."""

    def __init__(self, capacity: int) -> None:
        self.blocks: OrderedDict[int, None] = OrderedDict()
        self._capacity = capacity

    def matched(self, blocks: Sequence[int]) -> int:
        for count, block in enumerate(blocks):
            if block not in self.blocks:
                return count
        return len(blocks)

    def read(self, blocks: Sequence[int]) -> None:
        for block in reversed(blocks):
            self.blocks[block] = None
            self.blocks.move_to_end(block)
        while len(self.blocks) > self._capacity:
            self.blocks.popitem(last=False)


class Seen(Struct):
    """What a rule may look at: what is matched where, and the nodes' loads.

    `lately` are the tokens that each had to read in the last window, `faded` the same fading,
    `running` the requests in flight, `known` the blocks that were ever sent there.
    """

    matched: list[int]
    lately: list[float]
    faded: list[float]
    running: list[int]
    known: list[int]
    speed: float


Rule = Callable[[Asked, Seen], int]


def at_random() -> Rule:
    source = random.Random(1)
    return lambda asked, seen: source.randrange(len(seen.matched))


def round_robin() -> Rule:
    turns: Iterator[int] = iter(range(1 << 60))
    return lambda asked, seen: next(turns) % len(seen.matched)


def longest() -> Rule:
    """The longest prefix, whatever the load; of equals the idlest."""
    return lambda asked, seen: _best(seen.matched, seen.lately, range(len(seen.matched)))


def bounded(bound: float = 1.25) -> Rule:
    """The longest prefix among nodes that have not read more than `bound` times the mean."""

    def pick(asked: Asked, seen: Seen) -> int:
        return _best(seen.matched, seen.lately, _within(asked, seen, bound))

    return pick


def hashed(bound: float = 1.25) -> Rule:
    """Consistent hashing of the first two blocks, with bounded loads."""

    def pick(asked: Asked, seen: Seen) -> int:
        free = set(_within(asked, seen, bound))
        key = repr(asked.blocks[:2]).encode()
        order = sorted(range(len(seen.matched)), key=lambda k: zlib.crc32(key, k * 7919))
        return next(k for k in order if k in free)

    return pick


def cache_aware(threshold: float = 0.5, most: int = 64, ratio: float = 1.5) -> Rule:
    """SGLang's: the shortest queue when out of balance; else the best match, if half is matched;
    else whoever was sent least so far. Source: sgl-router, `cache_aware`, with its defaults."""

    def pick(asked: Asked, seen: Seen) -> int:
        low, high = min(seen.running), max(seen.running)
        if high - low > most and high > ratio * low:
            return seen.running.index(low)
        best = max(seen.matched)
        if best > threshold * len(asked.blocks):
            return seen.matched.index(best)
        return seen.known.index(min(seen.known))

    return pick


def situs() -> Rule:
    def pick(asked: Asked, seen: Seen) -> int:
        count = len(seen.matched)
        cached = [min(asked.tokens, BLOCK * matched) for matched in seen.matched]
        prompt, prompt_s = [asked.tokens] * count, [1 / seen.speed] * count
        scores = affinity(prompt, cached, prompt_s, seen.faded)
        return max(range(count), key=lambda k: (scores[k], -seen.faded[k]))

    return pick


RULES: dict[str, Callable[[], Rule]] = {
    "random": at_random,
    "round_robin": round_robin,
    "longest_prefix": longest,
    "longest_prefix_bounded": bounded,
    "consistent_hash_bounded": hashed,
    "cache_aware": cache_aware,
    "situs": situs,
}


def _best(matched: Sequence[int], load: Sequence[float], among: Sequence[int] | range) -> int:
    return max(among, key=lambda k: (matched[k], -load[k]))


def _within(asked: Asked, seen: Seen, bound: float) -> list[int]:
    most = bound * (sum(seen.lately) + asked.tokens) / len(seen.lately)
    after = [
        load + asked.fresh(there) for load, there in zip(seen.lately, seen.matched, strict=True)
    ]
    least = seen.lately.index(min(seen.lately))
    return [k for k, load in enumerate(after) if load <= most] or [least]


class Loads:
    """What each node had to read."""

    def __init__(self, nodes: int) -> None:
        self.lately = [0.0] * nodes
        self.faded = [0.0] * nodes
        self.running = [0] * nodes
        self._window: deque[tuple[float, int, int]] = deque()
        self._ends: list[deque[float]] = [deque() for _ in range(nodes)]
        self._at = 0.0

    def until(self, at: float) -> None:
        while self._window and self._window[0][0] < at - WINDOW_S:
            _, node, tokens = self._window.popleft()
            self.lately[node] -= tokens
        less = exp((self._at - at) / FADING_S)
        self.faded, self._at = [load * less for load in self.faded], at
        for node, ends in enumerate(self._ends):
            while ends and ends[0] <= at:
                ends.popleft()
            self.running[node] = len(ends)

    def add(self, at: float, node: int, tokens: int, took_s: float) -> None:
        self._window.append((at, node, tokens))
        self.lately[node] += tokens
        self.faded[node] += tokens
        last = self._ends[node][-1] if self._ends[node] else at
        self._ends[node].append(max(last, at + took_s))


def simulate(trace: Sequence[Asked], rule: Rule, given: argparse.Namespace) -> dict[str, Any]:
    nodes = [Node(given.blocks) for _ in range(given.nodes)]
    known: list[set[int]] = [set() for _ in nodes]
    loads, half = Loads(given.nodes), trace[-1].at / 2
    hits, all_, windows = [0, 0], [0, 0], dict[int, list[int]]()
    for asked in trace:
        loads.until(asked.at)
        matched = [node.matched(asked.blocks) for node in nodes]
        sizes = [len(one) for one in known]
        seen = Seen(matched, loads.lately, loads.faded, loads.running, sizes, given.speed)
        k = rule(asked, seen)
        fresh = asked.fresh(matched[k])
        nodes[k].read(asked.blocks)
        known[k].update(asked.blocks)
        loads.add(asked.at, k, fresh, fresh / given.speed + TOKEN_S * asked.answer)
        hits[asked.at >= half] += matched[k]
        all_[asked.at >= half] += len(asked.blocks)
        windows.setdefault(int(asked.at // WINDOW_S), [0] * given.nodes)[k] += fresh
    return {"hit": sum(hits) / sum(all_), "hit_second_half": hits[1] / all_[1], **_balance(windows)}


def _balance(windows: dict[int, list[int]]) -> dict[str, float]:
    """Of whole windows; the last is cut off by the end of the trace."""
    whole = [windows[key] for key in sorted(windows)[:-1]]
    over = sorted(max(loads) / statistics.mean(loads) for loads in whole)
    return {
        "max_over_mean": statistics.mean(over),
        "max_over_mean_p50": statistics.median(over),
        "max_over_mean_p95": over[int(0.95 * len(over))],
        "max_over_mean_worst": over[-1],
    }


def read(path: Path) -> list[Asked]:
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Asked(
            row["timestamp"] / 1000, row["input_length"], row["output_length"], (*row["hash_ids"],)
        )
        for row in rows
    ]


def ideal(trace: Sequence[Asked], capacity: int) -> float:
    """The hit rate of a single node."""
    node, hits = Node(capacity), 0
    for asked in trace:
        hits += node.matched(asked.blocks)
        node.read(asked.blocks)
    return hits / sum(len(asked.blocks) for asked in trace)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("trace", type=Path)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--blocks", type=int, nargs="*", default=[500, 2000, 5000])
    parser.add_argument("--speed", type=float, default=5000.0)
    parser.add_argument("--rules", nargs="*", choices=list(RULES), default=list(RULES))
    given = parser.parse_args()
    trace = read(given.trace)
    about = {"trace": given.trace.name.partition(".")[0], "nodes": given.nodes}
    for blocks in given.blocks:
        setting = argparse.Namespace(nodes=given.nodes, blocks=blocks, speed=given.speed)
        for name in given.rules:
            row = simulate(trace, RULES[name](), setting)
            said = {key: round(value, 4) for key, value in row.items()}
            print(json.dumps({**about, "blocks": blocks, "rule": name, **said}), flush=True)
        pool = ideal(trace, blocks * given.nodes)
        print(json.dumps({**about, "blocks": blocks, "rule": "one_pool", "hit": round(pool, 4)}))


if __name__ == "__main__":
    main()
