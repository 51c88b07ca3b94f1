"""How long the analysis of one request takes: `python -m bench analysis [COUNT] [--file FILE]`.

One JSON line for each workload and tier, in microseconds for each call, over COUNT distinct texts
(3,000 unless given): the mean of processor time, and the median and p99 of wall time. Tiers, with
the heads of the package: `look` is the first look, without names; `names` adds them; `deep` has the
encoder asked for every text. `first` is the first pass over the texts in this process, when the
states of the automata are still being built. With FILE, rows of `text`, what is measured is so much
of these texts in one message.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from situs.analysis import DEFAULT_FLOORS, analyse, look, warm
from situs.app.heads import load_heads
from situs.config.analysis import Analysis
from situs.core.request import Request, Text, Wire
from situs.core.snapshot import NO_ROUTES, Labels
from situs.studies.rows import rows

SYLLABLES = (
    *("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "or", "pu", "ra", "se", "ti", "un", "va"),
    *("wel", "mor", "ing", "tion", "er", "es", "ap", "ent", "ous"),
)

ORDINARY = [
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by",
    "on", "not", "he", "this", "are", "or", "his", "from", "at", "which", "but", "have", "an",
    "had", "they", "you", "were", "their", "one", "all", "we", "can", "her", "has", "there",
    "been", "if", "more", "when", "will", "would", "who", "so", "no", "what", "about", "up",
    "out", "time", "people", "year", "work", "day", "part", "water", "place", "number", "only",
    "most", "system", "because", "question", "answer", "write", "letter", "report", "company",
    "market", "order", "service", "price", "customer", "team", "change", "small", "large",
    "good", "first", "last", "long", "great", "little", "own", "other", "old", "right", "big",
    "high", "different", "make", "know", "take", "see", "come", "think", "look", "want", "give",
    "use", "find", "tell", "ask", "seem", "feel", "try", "leave", "call", "house", "world",
    "school", "state", "family", "student", "group", "country", "problem", "hand", "week",
    "month", "case", "point", "government", "language", "river", "engine", "power", "station",
    "data", "summary", "table", "value", "method", "result", "test", "model", "example",
]  # fmt: skip


def words(random_: random.Random, size: int) -> str:
    """Text of `size` characters: made-up words, some numbers, punctuation. The worst for tokens."""
    out: list[str] = []
    length = 0
    while length < size:
        word = "".join(random_.choices(SYLLABLES, k=random_.choice((1, 1, 2, 2, 3))))
        draw = random_.random()
        if draw < 0.03:
            word = str(random_.randrange(3000))
        elif draw < 0.12:
            word += random_.choice(",.;:?")
        out.append(word)
        length += len(word) + 1
    return " ".join(out)[:size]


def prose(random_: random.Random, size: int) -> str:
    """Ordinary words in no order, as sentences with a capital and a full stop."""
    out: list[str] = []
    length = 0
    while length < size:
        sentence = random_.choices(ORDINARY, k=random_.randrange(6, 18))
        out.append(f"{' '.join(sentence).capitalize()}.")
        length += len(out[-1]) + 1
    return " ".join(out)[:size]


def personal(random_: random.Random, size: int) -> str:
    """The same with an e-mail address, a telephone number and a card in it."""
    digits = f"4{random_.randrange(10**14):014d}"
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(digits))
    card = f"{digits}{-total % 10}"
    inner = (
        f" write to {random_.choice(SYLLABLES)}.{random_.randrange(999)}@mail.example.org or call "
        f"+44 20 7946 {random_.randrange(10**4):04d}, card {card[:4]} {card[4:8]} {card[8:12]} "
        f"{card[12:]} "
    )
    half = (size - len(inner)) // 2
    return prose(random_, half) + inner + prose(random_, half)


def request(text: str, messages: int = 1) -> Request:
    """As the wire's parser gives it, with the text cut into so many messages."""
    size = -(-len(text) // messages)
    cuts = [text[start : start + size] for start in range(0, len(text), size)]
    document = {"model": "auto", "messages": [{"role": "user", "content": cut} for cut in cuts]}
    texts = (
        Text("model", "auto"),
        *(Text(f"messages[{place}].content", cut) for place, cut in enumerate(cuts)),
    )
    return Request("-", Wire.OPENAI_CHAT, "auto", document, texts, len(text))


def measure(requests: list[Request], run: Callable[[Request], Any]) -> list[float]:
    times = []
    for one in requests:
        began = time.perf_counter()
        run(one)
        times.append((time.perf_counter() - began) * 1e6)
    return sorted(times)


SIZES = {"32 KB": 32_000, "100 KB": 100_000, "1 MB": 1_000_000, "14 MB": 14_000_000}


def of_file(file: Path) -> Iterator[tuple[str, list[Request]]]:
    """Its texts one behind the other, from the beginning again where they end."""
    whole = "\n\n".join(row["text"] for row in rows(file, ("text",)))
    for name, size in SIZES.items():
        text = (whole * (size // len(whole) + 1))[:size]
        yield f"{name} of a file", [request(text)]


def made_up(count: int) -> Iterator[tuple[str, list[Request]]]:
    random_ = random.Random(7)
    workloads: list[tuple[str, Callable[[random.Random, int], str], int, int, int]] = [
        ("2 KB of prose", prose, 2048, 1, count),
        ("2 KB of made-up words", words, 2048, 1, count),
        ("2 KB in 8 messages", prose, 2048, 8, count),
        ("2 KB, with personal data", personal, 2048, 1, count),
        ("20 KB", prose, 20_480, 1, count // 10),
        ("100,000 tokens", prose, 500_000, 1, 10),
        ("16 tokens", prose, 72, 1, count),
    ]
    for name, make, size, messages, number in workloads:
        yield name, [request(make(random_, size), messages) for _ in range(number)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=3_000)
    parser.add_argument("--file", type=Path)
    asked = parser.parse_args()
    labels, families = Labels(DEFAULT_FLOORS), ("llama3",)
    warm()
    heads = load_heads(Analysis(), Path())
    fast = replace(heads, encode=None)
    encode = heads.encode or (lambda _: None)
    tiers: dict[str, Callable[[Request], Any]] = {
        "look": lambda one: look(one, labels, NO_ROUTES, fast, families),
        "names": lambda one: analyse(one, labels, NO_ROUTES, fast, families),
        "deep": lambda one: encode([one.texts[-1].text]),
    }
    for name, requests in made_up(asked.count) if asked.file is None else of_file(asked.file):
        number = len(requests)
        for tier, run in tiers.items():
            if tier == "deep" and requests[0].size > 100:
                continue
            for label in ("first", "again"):
                began = time.process_time()
                times = measure(requests, run)
                cpu = time.process_time() - began
                row = {
                    "bench": "analysis",
                    "workload": name,
                    "tier": tier,
                    "pass": label,
                    "texts": number,
                    "cpu_us": round(cpu / number * 1e6, 1),
                    "p50_us": round(times[number // 2], 1),
                    "p99_us": round(times[number * 99 // 100], 1),
                    "max_rss_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                }
                sys.stdout.write(json.dumps(row) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
