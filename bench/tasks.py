"""Trains and measures the heads for task, complexity and length: `python -m bench.tasks COMMAND`.

    train FOLDER OUT     new artefacts OUT/task/VERSION, OUT/complexity/VERSION, OUT/length/VERSION
    measure FOLDER       figures on rows that were kept apart, as one JSON object (`--artefacts OUT`
                         of other ones than those of the package): dolly15k, other sets, varied
                         copies, long prompts, prompts of other people with labels by hand,
                         complexity and length
    robust FOLDER        the fast tier on prompts of dolly15k said otherwise: rows are kept
    speed                processor time of the fast tier

FOLDER holds the sets that docs/reference/tasks.md names. With `--fast` there is no deep
tier. All figures are of development data.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import processes, report
from bench.tasks_changes import CHANGES
from situs.analysis.effort import CHARS_PER_TOKEN, CLASSES, complexity_head, length_head
from situs.analysis.features import see
from situs.analysis.task_head import TaskHead
from situs.app.heads import encoder
from situs.core.heads import Encode, Heads
from situs.learning import tasks_effort as effort
from situs.learning.artefacts import Card, Source, load, save, shipped
from situs.learning.tasks import text_of
from situs.learning.tasks_sources import Prompt, cited, dolly, lines, prompts
from situs.learning.tasks_train import train
from situs.studies.eval_tasks import evaluate
from situs.studies.metrics import auroc, ece

COMMAND = "python -m bench.tasks"

_BY_HAND = {
    "classification": (82, 90, 91, 158, 163, 164, 165, 166, 183, 184, 194, 197, 232, 234, 235, 238,
                       243, 244, 225, 36, 139, 143),
    "extraction": (28, 157, 162, 179, 212, 150),
    "summarisation": (98, 159, 160, 181, 202, 199, 81),
    "rewriting": (0, 2, 3, 6, 22, 155, 156, 161, 187, 188, 189, 193, 220, 236, 240, 246, 99, 178,
                  97),
    "translation": (100,),
    "code": (12, 13, 40, 93, 96, 190, 195, 205, 210, 227, 231, 242, 38, 16),
    "chat": (153, 154),
    "closed_qa": (102, 176, 127),
    "open_qa": (89, 115, 124, 71, 69, 137, 147, 152, 203, 245, 251, 33, 171),
    "advice": (17, 48, 77, 85, 95, 108, 113, 116, 117, 120, 126, 129, 131, 192, 233, 239),
    "brainstorming": (10, 26, 34, 35, 46, 47, 50, 66, 68, 87, 94, 106, 111, 112, 118, 119, 128, 130,
                      138, 172, 198, 208, 214, 215, 249, 76, 72, 62, 63, 105, 30, 136, 151, 221),
    "creative_writing": (4, 5, 7, 9, 24, 25, 29, 32, 49, 53, 54, 55, 57, 58, 60, 61, 65, 73, 74, 75,
                         79, 186, 206, 207, 211, 219, 223, 230, 204, 52),
    "reasoning": (15, 19, 134, 140, 141, 142, 149, 144),
}  # fmt: skip
"""Lines of self-instruct's user-oriented instructions, labelled for this project; none is learned
from. Those between two tasks are left out."""


def main() -> None:
    parser = argparse.ArgumentParser(prog=COMMAND)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("train", "measure"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        command.add_argument("--fast", action="store_true", help="without the deep tier")
        if name == "train":
            command.add_argument("out", type=Path)
            command.add_argument("--version", default="1")
        else:
            command.add_argument("--artefacts", type=Path)
    commands.add_parser("speed")
    commands.add_parser("robust").add_argument("folder", type=Path)
    asked = parser.parse_args()
    if asked.command == "train":
        _train(asked.folder, asked.out, asked.version, None if asked.fast else encoder())
        return
    if asked.command == "robust":
        _robust(asked.folder)
        report.write()
        return
    if asked.command == "speed":
        print(json.dumps(_speed(), indent=2))
        return
    folders = {head: _artefact(asked.artefacts, head) for head in ("task", "complexity", "length")}
    print(json.dumps(_measure(asked.folder, folders, None if asked.fast else encoder()), indent=2))


def _artefact(out: Path | None, head: str) -> Path:
    return (
        shipped(head) if out is None else max(one.parent for one in out.glob(f"{head}/*/card.json"))
    )


def _train(folder: Path, out: Path, version: str, encode: Encode | None) -> None:
    def say(said: str) -> None:
        print(said, file=sys.stderr, flush=True)

    learned = train(folder, encode, say)
    settings = dict(learned.settings)
    if encode is not None:
        settings["encoder"] = load(shipped("encoder")).digest
    _save(out, "task", version, learned.arrays, settings, cited(learned.rows))
    say("complexity and length")
    arrays, settings = effort.learn_complexity(effort.exams(folder))
    _save(out, "complexity", version, arrays, settings, _EXAMS)
    arrays, settings = effort.learn_length(effort.answers(folder))
    _save(out, "length", version, arrays, settings, (*_EXAMS, *_ANSWERS))


_ABOUT = {
    "task": "Which of fourteen tasks a prompt asks for; a fast tier and a layer for the deep one.",
    "complexity": "The smallest class of model that will do, fitted on exam questions.",
    "length": "Tokens of the answer, with bounds that hold four times out of five.",
}
_EXAMS = (
    Source("MMLU-Pro results", "Apache-2.0", 3571, "https://github.com/TIGER-AI-Lab/MMLU-Pro"),
    Source("RouteLLM results", "Apache-2.0", 6191, "https://github.com/lm-sys/RouteLLM"),
)
_ANSWERS = (
    Source("dolly15k, lengths", "CC BY-SA 3.0", 11878),
    Source("HumanEval", "MIT", 164, "https://github.com/openai/human-eval"),
    Source("MBPP", "CC BY 4.0", 800, "https://github.com/google-research/google-research"),
    Source("P3, paraphrases", "Apache-2.0", 233, "https://github.com/yizhongw/self-instruct"),
    Source(
        "PersonalityChat", "MIT", 650, "https://github.com/microsoft/BotBuilder-PersonalityChat"
    ),
)


def _save(
    out: Path,
    head: str,
    version: str,
    arrays: dict[str, Any],
    settings: dict[str, Any],
    sources: tuple[Source, ...],
) -> None:
    card = Card(
        format=1,
        head=head,
        version=version,
        about=_ABOUT[head],
        sources=sources,
        settings=settings,
        metrics={"printed by": f"{COMMAND} measure; docs/reference/tasks.md"},
        files={},
        command=f"{COMMAND} train",
    )
    save(out / head / version, card, arrays)


def _measure(folder: Path, artefacts: dict[str, Path], encode: Encode | None) -> dict[str, Any]:
    task = load(artefacts["task"])
    head = TaskHead(task.arrays, task.card.settings)
    every = [one for one in prompts(folder) if one.apart]
    of_dolly = [one for one in every if one.source == "dolly15k"]
    others = [one for one in every if one.source != "dolly15k"]
    fast, deep = Heads(task=head), Heads(task=head, encode=encode)

    def figures(rows: Sequence[Prompt], said: Callable[[Prompt], str], heads: Heads = fast) -> Any:
        found = evaluate([{"text": said(one), "label": one.label} for one in rows], heads)
        return {name: _round(found[name]) for name in _SHOWN} | {"rows": len(rows)}

    found = {
        "dolly15k, fast tier": figures(of_dolly, text_of),
        "dolly15k, both tiers": figures(of_dolly, text_of, deep) if encode else None,
        "other sets": figures(others, text_of),
        "by hand, out of source": figures(_by_hand(folder), text_of),
        "by hand, both tiers": figures(_by_hand(folder), text_of, deep) if encode else None,
    }
    for name, change in CHANGES.items():
        found[f"dolly15k, {name}"] = figures(of_dolly, change)
    mixed = every[::2]
    answers = evaluate([{"text": text_of(one), "label": one.label} for one in mixed], fast, None)
    found["confusion"] = answers["confusion"]
    found["complexity"] = _complexity(folder, artefacts["complexity"])
    found["length"] = _length(folder, artefacts["length"])
    return found


_SHOWN = (
    "macro_f1", "accuracy", "ece", "questions_merged_macro_f1", "deep_share", "coverage",
    "selective_accuracy", "p50_ms",
)  # fmt: skip


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _by_hand(folder: Path) -> list[Prompt]:
    labels = {index: label for label, many in _BY_HAND.items() for index in many}
    file = folder / "self-instruct/human_eval/user_oriented_instructions.jsonl"
    return [
        Prompt(row["instruction"], row["instances"][0]["input"], labels[index], "by hand")
        for index, row in enumerate(lines(file))
        if index in labels
    ]


def _robust(folder: Path) -> None:
    """A row for each change: figures, and how often the answer is that of the unchanged prompt."""
    kept = load(shipped("task"))
    head = TaskHead(kept.arrays, kept.card.settings)
    rows = [one for one in dolly(folder) if one.apart]
    only = {one.label for one in rows}
    plain = [head.among(see(text_of(one)), None, only) for one in rows]
    for name, change in CHANGES.items():
        texts = [change(one) for one in rows]
        figures = evaluate(
            [{"text": a, "label": b.label} for a, b in zip(texts, rows, strict=True)],
            Heads(task=head),
        )
        said = [head.among(see(text), None, only) for text in texts]
        same = [a.name == b.name for a, b in zip(said, plain, strict=True)]
        sure = [one for one, guess in zip(same, plain, strict=True) if not guess.unsure]
        row = {
            "bench": "tasks",
            "artefact": kept.card.version,
            "change": name,
            "rows": len(rows),
            "changed": sum(a != text_of(b) for a, b in zip(texts, rows, strict=True)) / len(rows),
            **{figure: figures[figure] for figure in _SHOWN if not figure.endswith("_ms")},
            "same": sum(same) / len(same),
            "same_where_sure": sum(sure) / len(sure),
            **processes.machine(),
        }
        print(json.dumps(row), flush=True)
        processes.append("tasks", row)


def _complexity(folder: Path, artefact: Path) -> dict[str, Any]:
    kept = load(artefact)
    head = complexity_head(kept.arrays, kept.card.settings)
    rows = [one for one in effort.exams(folder) if effort.apart(one.text)]
    right = np.array([one.right for one in rows])
    said = np.array([head.right(see(one.text)) for one in rows])
    chosen = [head(see(one.text), "reasoning").name for one in rows]
    found: dict[str, Any] = {"rows": len(rows)}
    for place, name in enumerate(CLASSES):
        there = ~np.isnan(right[:, place])
        gold, told = right[there, place], said[there, place]
        found[name] = {
            "rows": int(there.sum()),
            "right": round(float(gold.mean()), 3),
            "auroc": _round(auroc(told[gold > 0.5], told[gold <= 0.5])),
            "ece": _round(ece(told, gold)),
            "chosen": chosen.count(name),
        }
    return found


def _length(folder: Path, artefact: Path) -> dict[str, Any]:
    kept = load(artefact)
    head = length_head(kept.arrays, kept.card.settings)
    rows = [one for one in effort.answers(folder) if effort.apart(one.text) and one.chars > 0]
    spans = [head(see(one.text), one.task) for one in rows]
    gold = [one.chars / CHARS_PER_TOKEN for one in rows]
    inside = np.array([a.low <= b <= a.high for a, b in zip(spans, gold, strict=True)])
    error = np.array([abs(a.expected - b) / b for a, b in zip(spans, gold, strict=True)])
    found: dict[str, Any] = {}
    for task in ("all", *sorted({one.task for one in rows})):
        mine = np.array([task in ("all", one.task) for one in rows])
        found[task] = {
            "rows": int(mine.sum()),
            "coverage": round(float(inside[mine].mean()), 3),
            "median error": round(float(np.median(error[mine])), 3),
        }
    return found


def _speed() -> dict[str, float]:
    kept = load(_artefact(None, "task"))
    head = TaskHead(kept.arrays, kept.card.settings)
    found = {}
    for name, text in (
        ("16 tokens", "What are some good ideas for a birthday party at the office?"),
        ("2 KB", "Summarise the text below in three sentences.\n" + "The river rose again. " * 91),
        ("100,000 tokens", "Summarise the text below.\n" + "The river rose again. " * 20_000),
    ):
        seen = see(text)
        best = 1e9
        for _ in range(300):
            began = time.process_time_ns()
            for _ in range(10):
                head(seen)
            best = min(best, (time.process_time_ns() - began) / 10_000)
        found[f"{name}, µs"] = round(best, 1)
    return found


if __name__ == "__main__":
    main()
