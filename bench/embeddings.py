"""What embeddings cost in process: `python -m bench embeddings [ROUNDS]`.

One JSON line for each workload: milliseconds for each text, wall and processor, medians over ROUNDS
(15 unless given), one thread. Then what loading takes, and what fewer dimensions do: how often a
sentence finds its paraphrase first among all others, and the cosines of both sorts of pairs.
Weights come from SITUS_TEST_MODELS, or from the data directory.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from situs.backends.embedding import batches, shortened
from situs.config.paths import data_dir
from situs.runtimes.onnx import OnnxModel, load, onnx_spec

PAIRS = (
    ("How do I reset my password?", "I forgot my password, how can I change it?"),
    ("What is the weather like today?", "Tell me today's forecast."),
    ("Cancel my subscription, please.", "I no longer want to be billed every month."),
    ("The train was late again this morning.", "My commute was delayed by the railway today."),
    ("Write a function that reverses a list.", "Code that puts an array in opposite order."),
    ("Is this medicine safe for children?", "Can kids take this drug without risk?"),
    ("The company's profit fell by a third.", "Earnings of the firm dropped 33 percent."),
    ("How far is it from Paris to Lyon?", "Distance between the French capital and Lyon"),
    ("Translate this letter into German.", "Put the following letter into the German language."),
    ("Our printer shows a paper jam.", "Sheets are stuck in the office printing machine."),
    ("Which wine goes with fish?", "What should I drink with a salmon dinner?"),
    ("Book a table for four on Friday.", "Reserve dinner for a group of 4 at the end of the week."),
)


def rss_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(x.split()[1]) for x in lines if x.startswith("VmRSS")) / 1000, 1)


def text(tokens: int, number: int) -> str:
    words = ("river", "house", "green", "seven", "walk", "paper", "light", "music")
    return " ".join(words[(number * 7 + place) % len(words)] for place in range(tokens - 2))


def embed(model: OnnxModel, texts: Sequence[str]) -> list[array[float]]:
    tokens = model.tokens(texts)
    found = [array("f")] * len(texts)
    for places in batches([len(one) for one in tokens]):
        made = model.vectors([tokens[place] for place in places])
        for place, vector in zip(places, made, strict=True):
            found[place] = vector
    return found


def ms(rounds: int, texts: int, work: Callable[[], object]) -> dict[str, float]:
    wall, cpu = [], []
    for _ in range(rounds):
        began, spent = time.perf_counter(), time.process_time()
        work()
        cpu.append((time.process_time() - spent) * 1e3 / texts)
        wall.append((time.perf_counter() - began) * 1e3 / texts)
    found = {"ms_per_text": statistics.median(wall), "cpu_ms_per_text": statistics.median(cpu)}
    return {name: round(value, 2) for name, value in found.items()}


def say(**row: object) -> None:
    sys.stdout.write(json.dumps(row) + "\n")


def cosine(a: array[float], b: array[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def dimensions(model: OnnxModel) -> None:
    ones, others = (embed(model, side) for side in zip(*PAIRS, strict=True))
    for count in (384, 256, 128, 64, 32):
        a = [shortened(one, count) for one in ones]
        b = [shortened(one, count) for one in others]
        table = [[cosine(x, y) for y in b] for x in a]
        own = [row[place] for place, row in enumerate(table)]
        foreign = [x for place, row in enumerate(table) for x in row[:place] + row[place + 1 :]]
        first = sum(row[place] == max(row) for place, row in enumerate(table))
        say(
            workload=f"{count} dimensions",
            pairs=len(PAIRS),
            found_first=first,
            cosine_own=round(statistics.mean(own), 3),
            cosine_other=round(statistics.mean(foreign), 3),
            cosine_other_max=round(max(foreign), 3),
        )


def main(rounds: int) -> None:
    folder = Path(os.environ.get("SITUS_TEST_MODELS") or data_dir(None) / "models")
    spec = onnx_spec(
        "all-MiniLM-L6-v2.int8",
        "all-MiniLM-L6-v2.tokenizer",
        folder,
        context_tokens=256,
        dimensions=384,
    )
    before, began = rss_mb(), time.perf_counter()
    model = load(spec)
    seconds = time.perf_counter() - began
    say(workload="load", load_s=round(seconds, 2), rss_before_mb=before, rss_mb=rss_mb())
    for tokens in (16, 128, 256):
        texts = iter([text(tokens, number) for number in range(rounds + 1)])
        embed(model, [next(texts)])
        found = ms(rounds, 1, lambda texts=texts: embed(model, [next(texts)]))  # type: ignore[misc]
        say(workload=f"one text of {tokens} tokens", **found)
    short = [text(16, number) for number in range(32)]
    found = ms(rounds, len(short), lambda: embed(model, short))
    say(workload="32 texts of 16 tokens", **found, rss_mb=rss_mb())
    dimensions(model)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
