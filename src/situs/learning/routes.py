"""Distils an encoder into the static table that routes stand on.

`python -m situs.learning.routes TEXTS VECTORS OUT` takes JSON lines with `text`, `set`, `licence`
and `url`, and the encoder's unit vector of each line (.npy). Words alone (set `words`) teach what
sentences leave out; lines with `"ordinary": true` come along as texts of no route. Needs torch.
What is learned depends on the two files and nothing else. Afterwards `python -m bench.routes OUT
--vectors` adds the vectors of the ordinary texts.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from situs.analysis.features import see
from situs.analysis.route_features import PARTS, gist_rows
from situs.errors import OperatorError
from situs.learning.artefacts import Artefact, Card, Source, save

WORD_BITS, BITS, DIMENSIONS = 15, 14, 128
EPOCHS, BATCH, RATE = 8, 256, 4e-3
_HEAD = 200
"""Characters of a text that are learned from."""

_CLIPPED = 0.35
"""Weights over this share of the largest are cut off, so that int8 serves the others."""


def distil(texts: Sequence[str], vectors: Any, alone: Any) -> dict[str, Any]:
    """The table's arrays. `alone` says which of the texts are single words.

    Rows are learned so that their sum points where the encoder does, in the directions in which
    sentences differ most, and so that sentences are as near each other as there.
    """
    sentences = vectors[~alone]
    middle = sentences.mean(0)
    _, directions = np.linalg.eigh(np.cov((sentences - middle).T))
    wanted = (vectors - middle) @ directions[:, ::-1][:, :DIMENSIONS]
    wanted = (wanted / np.linalg.norm(wanted, axis=1, keepdims=True)).astype(np.float32)
    learned = _learn(_bags(texts), wanted, alone)
    step = np.abs(learned).max() * _CLIPPED / 127
    return {"table": np.clip(np.round(learned / step), -127, 127).astype(np.int8)}


def _bags(texts: Sequence[str]) -> tuple[Any, Any, Any]:
    """Rows and weights of all texts, one after the other, and where each begins and the last ends.

    The weights are those with which a `Gist` adds rows up.
    """
    places, weights, starts = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)], [0]
    for text in texts:
        found = 0
        for part, weight in zip(gist_rows(see(text[:_HEAD]), WORD_BITS, BITS), PARTS, strict=True):
            places.append(part)
            weights.append(np.full(len(part), weight / np.sqrt(max(1, len(part))), np.float32))
            found += len(part)
        starts.append(starts[-1] + found)
    return np.concatenate(places), np.concatenate(weights), np.array(starts)


def _learn(bags: tuple[Any, Any, Any], wanted: Any, alone: Any) -> Any:
    try:
        import torch
    except ImportError as error:
        raise OperatorError(
            "Distilling a table needs torch, which is not installed.", do="pip install torch"
        ) from error
    places, weights, starts = bags
    size = (1 << WORD_BITS) + 2 * (1 << BITS)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    first = torch.randn(size, wanted.shape[1]) * 0.003
    for row in np.flatnonzero(alone):
        mine = places[starts[row] : starts[row + 1]]
        if (mine < 1 << WORD_BITS).sum() == 1:
            first[mine[0]] += torch.from_numpy(wanted[row] * 0.5)
    table = torch.nn.EmbeddingBag(size, wanted.shape[1], mode="sum", sparse=True, _weight=first)
    optimizer = torch.optim.SparseAdam(list(table.parameters()), lr=RATE)
    chance = np.random.default_rng(0)
    for epoch in range(EPOCHS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - epoch / EPOCHS)
        order = chance.permutation(len(wanted))
        for begin in range(0, len(order), BATCH):
            some = order[begin : begin + BATCH]
            sizes = starts[some + 1] - starts[some]
            ends = np.cumsum(sizes)
            flat = np.repeat(starts[some] - ends + sizes, sizes) + np.arange(ends[-1])
            found = table(
                torch.from_numpy(places[flat]),
                torch.from_numpy(ends - sizes),
                per_sample_weights=torch.from_numpy(weights[flat]),
            )
            found = torch.nn.functional.normalize(found, dim=1)
            goal = torch.from_numpy(wanted[some])
            loss = (1 - (found * goal).sum(1)).mean()
            loss = loss + 5 * ((found @ found.T - goal @ goal.T) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return table.weight.detach().numpy()


def keep(rows: Sequence[dict[str, Any]], arrays: dict[str, Any], out: Path) -> Artefact:
    """Writes the artefact: the table, the ordinary texts, and a card that names every source."""
    ordinary = "\n".join(" ".join(row["text"].split()) for row in rows if row.get("ordinary"))
    counts = Counter((row["set"], row["licence"], row["url"]) for row in rows)
    card = Card(
        format=0,
        head="routes",
        version=out.name,
        about="What semantic routes stand on: a static table distilled from all-MiniLM-L6-v2 "
        "(Apache-2.0), and ordinary texts of no route. No row of CLINC150, HWU64, BANKING77, "
        "SLURP or MASSIVE is in it.",
        sources=tuple(
            Source(name, licence, count, url) for (name, licence, url), count in counts.items()
        ),
        settings={"word_bits": WORD_BITS, "bits": BITS, "dimensions": DIMENSIONS},
        metrics={},
        files={},
        command="python -m situs.learning.routes TEXTS VECTORS OUT",
    )
    text = np.frombuffer(ordinary.encode(), np.uint8)
    return save(out, card, {**arrays, "ordinary": text})


def with_vectors(artefact: Artefact, vectors: Any, encoder: str, out: Path) -> Artefact:
    """The same artefact with the vectors of its ordinary texts, by the encoder of this digest."""
    card = artefact.card
    settings = {**card.settings, "encoder": encoder}
    kept = {**artefact.arrays, "vectors": np.asarray(vectors, np.float16)}
    named = msgspec.structs.replace(card, version=out.name, settings=settings, files={})
    return save(out, named, kept)


def main(arguments: Sequence[str]) -> None:
    texts, vectors, out = map(Path, arguments)
    lines = texts.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    alone = np.array([row["set"] == "words" for row in rows])
    arrays = distil([row["text"] for row in rows], np.load(vectors), alone)
    sys.stdout.write(f"{keep(rows, arrays, out).digest}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
