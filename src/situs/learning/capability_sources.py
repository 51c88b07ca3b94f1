"""Trains the capability head of the package: `python -m bench.capability DATA --train FOLDER`.

From a folder with `routellm/mmlu.jsonl.gz` and `routellm/gsm8k.jsonl.gz` (per question, which of
two models was right; rows marked contaminated are left out) and
`mmlu_pro_routing/train.jsonl.gz` (which of thirteen).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from situs.core.heads import Encode
from situs.learning.artefacts import Artefact, Card, Source, save
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


def remembering(encode: Encode) -> Encode:
    """Asks for the vector of a text once."""
    known: dict[str, Any] = {}

    def found(texts: Sequence[str]) -> Any:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, encode(new), strict=True))
        return np.array([known[text] for text in texts])

    return found


def learn(data: Path, encode: Encode) -> tuple[Learned, tuple[Source, ...]]:
    """The head of the package, and where it is from."""
    mmlu = pairs(data / "routellm" / "mmlu.jsonl.gz")
    gsm8k = pairs(data / "routellm" / "gsm8k.jsonl.gz")
    pro = many(data / "mmlu_pro_routing" / "train.jsonl.gz")
    prompts, domains = [row["prompt"] for row in mmlu], [row["domain"] for row in mmlu]
    subjects = learn_subjects(prompts, domains, encode)
    learned = join(
        [
            fit(of_pair(mmlu), subjects, CLASSES, encode),
            fit(of_pair(gsm8k), None, CLASSES, encode),
            fit(of_many(pro), None, CLASSES, encode),
        ]
    )
    return learned, (
        Source("RouteLLM results on MMLU", "Apache-2.0; MMLU: MIT", len(mmlu), _ROUTELLM),
        Source("RouteLLM results on GSM8K", "Apache-2.0; GSM8K: MIT", len(gsm8k), _ROUTELLM),
        Source("MMLU-Pro results", "Apache-2.0; MMLU-Pro: MIT", len(pro), _MMLU_PRO),
    )


def train(
    data: Path, folder: Path, deep: Artefact, encode: Encode, about: Mapping[str, Any]
) -> Artefact:
    """Writes the head of the package to a new folder.

    `deep` is the encoder's artefact, `encode` what it does; `about` has `version` and `metrics`.
    """
    (arrays, settings), sources = learn(data, remembering(encode))
    card = Card(
        format=1,
        head="capability",
        version=about["version"],
        about="P(acceptable answer) of a model or a capability class, from exam questions.",
        sources=sources,
        settings={**settings, "encoder": deep.digest},
        metrics=about["metrics"],
        files={},
        command="python -m bench.capability DATA --train FOLDER --metrics FIGURES",
    )
    return save(folder, card, arrays)


def _asked(row: Mapping[str, Any]) -> str:
    options = [f"{_LETTERS[at]}. {option}" for at, option in enumerate(row["options"])]
    return "\n".join([row["question"], *options, "Answer:"])


def _lines(file: Path) -> Rows:
    with gzip.open(file, "rt", encoding="utf-8") as text:
        return [json.loads(line) for line in text]
