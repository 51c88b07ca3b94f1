"""Trains the capability head of the package: `python -m situs.learning.capability_sources`.

From a folder with `routellm/mmlu.jsonl.gz` and `routellm/gsm8k.jsonl.gz` (per question, which of
two models was right; rows marked contaminated are left out) and
`mmlu_pro_routing/train.jsonl.gz` (which of thirteen).
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from situs.learning.artefacts import Card, Source, save
from situs.learning.capability import Learned, fit, join, learn_subjects

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"

CLASSES = {
    STRONG: "frontier",
    "mixtral-8x7b-instruct-v0.1": "medium",
    "gemini-1.5-pro-002": "frontier",
    "gemini-1.5-flash-002": "frontier",
    "Meta-Llama-3_1-70B-Instruct": "medium",
    "Qwen1.5-72B-Chat": "medium",
    "jamba-1.5-large": "medium",
    "c4ai-command-r-v01": "medium",
    "Meta-Llama-3_1-8B-Instruct": "small",
    "mathstral-7B": "small",
    "Mistral-7B-Instruct-v0.2": "small",
    "Qwen1.5-7B-Chat": "small",
    "Yi-6b-Chat": "small",
    "Phi-3-mini-4k-instruct": "small",
}

_ROUTELLM = "https://github.com/lm-sys/RouteLLM"
_MMLU_PRO = "https://github.com/TIGER-AI-Lab/MMLU-Pro"
_LETTERS = "ABCDEFGHIJKLMNOP"

Rows = list[dict[str, Any]]


def pairs(file: Path) -> Rows:
    """Rows of RouteLLM's results: prompt, domain (of MMLU), strong_correct, weak_correct."""
    return [row for row in _lines(file) if not row["contaminated"]]


def many(file: Path) -> Rows:
    """Rows of MMLU-Pro's results, with a `prompt` that looks like those of MMLU."""
    return [{**row, "prompt": _asked(row)} for row in _lines(file)]


def of_pair(rows: Sequence[Mapping[str, Any]], strong: str = STRONG, weak: str = WEAK) -> Rows:
    """As `fit` reads them."""
    return [
        {"prompt": row["prompt"], "model": model, "correct": row[name]}
        for row in rows
        for model, name in ((strong, "strong_correct"), (weak, "weak_correct"))
    ]


def of_many(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """As `fit` reads them, for every model that RouteLLM's results do not have."""
    return [
        {"prompt": row["prompt"], "model": model, "correct": right}
        for row in rows
        for model, right in row["correct"].items()
        if "Mixtral" not in model
    ]


def learn(data: Path) -> tuple[Learned, tuple[Source, ...]]:
    """The head of the package, and where it is from."""
    mmlu = pairs(data / "routellm" / "mmlu.jsonl.gz")
    gsm8k = pairs(data / "routellm" / "gsm8k.jsonl.gz")
    pro = many(data / "mmlu_pro_routing" / "train.jsonl.gz")
    subjects = learn_subjects([row["prompt"] for row in mmlu], [row["domain"] for row in mmlu])
    learned = join(
        [
            fit(of_pair(mmlu), subjects, CLASSES),
            fit(of_pair(gsm8k), None, CLASSES),
            fit(of_many(pro), None, CLASSES),
        ]
    )
    return learned, (
        Source("RouteLLM results on MMLU", "Apache-2.0; MMLU: MIT", len(mmlu), _ROUTELLM),
        Source("RouteLLM results on GSM8K", "Apache-2.0; GSM8K: MIT", len(gsm8k), _ROUTELLM),
        Source("MMLU-Pro results", "Apache-2.0; MMLU-Pro: MIT", len(pro), _MMLU_PRO),
    )


def main() -> None:
    ask = argparse.ArgumentParser(description="Trains the capability head of the package.")
    ask.add_argument("data", type=Path, help="folder with routellm and mmlu_pro_routing")
    ask.add_argument("folder", type=Path, help="where the artefact is written")
    ask.add_argument("--version", default="1")
    ask.add_argument("--metrics", type=Path, help="figures for the card, from bench/capability.py")
    given = ask.parse_args()
    (arrays, settings), sources = learn(given.data)
    metrics = {} if given.metrics is None else json.loads(given.metrics.read_bytes())
    card = Card(
        format=1,
        head="capability",
        version=given.version,
        about="P(acceptable answer) of a model or a capability class, from exam questions.",
        sources=sources,
        settings=settings,
        metrics=metrics,
        files={},
        command="python -m situs.learning.capability_sources DATA FOLDER --metrics FIGURES",
    )
    print(save(given.folder, card, arrays).digest)


def _asked(row: Mapping[str, Any]) -> str:
    options = [f"{_LETTERS[at]}. {option}" for at, option in enumerate(row["options"])]
    return "\n".join([row["question"], *options, "Answer:"])


def _lines(file: Path) -> Rows:
    with gzip.open(file, "rt", encoding="utf-8") as text:
        return [json.loads(line) for line in text]


if __name__ == "__main__":
    main()
