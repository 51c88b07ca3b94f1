"""What the capability head is worth, apart from what it learned: `python -m bench.capability DATA`.

Prints JSON: trained on four fifths of each benchmark and measured on the fifth kept apart (the mean
over five folds, chosen by hash), without and with the encoder; trained without the benchmark at
all; and of the head of the package how often it says unsure of other prompts, and its time.
Development figures: the parts in DATA were at hand while the head was built. With `--train FOLDER`
it trains the head of the package instead.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from situs.analysis.capability import Capability, capability_head
from situs.analysis.features import see
from situs.core.heads import Encode
from situs.learning.artefacts import load, shipped
from situs.learning.capability import Learned, fit, join, learn_subjects
from situs.learning.capability_sources import (
    STRONG,
    WEAK,
    many,
    of_many,
    of_pair,
    pairs,
    remembering,
    train,
)
from situs.runtimes.encoder import load_encoder
from situs.studies.eval_capability import evaluate
from situs.studies.metrics import ece

Rows = Sequence[Mapping[str, Any]]

_FOLDS = 5
_BENCHMARKS = ("mmlu", "gsm8k")

_STRONGER = ("gemini-1.5-pro-002", "gemini-1.5-flash-002", "Meta-Llama-3_1-70B-Instruct")
_WEAKER = "Mixtral-8x7B-Instruct-v0.1"


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    ask.add_argument("data", type=Path, help="folder with routellm, mmlu_pro_routing and dolly15k")
    ask.add_argument("--train", type=Path, help="train the head of the package into this folder")
    ask.add_argument("--metrics", type=Path, help="figures for its card, as printed without")
    ask.add_argument("--version", default="1")
    given = ask.parse_args()
    encoder = load(shipped("encoder"))
    encode = load_encoder(encoder.folder)
    if given.train is None:
        print(json.dumps(_measured(given.data, remembering(encode)), indent=2))
        return
    figures = {} if given.metrics is None else json.loads(given.metrics.read_bytes())
    about = {"version": given.version, "metrics": figures}
    print(train(given.data, given.train, encoder, encode, about).digest)


def _measured(data: Path, deep: Encode) -> dict[str, Any]:
    mmlu, gsm8k = (pairs(data / "routellm" / f"{name}.jsonl.gz") for name in _BENCHMARKS)
    pro = many(data / "mmlu_pro_routing" / "train.jsonl.gz")
    many_models = fit(of_many(pro))
    as_pair = fit(of_pair([{**row, **_as_pair(row)} for row in pro]))
    folds = [_fold(mmlu, gsm8k, many_models, at, None) for at in range(_FOLDS)]
    with_encoder = [_fold(mmlu, gsm8k, many_models, at, deep) for at in range(_FOLDS)]
    without_gsm8k = capability_head(*join([fit(of_pair(mmlu)), as_pair]))
    without_mmlu = capability_head(*join([fit(of_pair(gsm8k)), as_pair]))
    head = load(shipped("capability"))
    whole = capability_head(head.arrays, head.card.settings)
    return {
        "kept_apart": {name: _mean([fold[name] for fold in folds]) for name in _BENCHMARKS},
        "kept_apart_with_encoder": {
            name: _mean([fold[name] for fold in with_encoder]) for name in _BENCHMARKS
        },
        "without_the_benchmark": {
            "mmlu": evaluate(mmlu, None, without_mmlu),
            "gsm8k": evaluate(gsm8k, None, without_gsm8k),
        },
        "unsure_share": {name: _unsure(whole, texts) for name, texts in _other(data).items()},
        "time": _times(whole, mmlu),
    }


def _fold(
    mmlu: Rows, gsm8k: Rows, pro: Learned, fold: int, encode: Encode | None
) -> dict[str, Any]:
    """One fifth of either kept apart, by hash; all else learned from."""
    ours, mmlu_held = _split(mmlu, fold)
    others, gsm8k_held = _split(gsm8k, fold)
    prompts, domains = [row["prompt"] for row in ours], [row["domain"] for row in ours]
    subjects = learn_subjects(prompts, domains, encode)
    fits = [
        fit(of_pair(ours), subjects, None, encode),
        fit(of_pair(others), None, None, encode),
        pro,
    ]
    head = capability_head(*join(fits))
    return {
        "mmlu": _figures(mmlu_held, ours, head, encode),
        "gsm8k": _figures(gsm8k_held, others, head, encode),
    }


def _split(rows: Rows, fold: int) -> tuple[Rows, Rows]:
    places = [hashlib.sha256(row["prompt"].encode()).digest()[0] % _FOLDS for row in rows]
    kept = [row for row, place in zip(rows, places, strict=True) if place != fold]
    return kept, [row for row, place in zip(rows, places, strict=True) if place == fold]


def _mean(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean over folds, and of `apgr` its standard error."""
    names = [name for name, one in folds[0].items() if isinstance(one, float)]
    found = {name: round(statistics.fmean(fold[name] for fold in folds), 4) for name in names}
    error = statistics.stdev(fold["apgr"] for fold in folds) / len(folds) ** 0.5
    return {**found, "apgr_standard_error": round(error, 4)}


def _as_pair(row: Mapping[str, Any]) -> dict[str, float]:
    """A pair like RouteLLM's, of models that MMLU-Pro's results have."""
    strong = sum(row["correct"][name] for name in _STRONGER) / len(_STRONGER)
    return {"strong_correct": strong, "weak_correct": row["correct"][_WEAKER]}


def _figures(held: Rows, learned: Rows, head: Capability, encode: Encode | None) -> dict[str, Any]:
    prompts = [row["prompt"] for row in held]
    vectors = [None] * len(held) if encode is None else encode(prompts)
    said = [
        head.answers(see(prompt), (STRONG, WEAK), vector)
        for prompt, vector in zip(prompts, vectors, strict=True)
    ]
    near = evaluate(held, learned, None)["reference"]["knn"]
    return {
        **evaluate(held, None, head, encode),
        "knn": near,
        "ece_strong": ece(
            [one[0].probability for one in said], [r["strong_correct"] for r in held]
        ),
        "ece_weak": ece([one[1].probability for one in said], [r["weak_correct"] for r in held]),
    }


def _unsure(head: Capability, texts: Sequence[str]) -> float:
    return sum(head(see(text), "frontier").unsure for text in texts) / len(texts)


def _other(data: Path) -> dict[str, list[str]]:
    """Prompts of other kinds."""
    (file,) = (data / "dolly15k").glob("*.jsonl.gz")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][::10]
    return {
        "dolly15k": [row["instruction"] for row in rows],
        "dolly15k_with_context": [
            f"{r['instruction']}\n{r['context']}" for r in rows if r["context"]
        ],
    }


def _times(head: Capability, rows: Rows) -> dict[str, float]:
    """Microseconds of processor time, the least of many, at the text nearest to 2,000 bytes."""
    text = min((row["prompt"] for row in rows), key=lambda one: abs(len(one) - 2000))
    seen, least = see(text), float("inf")
    for _ in range(300):
        began = time.perf_counter()
        head.answers(seen, (STRONG, WEAK))
        least = min(least, time.perf_counter() - began)
    return {"characters": len(text), "answer_us": least * 1e6}


if __name__ == "__main__":
    main()
