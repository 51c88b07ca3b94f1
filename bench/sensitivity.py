"""What is found of labelled spans, beside Presidio: `python -m bench sensitivity FILE`.

FILE holds rows of `text` and `spans` (docs/reference/eval.md). Both read every text in the same
run, in turns. `--only situs` leaves Presidio out; `python -m bench.peers install` installs it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median
from typing import Any

from bench import processes, report
from bench.systems import PEERS
from situs.app.active import active
from situs.app.setting import Setting
from situs.config.load import default_config
from situs.core.label import Finding
from situs.studies.eval_sensitivity import evaluate, family_of
from situs.studies.rows import rows

Find = Callable[[str], list[Finding]]
PYTHON = PEERS / "presidio" / "bin" / "python"
WORKER = Path(__file__).with_name("sensitivity_presidio.py")


@contextmanager
def presidio(times: list[float]) -> Iterator[Find]:
    """Finds with Presidio in a process of its own, which takes the time itself."""
    command = [str(PYTHON), str(WORKER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, said = process.stdin, process.stdout

        def find(text: str) -> list[Finding]:
            asked.write(json.dumps(text).encode() + b"\n")
            asked.flush()
            answer = json.loads(said.readline())
            times.append(answer["seconds"])
            return [
                Finding(family_of(name) or name, 0, start, end, score, name)
                for name, start, end, score in resolved(answer["spans"])
            ]

        yield find
        asked.close()


def resolved(spans: list[tuple[str, int, int, float]]) -> list[tuple[str, int, int, float]]:
    """Of overlapping spans the one with the highest score, then the longest, as Presidio's
    anonymizer has it."""
    kept: list[tuple[str, int, int, float]] = []
    for span in sorted(spans, key=lambda one: (-one[3], one[1] - one[2])):
        if all(span[2] <= other[1] or span[1] >= other[2] for other in kept):
            kept.append(span)
    return kept


def situs(tier: str, data: Path) -> Find:
    return active(Setting(default_config(), data, data), print, deep=False).find(tier)


def pages(labelled: list[dict[str, Any]]) -> list[str]:
    """The texts one behind the other, cut into 2 KB; the first sixty."""
    whole = "\n".join(one["text"] for one in labelled)
    return [whole[at : at + 2048] for at in range(0, min(len(whole) - 2048, 60 * 2048), 2048)]


def timed(find: Find, texts: list[str]) -> float:
    """Processor time for one of them, in milliseconds: the median."""
    times = []
    for text in texts:
        began = time.process_time()
        find(text)
        times.append(time.process_time() - began)
    return median(times) * 1e3


def row(system: str, figures: dict[str, Any], ms_2kb: float) -> dict[str, Any]:
    typed = figures["by_type"]
    return {
        "bench": "sensitivity",
        "system": system,
        "rows": figures["rows"],
        "chars_f2": figures["chars"]["f2"],
        "typed_f2": figures["typed"]["f2"],
        "structured_f2": figures["structured"]["f2"],
        "ms_2kb": ms_2kb,
        "ms_row": figures["ms_row"],
        "by_type": {
            name: {"precision": one["precision"], "recall": one["recall"]}
            for name, one in typed.items()
        },
        **processes.machine(),
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", choices=["situs", "presidio"])
    parser.add_argument("--data", type=Path, default=Path("~/.local/share/situs").expanduser())
    asked = parser.parse_args(arguments)
    labelled = rows(asked.file, ("text", "spans"))
    found = []
    if asked.only != "presidio":
        for name, tier in (("situs", "full"), ("situs, structured tier", "structured")):
            find = situs(tier, asked.data)
            figures = evaluate(labelled, find, None, "full")
            size = sum(len(one["text"].encode()) for one in labelled)
            figures["ms_row"] = figures["ms_per_kb"] * size / 1024 / len(labelled)
            found.append(row(name, figures, timed(find, pages(labelled))))
    if asked.only != "situs":
        if not PYTHON.exists():
            sys.exit("presidio is not installed: python -m bench.peers install")
        times: list[float] = []
        with presidio(times) as find:
            figures = evaluate(labelled, find, None, "full")
            figures["ms_row"] = fmean(times) * 1e3
            times.clear()
            timed(find, pages(labelled))
        found.append(row("presidio", figures, median(times) * 1e3))
    for one in found:
        print(json.dumps(one))
        processes.append("sensitivity", one)
    report.write()


if __name__ == "__main__":
    main(sys.argv[1:])
