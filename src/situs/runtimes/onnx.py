"""Loads embedding models from the lock with ONNX Runtime, in this process.

numpy, onnxruntime and tokenizers are imported by `load` alone: who has no such model needs none.
"""

from __future__ import annotations

import importlib.util
import os
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from situs.errors import OperatorError, WeightsError
from situs.runtimes.memory import available_bytes
from situs.runtimes.weights import Kind, Located, ensure_verified, locate, require_kind

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_UNKNOWN = "[UNK]"
_PACKAGES = ("numpy", "onnxruntime", "tokenizers")
# What a loaded model takes for each byte of its file: int8 weights become float32, and those are
# kept a second time in the order that the processor likes.
_GROWTH = 9


class OnnxSpec(Struct, frozen=True):
    """What to load, and what it must be. `context_tokens` count a text's special tokens too."""

    weights: Located
    tokenizer: Located
    context_tokens: int
    dimensions: int
    threads: int = 1

    def load(self) -> OnnxModel:
        return load(self)


def onnx_spec(
    file: str,
    tokenizer: str,
    models_dir: Path,
    *,
    context_tokens: int,
    dimensions: int,
    threads: int = 1,
) -> OnnxSpec:
    """By names in models.lock; nothing is read yet. Raises WeightsError for an unknown name."""
    return OnnxSpec(
        locate(file, models_dir),
        locate(tokenizer, models_dir),
        context_tokens,
        dimensions,
        threads,
    )


def check_onnx(spec: OnnxSpec, free: int | None = None) -> None:
    """Refuse what cannot work, before anything is loaded.

    1. The packages are installed (OperatorError).
    2. The files are of the right kinds, and the context is one that the model was trained for.
    3. The model fits into `free` bytes (default: what this machine has).
    4. Both files are what the lock says.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise OperatorError(
            f"this installation lacks {', '.join(missing)}, which ONNX models need",
            do="Install the extra local (in a checkout: `pip install -e '.[local]'`), "
            "or remove the deployments of kind onnx.",
        )
    weights, tokenizer = spec.weights.weights, spec.tokenizer.weights
    require_kind(weights, Kind.ONNX)
    require_kind(tokenizer, Kind.TOKENIZER)
    if spec.context_tokens > weights.context_tokens:
        raise WeightsError(
            f"{weights.name} was trained for {weights.context_tokens} tokens of context, not for "
            f"{spec.context_tokens}",
            do=f"Set context_tokens to {weights.context_tokens} or less.",
        )
    needed = weights.size * _GROWTH
    free = available_bytes() if free is None else free
    if free is not None and needed > free:
        raise WeightsError(
            f"{weights.name} needs about {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB of memory "
            "are available",
            do="Free memory, or take a smaller model.",
        )
    ensure_verified(spec.weights.path, weights)
    ensure_verified(spec.tokenizer.path, tokenizer)


def load(spec: OnnxSpec) -> OnnxModel:
    """Takes a second. Raises WeightsError, or OperatorError when a package is missing."""
    check_onnx(spec)
    # Texts are split on the thread that asks; the library has no other switch.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = spec.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        tokenizer = Tokenizer.from_file(str(spec.tokenizer.path))
        session = onnxruntime.InferenceSession(
            str(spec.weights.path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as problem:
        raise WeightsError(
            f"{spec.weights.weights.name} cannot be loaded: {type(problem).__name__}",
            do="Run `situs models verify`; check the versions of onnxruntime and tokenizers.",
        ) from problem
    dimensions = session.get_outputs()[0].shape[-1]
    if dimensions != spec.dimensions:
        raise WeightsError(
            f"{spec.weights.weights.name} makes embeddings of {dimensions} dimensions, configured "
            f"are {spec.dimensions}",
            do=f"Set the model's dimensions to {dimensions}.",
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return OnnxModel(session, tokenizer, spec)


class OnnxModel:
    """A loaded model. Texts become token ids, special ones included, and ids become vectors.

    Both compute without holding the interpreter's lock. `specials` of the `context_tokens` of each
    text are the model's own.
    """

    def __init__(self, session: Any, tokenizer: Tokenizer, spec: OnnxSpec) -> None:
        self.context_tokens = spec.context_tokens
        self.dimensions = spec.dimensions
        self.specials: int = tokenizer.num_special_tokens_to_add(False)
        found = tokenizer.token_to_id(_UNKNOWN)
        self.unknown: int = -1 if found is None else found
        self._session = session
        self._inputs = frozenset(one.name for one in session.get_inputs())
        self._tokenizer = tokenizer

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Whole texts, however long."""
        return [one.ids for one in self._tokenizer.encode_batch_fast(list(texts))]

    def vectors(self, batch: Sequence[Sequence[int]]) -> list[array[float]]:
        """One vector of length 1 for each text: the mean over its tokens, padding left out.

        That is what sentence-transformers does for all-MiniLM-L6-v2.
        """
        import numpy as np

        longest = max(len(ids) for ids in batch)
        ids = np.zeros((len(batch), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(batch):
            ids[row, : len(one)] = one
            mask[row, : len(one)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden, *_) = self._session.run(None, {k: v for k, v in feed.items() if k in self._inputs})
        found = []
        for row, one in enumerate(batch):
            mean = hidden[row, : len(one)].mean(axis=0, dtype=np.float32)
            vector = mean / max(float(np.linalg.norm(mean)), 1e-12)
            found.append(array("f", vector.astype(np.float32).tobytes()))
        return found
