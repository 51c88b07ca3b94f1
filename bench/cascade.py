"""Whether the error rate that was chosen holds: `python -m bench.cascade`.

    python -m bench.cascade ask WEIGHTS     a llama.cpp answers the questions; kept in results/
    python -m bench.cascade window WEIGHTS  how long a stream is held back for a window of tokens
    python -m bench.cascade                 calibrates and tests on many random splits

The answers of one real model to questions with one right answer (`cascade_questions`), with its
log-probabilities, are divided at random: three fifths calibrate (as `situs train confidence` does),
two fifths are held back to test. Of each error rate asked for, over all splits: the share kept, the
share of wrong ones among those, and how often that was more than asked (`over`; with the chance of
so few tests in it). Then the guarantee itself, where the truth is known: rows to calibrate with are
drawn from all answers, with replacement, and `over_true` is how often the share of wrong ones among
all answers that are kept (`true_wrong`) is more than asked: at most one time in ten is promised.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.cascade_questions import Question, questions
from bench.processes import ROOT, append, machine
from situs.dispatch.answer import tokens_of
from situs.learning.confidence import DELTA, levels_of, logistic, measured
from situs.placement.confidence import WHOLE, View, least, probability
from situs.placement.signals import Said, Token, Wanted, beginning, signals

ANSWERS = ROOT / "bench" / "results" / "cascade_answers.jsonl.gz"
RATES = (0.05, 0.1, 0.2, 0.3, 0.4)
SPLITS = 500
STREAMS = 5
PORT = 18731


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("ask", "window", "test"), default="test")
    parser.add_argument("weights", nargs="?", type=Path)
    parser.add_argument("--keep", action="store_true", help="Add the rows to the results.")
    options = parser.parse_args()
    if options.what == "ask":
        ask_all(options.weights)
        return
    timed = options.what == "window"
    for row in windows(options.weights) if timed else tested(read()):
        print(json.dumps(row))
        if options.keep:
            append("cascade_window" if timed else "cascade", row)


# Answers


def ask_all(weights: Path) -> None:
    """Greedy answers, one line each, and the log-probabilities of their tokens.

    Where the server goes away, those so far are kept.
    """
    with _served(weights) as key, gzip.open(ANSWERS, "wt", encoding="utf-8") as kept:
        for one in questions():
            try:
                kept.write(json.dumps(_ask(one, key)) + "\n")
            except OSError:
                break


@contextmanager
def _served(weights: Path) -> Iterator[str]:
    """A llama.cpp on PORT; its key."""
    key = os.urandom(8).hex()
    command = [sys.executable, "-m", "situs.runtimes.llama_server", "--model", str(weights)]
    command += ["--alias", "m", "--context", "512", "--parallel", "1", "--threads", "2"]
    server = subprocess.Popen(
        [*command, "--port", str(PORT)], env={**os.environ, "SITUS_RUNTIME_KEY": key}
    )
    try:
        while True:
            time.sleep(0.5)
            try:
                _ask(questions()[0], key)
                break
            except (OSError, KeyError):
                continue
        yield key
    finally:
        server.terminate()
        server.wait(10)


def windows(weights: Path) -> list[dict[str, Any]]:
    """Medians of a few streams: until the first token, and until each window is full."""
    with _served(weights) as key:
        runs = [_timed(f"Tell me a story about the number {n}.", key) for n in range(STREAMS)]
    medians = np.median(np.array(runs), axis=0)
    return [
        {
            "bench": "cascade_window",
            "window": window,
            "ttft_s": _said(medians[0]),
            "held_s": _said(medians[window - 1] - medians[0]),
            "streams": STREAMS,
            **machine(),
        }
        for window in (1, 2, 4, 8, 16, 32)
    ]


def _timed(prompt: str, key: str) -> list[float]:
    """Seconds until each of the first tokens."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "max_tokens": 32}
    body |= {"stream": True, "logprobs": True, "top_logprobs": 5, "ignore_eos": True}
    head = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    began, times = time.monotonic(), list[float]()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), head)
    for line in connection.getresponse():
        if line.startswith(b"data: {") and b'"content":"' in line:
            times.append(time.monotonic() - began)
    return times[:32]


def _ask(one: Question, key: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    body = {"model": "m", "prompt": one.prompt, "max_tokens": 8, "temperature": 0}
    body |= {"logprobs": 5, "stop": ["\n", ","]}
    head = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    connection.request("POST", "/v1/completions", json.dumps(body), head)
    choice = json.loads(connection.getresponse().read())["choices"][0]
    said = choice["text"]
    tokens = [
        [token.text, round(token.logprob, 4), [round(other, 4) for other in token.others]]
        for token in tokens_of(choice["logprobs"])
    ]
    return {
        "task": one.task,
        "asked": one.prompt.rsplit("\n", 1)[-1],
        "said": said,
        "correct": said.strip().casefold() == one.answer.casefold(),
        "finish": choice["finish_reason"],
        "tokens": tokens,
    }


def read() -> list[dict[str, Any]]:
    with gzip.open(ANSWERS, "rt", encoding="utf-8") as kept:
        return [json.loads(line) for line in kept]


# Splits


def tested(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All questions together, and those of the task that the model is good at."""
    orders = [row for row in rows if row["task"] == "order"]
    return [*_tested(rows, "all"), *_tested(orders, "order")]


def _tested(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    right, found = np.array([row["correct"] for row in rows], bool), []
    facts = {
        "bench": "cascade",
        "questions": name,
        "rows": len(rows),
        "right": round(float(right.mean()), 4),
        "tasks": sorted({row["task"] for row in rows}),
        "draws": SPLITS,
        "delta": DELTA,
    }
    for window in (WHOLE, 2):
        seen = [signals_of(row, window) for row in rows]
        draw = np.random.default_rng(6)
        held: dict[float, list[Kept]] = {rate: [] for rate in RATES}
        known: dict[float, list[Kept]] = {rate: [] for rate in RATES}
        many, every = len(rows) * 6 // 10, np.arange(len(rows))
        third = many // 3
        for _ in range(SPLITS):
            order = draw.permutation(len(rows))
            parts = order[:third], order[third:many], order[many:]
            _one(parts, seen, right, window, held)
            drawn = draw.integers(0, len(rows), many)
            _one((drawn[:third], drawn[third:], every), seen, right, window, known)
        for rate in RATES:
            asked = {"window": "whole" if window == WHOLE else window, "error_rate": rate}
            found.append({**facts, **asked, **_row(rate, held[rate], known[rate])})
    return [{**row, **machine()} for row in found]


Kept = tuple[int, int, int]
"""How many were kept, how many of these were wrong, and of how many."""


def signals_of(row: dict[str, Any], window: int) -> tuple[float, ...] | None:
    tokens = tuple(Token(text, value, tuple(others)) for text, value, others in row["tokens"])
    said = Said(row["said"], tokens, finish=row["finish"])
    return signals(said if window == WHOLE else beginning(said, window), Wanted())


def _one(
    parts: Sequence[Any], seen: list[Any], right: Any, window: int, ends: dict[float, list[Kept]]
) -> None:
    """Learned from one part, calibrated on the next, tested on the last."""
    learn, check, test = parts
    weights, bias = logistic([seen[k] for k in learn], right[learn])
    view = View(window, 1, weights, bias, (), (), ())
    score = np.array([probability(view, one) for one in seen])
    view = measured(view, levels_of(score[learn]), score[check], right[check])
    for rate, mine in ends.items():
        level = least(view, rate)
        kept = test[score[test] >= level] if level is not None else test[:0]
        mine.append((len(kept), int((~right[kept]).sum()), len(test)))


def _row(rate: float, held: list[Kept], known: list[Kept]) -> dict[str, Any]:
    kept, wrong, of = (np.array(one) for one in zip(*held, strict=True))
    error = wrong / np.maximum(kept, 1)
    all_kept, all_wrong, _ = (np.array(one) for one in zip(*known, strict=True))
    true = all_wrong / np.maximum(all_kept, 1)
    return {
        "kept": _said((kept / of).mean()),
        "kept_95": [_said(x) for x in np.percentile(kept / of, (2.5, 97.5))],
        "wrong": _said(wrong.sum() / max(1, kept.sum())),
        "wrong_95": [_said(x) for x in np.percentile(error, (2.5, 97.5))],
        "over": _said((error > rate).mean()),
        "nothing_kept": _said((kept == 0).mean()),
        "true_wrong": _said(true.mean()),
        "over_true": _said((true > rate).mean()),
    }


def _said(value: Any) -> float:
    return round(float(value), 4)


if __name__ == "__main__":
    main()
