"""How well routes are found, beside other ways: `python -m bench routes FOLDER`.

FOLDER holds `clinc150` and `hwu64` as docs/guides/routes.md names them. Ten samples a route, drawn
by `--seed`; the test is CLINC150's validation part with its out-of-scope rows, and HWU64's test
part: development data. One row for each way, printed and kept in `bench/results/`:

- `situs fast`, `auto`, `deep`: thresholds fitted without test rows
- `centroid`: the mean vector of a route's samples, with no limit, with 0.7, and with the limit with
  which it does best on the test itself
- `semantic-router mean`, `max`: the package, the same; needs `--peer PYTHON` of an environment that
  has it

With `--vectors`, FOLDER is a new version of the artefact `routes`, its ordinary texts encoded by
the encoder of the package.

`overall` weighs scope as CLINC150's test part does (4,500 : 1,000). `cpu_ms` is processor time for
a text, encoding included where all texts are encoded.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, to_builtins

from bench import processes, report
from situs.app.active import active
from situs.app.setting import Setting
from situs.cli.options import setting_from
from situs.core.heads import Encode, Heads
from situs.learning.artefacts import load, shipped
from situs.learning.routes import with_vectors
from situs.studies.eval_routes import evaluate
from situs.studies.metrics import auroc

MIX = (4500, 1000)
Rows = list[dict[str, Any]]


def read(path: Path) -> Rows:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    return [
        {"text": row["text"], "label": None if row["intent"] == "oos" else row["intent"]}
        for row in found
    ]


def drawn(rows: Rows, count: int, seed: int) -> Rows:
    chance = np.random.default_rng(seed)
    of_label: dict[str, Rows] = defaultdict(list)
    for row in rows:
        of_label[row["label"]].append(row)
    return [
        own[place]
        for _, own in sorted(of_label.items())
        for place in chance.permutation(len(own))[:count]
    ]


class Draw(Struct, frozen=True):
    """A data set, and how samples were drawn from it: `samples` of each route (0: all)."""

    data: str
    samples: int
    seed: int

    def say(self, **figures: object) -> None:
        """Prints and keeps a row."""
        rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
        row = {"bench": "routes", **to_builtins(self), **rounded}
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
        processes.append("routes", {**row, **processes.machine()})


def overall(inside: float, recall: float | None) -> float:
    return inside if recall is None else (MIX[0] * inside + MIX[1] * recall) / sum(MIX)


def ours(draw: Draw, train: Rows, test: Rows, heads: Heads) -> None:
    for tier in ("fast", "auto", "deep") if heads.encode else ("fast",):
        found = evaluate(train, test, heads, tier, clock=time.process_time)
        draw.say(
            way=f"situs {tier}",
            overall=overall(found["in_scope_accuracy"], found["oos_recall"]),
            closed=found["closed_set_accuracy"],
            in_scope=found["in_scope_accuracy"],
            oos_recall=found["oos_recall"],
            auroc=found["auroc"],
            cpu_ms=found["p50_ms"],
            deep_share=found["deep_share"],
            fit_s=found["fit_s"],
        )


def limited(draw: Draw, way: str, names: Sequence[str], scores: Any, test: Rows, ms: float) -> None:
    """Figures of a way that gives a route and a score, with a limit of 0.7, none, and the best."""
    inside = np.array([row["label"] is not None for row in test])
    right = np.array([row["label"] == name for row, name in zip(test, names, strict=True)])
    outside = bool((~inside).any())

    def at(limit: float) -> tuple[float, float, float | None]:
        found = float((right & (scores >= limit))[inside].mean())
        recall = float((scores[~inside] < limit).mean()) if outside else None
        return overall(found, recall), found, recall

    best = max(np.quantile(scores, np.linspace(0, 1, 200)), key=lambda limit: at(limit)[0])
    for name, limit in (("none", -1.0), ("0.7", 0.7), ("best", float(best))):
        total, found, recall = at(limit)
        draw.say(
            way=f"{way}, limit {name}",
            overall=total,
            closed=float(right[inside].mean()),
            in_scope=found,
            oos_recall=recall,
            auroc=auroc(scores[inside], scores[~inside]),
            cpu_ms=ms,
        )


def others(draw: Draw, train: Rows, test: Rows, encode: Encode, peer: str | None) -> None:
    texts = list(dict.fromkeys(row["text"] for row in (*train, *test)))
    began = time.process_time()
    vectors = dict(zip(texts, encode(texts), strict=True))
    each = (time.process_time() - began) / len(texts) * 1e3
    labels = sorted({row["label"] for row in train})
    middles = np.stack(
        [np.mean([vectors[r["text"]] for r in train if r["label"] == name], 0) for name in labels]
    )
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    began = time.process_time()
    cosines = np.stack([vectors[row["text"]] for row in test]) @ middles.T
    ms = each + (time.process_time() - began) / len(test) * 1e3
    limited(draw, "centroid", [labels[i] for i in cosines.argmax(1)], cosines.max(1), test, ms)
    if peer is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npz"
        np.savez(
            path,
            texts=np.array(texts),
            vectors=np.stack([vectors[text] for text in texts]),
            train=np.array([row["text"] for row in train]),
            labels=np.array([row["label"] for row in train]),
            test=np.array([row["text"] for row in test]),
        )
        script = Path(__file__).with_name("routes_peer.py")
        done = subprocess.run([peer, script, path], stdout=subprocess.PIPE, check=True)
    for line in done.stdout.decode().splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            names, scores = zip(*row["said"], strict=True)
            way = f"semantic-router {row['aggregation']}"
            limited(draw, way, names, np.array(scores), test, each + row["ms"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="with --vectors: the new artefact")
    parser.add_argument("--vectors", action="store_true", help="encode its ordinary texts anew")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=10, help="of each route; 0: all")
    parser.add_argument("--only", choices=["clinc150", "hwu64"])
    parser.add_argument("--peer", help="the Python of an environment with semantic-router")
    given = parser.parse_args()
    setting: Setting = setting_from(None, None)
    heads = active(setting, lambda line: print(line, file=sys.stderr), deep=True).heads
    if given.vectors:
        kept, encoder = load(shipped("routes")), load(shipped("encoder")).digest
        assert heads.encode is not None
        vectors = heads.encode(heads.routes.ordinary)
        print(with_vectors(kept, vectors, encoder, given.folder).digest)
        return
    tests = {"clinc150": ("val", "oos_val", "oos_train"), "hwu64": ("test",)}
    for data, parts in tests.items():
        if given.only in (None, data):
            train = read(given.folder / data / "train.jsonl.gz")
            train = drawn(train, given.samples, given.seed) if given.samples else train
            test = [r for part in parts for r in read(given.folder / data / f"{part}.jsonl.gz")]
            draw = Draw(data, given.samples, given.seed)
            ours(draw, train, test, heads)
            if heads.encode is not None:
                others(draw, train, test, heads.encode, given.peer)
    report.write()


if __name__ == "__main__":
    main()
