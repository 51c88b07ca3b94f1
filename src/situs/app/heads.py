"""What was learned, made ready: artefacts in, functions out."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from situs.analysis.effort import complexity_head, length_head
from situs.analysis.route_features import ground
from situs.analysis.sensitivity.names import tagger
from situs.analysis.task_head import task_head
from situs.analysis.token_counts import counter
from situs.config.analysis import Analysis
from situs.core.heads import Encode, Heads
from situs.learning.artefacts import Artefact
from situs.learning.versions import chosen
from situs.runtimes.onnx import OnnxModel, onnx_spec

WINDOW_TOKENS = 128
"""The deep tier reads so much of each text it is given, special tokens included."""

ENCODER = ("all-MiniLM-L6-v2.int8", "all-MiniLM-L6-v2.tokenizer")
"""The names in models.lock of what the deep tier loads."""


def load_heads(settings: Analysis, data: Path) -> Heads:
    """The heads that the configuration names, else those of the package.

    Takes some tens of milliseconds; the deep tier's model is loaded when it is first asked.
    Raises OperatorError for an artefact that is not there, or not what its card says.
    """
    found = chosen(settings.artefacts, data)
    made = {head: make(found[head]) for head, make in _MAKERS.items() if head in found}
    if "names" in found:
        made["name_kinds"] = tuple(found["names"].card.settings["kinds"])
    return Heads(
        **made,
        encode=encoder(data / "models") if settings.deep else None,
        finds_names=settings.names,
        digests={head: artefact.digest for head, artefact in found.items()},
    )


_MAKERS: dict[str, Callable[[Artefact], Any]] = {
    "task": lambda one: task_head(one.arrays, one.card.settings),
    "complexity": lambda one: complexity_head(one.arrays, one.card.settings),
    "length": lambda one: length_head(one.arrays, one.card.settings),
    "names": lambda one: tagger(one.arrays, one.card.settings),
    "tokens": lambda one: counter(one.arrays, one.card.settings),
    "routes": lambda one: ground(one.arrays, one.card.settings),
}
"""By head: from its artefact to its function."""


def encoder(models_dir: Path) -> Encode | None:
    """The deep tier; None where its weights or its packages are not there."""
    missing = [
        one for one in ("onnxruntime", "tokenizers") if importlib.util.find_spec(one) is None
    ]
    spec = onnx_spec(*ENCODER, models_dir, context_tokens=WINDOW_TOKENS, dimensions=384)
    if missing or not (spec.weights.path.exists() and spec.tokenizer.path.exists()):
        return None
    return Encoder(spec.load)


class Encoder:
    """Loads its model when it is first asked; one thread at a time uses it."""

    def __init__(self, load: Callable[[], OnnxModel]) -> None:
        self._load = load
        self._lock = Lock()
        self._model: OnnxModel | None = None

    def __call__(self, texts: Sequence[str]) -> Any:
        """Unit vectors (float32, texts x dimensions) of the first `WINDOW_TOKENS` of each text."""
        import numpy as np

        with self._lock:
            if self._model is None:
                self._model = self._load()
            tokens = [_cut(one) for one in self._model.tokens(texts)]
            return np.array([self._model.vectors([one])[0] for one in tokens], np.float32)


def _cut(ids: list[int]) -> list[int]:
    """The first tokens, and the one that ends every text."""
    return ids if len(ids) <= WINDOW_TOKENS else [*ids[: WINDOW_TOKENS - 1], ids[-1]]
