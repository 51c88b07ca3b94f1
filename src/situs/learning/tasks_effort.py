"""Trains the heads `complexity` and `length` from public results; seconds on one core."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.analysis.effort import BITS, CHARS_PER_TOKEN, CLASSES, features, sizes
from situs.analysis.features import see
from situs.analysis.task import NEEDS
from situs.learning.tasks_sources import APART, DOLLY, digest, lines

Floats = NDArray[np.float32]

ENOUGH = 0.7
"""A class will do from this probability of a right answer."""

EXAM_TASKS = ("reasoning",)
"""Tasks whose prompts look like those that complexity was fitted on."""

_SMALL = ("Phi-3-mini-4k-instruct", "Mistral-7B-Instruct-v0.2", "Qwen1.5-7B-Chat",
          "Meta-Llama-3_1-8B-Instruct", "Yi-6b-Chat", "mathstral-7B")  # fmt: skip
_MEDIUM = ("Mixtral-8x7B-Instruct-v0.1", "c4ai-command-r-v01", "Qwen1.5-72B-Chat",
           "Meta-Llama-3_1-70B-Instruct", "jamba-1.5-large")  # fmt: skip
_FRONTIER = ("gemini-1.5-flash-002", "gemini-1.5-pro-002")

_EPOCHS, _BATCH, _RATE = 6, 256, 0.1
_LEAST_SPREAD = 0.4
"""Of the logarithm, where few rows say less."""


class Exam(Struct, frozen=True):
    """A question and the share of each class's models that were right; NaN where none was asked."""

    text: str
    right: tuple[float, float, float]


class Answered(Struct, frozen=True):
    """A prompt, its task, and the characters of an answer."""

    text: str
    task: str
    chars: float


def exams(folder: Path) -> Iterator[Exam]:
    """MMLU-Pro with thirteen models; MMLU and GSM8K with Mixtral 8x7B and GPT-4."""
    for row in lines(folder / "mmlu_pro_routing/train.jsonl.gz"):
        right = row["correct"]
        means = (sum(right[one] for one in many) / len(many) for many in _TIERS)
        small, medium, frontier = means
        yield Exam(_question(row), (small, medium, frontier))
    for name in ("mmlu", "gsm8k"):
        for row in lines(folder / f"routellm/{name}.jsonl.gz"):
            strong, weak = float(row["strong_correct"]), float(row["weak_correct"])
            yield Exam(row["prompt"], (float("nan"), weak, strong))


_TIERS = (_SMALL, _MEDIUM, _FRONTIER)


def _question(row: dict[str, Any]) -> str:
    options = (
        f"{letter}. {one}" for letter, one in zip("ABCDEFGHIJ", row["options"], strict=False)
    )
    return "\n".join((row["question"], *options))


def answers(folder: Path) -> Iterator[Answered]:
    """What people wrote (dolly15k, code, small talk) and what models wrote (exams)."""
    for row in lines(folder / "dolly15k/train.jsonl.gz"):
        given = f"\n{row['context']}" if row["context"] else ""
        task = DOLLY[row["category"]]
        yield Answered(row["instruction"] + given, task, row["response_chars"])
    for row in lines(folder / "mmlu_pro_routing/train.jsonl.gz"):
        chars = np.median(list(row["out_chars"].values()))
        yield Answered(_question(row), "reasoning", float(chars))
    for row in lines(folder / "routellm/gsm8k.jsonl.gz"):
        chars = (row["strong_response_chars"] + row["weak_response_chars"]) / 2
        yield Answered(row["prompt"], "reasoning", chars)
    for row in lines(folder / "human-eval/data/HumanEval.jsonl.gz"):
        yield Answered(row["prompt"], "code", len(row["canonical_solution"]))
    for row in islice(lines(folder / "OckBench/data/mbpp.jsonl"), 800):
        yield Answered(row["text"], "code", len(row["code"]))
    place = folder / "self-instruct/data/finetuning/t0_train_50k/data_per_template"
    for name in ("glue_mrpc_generate_paraphrase", "paws_labeled_final_paraphrase_task"):
        for row in lines(place / f"{name}.jsonl"):
            chars = len(row["completion"].removesuffix("<|endoftext|>"))
            yield Answered(row["prompt"], "rewriting", chars)
    talk = folder / "personality-chat/CSharp/Datasets/qna_chitchat_the_friend.tsv"
    with talk.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield Answered(row["Question"], "chat", len(row["Answer"]))


def apart(text: str) -> bool:
    """Whether a row is kept apart, by its first line."""
    return digest(text.partition("\n")[0]) % APART == 0


def learn_complexity(rows: Iterable[Exam]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Logistic regression on the share of right answers; the head's arrays and settings."""
    known = [one for one in rows if not apart(one.text)]
    right = np.array([one.right for one in known], np.float32)
    there = ~np.isnan(right)
    gold = np.where(there, right, 0)
    table, bias = (
        np.zeros((1 << BITS, len(CLASSES)), np.float32),
        np.zeros(len(CLASSES), np.float32),
    )
    bias += np.log((gold.sum(axis=0) + 1) / (there.sum(axis=0) - gold.sum(axis=0) + 1))

    def error(said: Floats, batch: NDArray[np.intp]) -> Floats:
        found: Floats = np.where(there[batch], 1 / (1 + np.exp(-(said + bias))) - gold[batch], 0)
        return found

    _descend(table, [features(see(one.text)) for one in known], error)
    small, scale = packed(table)
    settings = {"enough": ENOUGH, "tasks": list(EXAM_TASKS), "classes": [*CLASSES]}
    return {"table": small, "scale": scale, "bias": bias}, settings


def learn_length(rows: Iterable[Answered]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Least squares on the logarithm by task, words on what is left, bounds from other rows."""
    known = [one for one in rows if not apart(one.text) and one.chars > 0]
    inner = np.array([digest(one.text) % 4 > 0 for one in known])
    tasks = [task for task in NEEDS if any(one.task == task for one in known)]
    seen = [see(one.text) for one in known]
    gold = np.log(np.array([one.chars for one in known], np.float32) / CHARS_PER_TOKEN)
    place = np.array([tasks.index(one.task) for one in known])
    plain = np.array([sizes(one) for one in seen], np.float32)
    base = np.zeros((len(tasks) + 1, plain.shape[1]), np.float32)
    for index in range(len(tasks)):
        mine = inner & (place == index)
        base[index] = _least_squares(plain[mine], gold[mine])
    base[-1, 0] = float(gold.mean())
    rest = (gold - (plain * base[place]).sum(axis=1))[:, None]
    table = np.zeros((1 << BITS, 1), np.float32)
    found = [features(one) for one in seen]
    learned = np.flatnonzero(inner)
    _descend(
        table, [found[one] for one in learned], lambda said, batch: said - rest[learned[batch]]
    )
    small, scale = packed(table)
    said = np.array([_sum(small * scale, one)[0] for one in found], np.float32)
    weights: dict[str, float] = {}
    spread = np.zeros((len(tasks) + 1, 2), np.float32)
    for index, task in enumerate(tasks):
        mine = ~inner & (place == index)
        left, told = rest[mine, 0], said[mine]
        weights[task] = min(
            (0.0, 0.5, 1.0), key=lambda one: float(((left - one * told) ** 2).sum())
        )
        bounds = np.quantile(left - weights[task] * told, (0.1, 0.9))
        spread[index] = min(bounds[0], -_LEAST_SPREAD), max(bounds[1], _LEAST_SPREAD)
    spread[-1] = np.quantile(gold - gold.mean(), (0.1, 0.9))
    arrays = {"table": small, "scale": scale, "base": base, "spread": spread}
    return arrays, {"tasks": tasks, "weights": weights}


def _least_squares(plain: Floats, gold: Floats) -> Floats:
    """With a little ridge, the constant left out."""
    ridge = np.diag([0.0, *[1.0] * (plain.shape[1] - 1)]).astype(np.float32)
    found: Floats = np.linalg.solve(plain.T @ plain + ridge, plain.T @ gold)
    return found


def packed(table: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Eight bits a number, and what one step is, by column."""
    scale = np.maximum(np.abs(table).max(axis=0), 1e-9).astype(np.float32) / 127
    return np.rint(table / scale).astype(np.int8), scale


def _sum(table: Floats, found: NDArray[np.intp]) -> Floats:
    total: Floats = table[found].sum(axis=0) / np.float32(np.sqrt(len(found)))
    return total


def _descend(table: Floats, found: Sequence[NDArray[np.intp]], error: Any) -> None:
    """AdaGrad in place; `error` says the slope for each row of a batch."""
    total = np.full_like(table, 1e-4)
    draw = np.random.default_rng(3)
    for _ in range(_EPOCHS):
        order = draw.permutation(len(found))
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            wrong = error(np.array([_sum(table, found[one]) for one in batch]), batch) / len(batch)
            owners = np.repeat(np.arange(len(batch)), [len(found[one]) for one in batch])
            share = 1 / np.sqrt(np.bincount(owners))
            places = np.concatenate([found[one] for one in batch])
            slope = np.stack(
                [np.bincount(places, (column * share)[owners], len(table)) for column in wrong.T],
                axis=1,
            ).astype(np.float32)
            slope += 1e-4 * table
            total += slope * slope
            table -= _RATE * slope / np.sqrt(total)
