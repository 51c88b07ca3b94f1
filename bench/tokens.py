"""Learns and measures the estimate of token counts: `python -m bench.tokens COMMAND`.

    learn FOLDER --to TO   a new artefact in TO/VERSION from the texts of FOLDER/learn/*.jsonl
                           (`text`) and the lists of words in FOLDER/words/*.jsonl
    apart FOLDER           its errors on FOLDER/apart.jsonl (`text`, `kind`)
    speed                  processor time of 2 KB of each kind, and of 100,000 tokens

FOLDER/tokenizers holds a tokenizer.json for each family, named FAMILY.json; FOLDER/sources.json
lists name, licence, rows and url. docs/reference/tokens.md says where they come from. What a
tokenizer makes of a file of texts is kept in FOLDER/begins. Only `tokenizers` is needed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from situs.analysis.token_counts import counter
from situs.analysis.token_families import UNKNOWN
from situs.learning.artefacts import Card, Source, load, save, shipped
from situs.learning.tokens import begins_of, learn
from situs.studies.eval_tokens import evaluate

WIDEST = ("cl100k", "gemma", "claude")
"""Families of today that need the most: together within 1 % of the most of eight, at a third of the
time. What an unknown model may need."""

SAMPLES = {
    "english": "The committee will meet on Thursday to discuss what the report recommends. ",
    "code": "def total(rows: list[int]) -> int:\n    return sum(row for row in rows)\n\n",
    "json": '{"id": 4711, "name": "pump-3", "tags": ["north", "spare"], "ok": true},\n',
    "chinese": "\u59d4\u5458\u4f1a\u5c06\u4e8e\u661f\u671f\u56db\u8ba8\u8bba\u62a5\u544a\u3002",
    "nepali": "\u0938\u092e\u093f\u0924\u093f\u0932\u0947 \u092d\u0928\u094d\u092f\u094b ",
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench.tokens", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("learn", "apart"):
        one = commands.add_parser(name)
        one.add_argument("folder", type=Path)
        one.add_argument("--artefact", type=Path, default=None)
        one.add_argument("--to", type=Path)
        one.add_argument("--version", default="1")
    commands.add_parser("speed")
    options = parser.parse_args(argv)
    match options.command:
        case "learn":
            made = learned(options.folder, options.to / options.version, options.version)
            print(json.dumps({"digest": made.digest, **made.card.metrics}, indent=2))
        case "apart":
            folder = options.artefact or shipped("tokens")
            print(json.dumps(apart(options.folder, folder), indent=2))
        case _:
            speed()
    return 0


def learned(folder: Path, to: Path, version: str) -> Any:
    """A new artefact; the figures on its card are of the texts apart."""
    families = sorted(path.stem for path in (folder / "tokenizers").glob("*.json"))
    read = sorted((folder / "learn").glob("*.jsonl"))
    listed = sorted((folder / "words").glob("*.jsonl"))
    running = [text for file in read for text in texts_of(file)]
    words = [text for file in listed for text in texts_of(file)]
    counts = {
        family: np.concatenate([kept_begins(folder, file, family) for file in (*read, *listed)])
        for family in families
    }
    arrays = learn([*running, *words], counts, len(running))
    settings = {"families": families, UNKNOWN: [name for name in WIDEST if name in families]}
    sources = msgspec.json.decode((folder / "sources.json").read_bytes(), type=tuple[Source, ...])
    figures = measured(folder, families, counter(arrays, settings))
    card = Card(
        format=1,
        head="tokens",
        version=version,
        about="Estimates how many tokens a text has for a family of models.",
        sources=sources,
        settings=settings,
        metrics=figures,
        files={},
        command="python -m bench.tokens apart FOLDER",
    )
    return save(to, card, arrays)


def apart(folder: Path, artefact: Path) -> dict[str, Any]:
    found = load(artefact)
    families = found.card.settings["families"]
    return measured(folder, families, counter(found.arrays, found.card.settings))


def measured(
    folder: Path, families: list[str], count: Callable[[bytes, str], float]
) -> dict[str, Any]:
    """Mean absolute error by kind of text, for each family, and what `default` makes of each."""
    file = folder / "apart.jsonl"
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    kinds = sorted({row["kind"] for row in rows})
    found: dict[str, Any] = {"rows": len(rows), "mean_abs_pct_error": {}, "bias_of_default": {}}
    for family in families:
        begins = kept_begins(folder, file, family)
        ends = np.cumsum([len(row["text"]) for row in rows])
        tokens = np.diff(np.concatenate(([0], np.cumsum(begins, dtype=np.int64)[ends - 1])))
        labelled = [
            {**row, "family": family, "tokens": int(real)}
            for row, real in zip(rows, tokens, strict=True)
        ]
        by_kind = evaluate(labelled, count)["by_kind"]
        wide = evaluate(labelled, lambda data, _: count(data, UNKNOWN))["by_kind"]
        found["mean_abs_pct_error"][family] = {
            kind: round(by_kind[kind]["mean_abs_pct_error"], 4) for kind in kinds
        }
        found["bias_of_default"][family] = {kind: round(wide[kind]["bias"], 3) for kind in kinds}
    return found


def kept_begins(folder: Path, file: Path, family: str) -> Any:
    """How many tokens begin at each character of a file's texts; computed once."""
    place = folder / "begins" / f"{file.stem}.{family}.npz"
    if not place.exists():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / f"{family}.json"))
        place.parent.mkdir(exist_ok=True)
        np.savez_compressed(place, starts=begins_of(tokenizer, texts_of(file)))
    with np.load(place) as kept:
        return kept["starts"]


def texts_of(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def speed() -> None:
    """The least of many runs, in microseconds of processor time."""
    artefact = load(shipped("tokens"))
    count = counter(artefact.arrays, artefact.card.settings)
    for name, sample in SAMPLES.items():
        data = (sample.encode() * (2048 // len(sample.encode()) + 1))[:2048]
        print(f"{name}: {least(partial(count, data, 'o200k'), 500):.0f} us for 2 KB")
    data = SAMPLES["english"].encode() * 7200
    tokens = count(data, "o200k")
    took = least(lambda: count(data, "o200k"), 5)
    print(f"{tokens:.0f} tokens: {took / 1000:.1f} ms, {took / tokens:.2f} ms for 1,000")


def least(run: Callable[[], Any], times: int) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.process_time_ns()
        run()
        best = min(best, time.process_time_ns() - began)
    return best / 1000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
