"""Runs the small encoder that comes as an artefact, with ONNX Runtime, in this process.

onnxruntime and tokenizers are imported when a text is first given: who never asks needs neither.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from situs.core.heads import Encode
from situs.errors import OperatorError, WeightsError

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
"""The files of the artefact. The graph takes ids and a mask, and gives unit vectors."""

WINDOW_TOKENS = 128
"""So much is read of each text, special tokens included."""

_WINDOW_CHARS = 16 * WINDOW_TOKENS


def load_encoder(folder: Path) -> Encode:
    """The encoder in an artefact's folder; its files are read when it is first asked."""
    return _Encoder(folder)


class _Encoder:
    """Owns the loaded model; one thread at a time uses it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._loaded: tuple[Any, Any] | None = None

    def __call__(self, texts: Sequence[str]) -> Any:
        """Unit vectors (float32, texts x dimensions) of the beginning of each text.

        Texts are run one by one: the model's integer arithmetic takes its scale from all that is in
        a run, and a text's vector must not depend on its neighbours. Raises WeightsError, or
        OperatorError when a package is missing.
        """
        import numpy as np

        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._folder)
            session, tokenizer = self._loaded
            found = []
            for text in texts:
                start = text[:_WINDOW_CHARS].encode("utf-8", "replace").decode()
                ids = np.array([tokenizer.encode(start).ids], np.int64)
                feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
                found.append(session.run(None, feed)[0][0])
        return np.array(found, np.float32)


def _load(folder: Path) -> tuple[Any, Any]:
    # Texts are split on the thread that asks; the library has no other switch.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError as problem:
        raise OperatorError(
            f"this installation lacks {problem.name}, which the deep tier needs",
            do="Install the extra local (in a checkout: `pip install -e '.[local]'`), "
            "or switch the deep tier off.",
        ) from problem
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        session = onnxruntime.InferenceSession(
            str(folder / MODEL), options, providers=["CPUExecutionProvider"]
        )
    except Exception as problem:
        raise WeightsError(
            f"the encoder in {folder} cannot be loaded: {type(problem).__name__}",
            do="Install the package again; check the versions of onnxruntime and tokenizers.",
        ) from problem
    tokenizer.no_padding()
    tokenizer.enable_truncation(WINDOW_TOKENS)
    return session, tokenizer
