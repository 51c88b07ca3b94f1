"""Runs weights from the lock with llama.cpp (the xllamacpp package), in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import secrets
import sys
from importlib import metadata

from situs.errors import OperatorError, WeightsError
from situs.runtimes.llama_server import KEY
from situs.runtimes.memory import available_bytes
from situs.runtimes.spec import PORT, RuntimeSpec
from situs.runtimes.weights import Kind, Located, ensure_verified, require_kind

# What a loaded model takes beyond its file: buffers and the tokenizer.
_OVERHEAD = 1.2
_PACKAGE = "xllamacpp"


def default_threads() -> int:
    """Half of the cores this process may use: spinning threads starve the gateway otherwise."""
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, usable // 2)


def llama_spec(
    name: str,
    located: Located,
    *,
    context_tokens: int,
    threads: int | None = None,
    parallel: int = 1,
    api_key: str | None = None,
) -> RuntimeSpec:
    """How to serve these weights on loopback, behind a key that only this gateway knows.

    `context_tokens` is what each of `parallel` requests at a time can use. Before every load the
    weights are verified and must fit into memory (WeightsError).
    """
    key = api_key or secrets.token_urlsafe(24)
    words = {
        "--model": located.path,
        "--alias": located.weights.name,
        "--context": context_tokens * parallel,
        "--parallel": parallel,
        "--threads": threads or default_threads(),
        "--port": PORT,
    }

    def check() -> None:
        check_loadable(located, context_tokens, parallel)

    return RuntimeSpec(
        name=name,
        argv=(
            *(sys.executable, "-P", "-m", "situs.runtimes.llama_server"),
            *(str(part) for pair in words.items() for part in pair),
        ),
        env={KEY: key},
        api_key=key,
        check=check,
        engine=_engine(),
    )


def check_loadable(
    located: Located, context_tokens: int, parallel: int, free: int | None = None
) -> None:
    """Refuse what cannot work, before anything is started.

    1. The weights are a GGUF file, and llama.cpp is installed (OperatorError).
    2. Each request's context is one that the model was trained for.
    3. Weights and cache fit into `free` bytes (default: what this machine has).
    4. The file is what the lock says.
    """
    weights = located.weights
    require_kind(weights, Kind.GGUF)
    if importlib.util.find_spec(_PACKAGE) is None:
        raise OperatorError(
            "this installation has no llama.cpp to run owned models with",
            do="Install the extra local (in a checkout: `pip install -e '.[local]'`), "
            "or remove the deployments that have a runtime.",
        )
    if context_tokens > weights.context_tokens:
        raise WeightsError(
            f"{weights.name} was trained for {weights.context_tokens} tokens of context, not for "
            f"{context_tokens}",
            do=f"Set context_tokens to {weights.context_tokens} or less.",
        )
    cache_tokens = context_tokens * parallel
    needed = int(weights.size * _OVERHEAD) + weights.kv_bytes_per_token * cache_tokens
    free = available_bytes() if free is None else free
    if free is not None and needed > free:
        raise WeightsError(
            f"{weights.name} needs about {needed / 1e6:.0f} MB with {cache_tokens} tokens of "
            f"context, and {free / 1e6:.0f} MB of memory are available",
            do="Free memory, lower context_tokens or parallel, or take a smaller model.",
        )
    ensure_verified(located.path, weights)


def _engine() -> str:
    try:
        return f"{_PACKAGE} {metadata.version(_PACKAGE)}"
    except metadata.PackageNotFoundError:
        return ""
