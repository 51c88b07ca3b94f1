"""How long the analysis of one request takes: `python -m bench analysis [COUNT]`.

One JSON line for each workload, in microseconds for each call, over COUNT distinct texts (10,000
unless given): the mean of processor time, and the median and p99 of wall time. `first` is the first
pass over the texts in this process, when the states of the automata are still being built.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable

from situs.analysis import DEFAULT_FLOORS, analyse, warm
from situs.core.request import Request, Text, Wire
from situs.core.snapshot import Labels

SYLLABLES = (
    *("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "or", "pu", "ra", "se", "ti", "un", "va"),
    *("wel", "mor", "ing", "tion", "er", "es", "ap", "ent", "ous"),
)


def words(random_: random.Random, size: int) -> str:
    """Prose-like text of `size` characters: made-up words, some numbers, punctuation."""
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
    return words(random_, half) + inner + words(random_, half)


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


def measure(requests: list[Request], labels: Labels) -> list[float]:
    times = []
    for one in requests:
        began = time.perf_counter()
        analyse(one, labels)
        times.append((time.perf_counter() - began) * 1e6)
    return sorted(times)


def main(count: int) -> None:
    labels = Labels(DEFAULT_FLOORS)
    warm()
    random_ = random.Random(7)
    workloads: list[tuple[str, Callable[[random.Random, int], str], int, int, int]] = [
        ("512 tokens, clean", words, 2150, 1, count),
        ("2 KB, clean", words, 2048, 1, count),
        ("2 KB in 8 messages, clean", words, 2048, 8, count),
        ("2 KB, with personal data", personal, 2048, 1, count),
        ("20 KB, clean", words, 20480, 1, count // 10),
    ]
    for name, make, size, messages, number in workloads:
        requests = [request(make(random_, size), messages) for _ in range(number)]
        for label in ("first", "again"):
            began = time.process_time()
            times = measure(requests, labels)
            cpu = time.process_time() - began
            row = {
                "bench": "analysis",
                "workload": name,
                "pass": label,
                "texts": number,
                "cpu_us": round(cpu / number * 1e6, 1),
                "p50_us": round(times[number // 2], 1),
                "p99_us": round(times[number * 99 // 100], 1),
                "max_rss_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
            sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
