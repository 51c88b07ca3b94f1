"""The process that serves one model with llama.cpp: `python -m situs.runtimes.llama_server`.

Runs until it is killed: the binding has no way to stop, and there is nothing to save. It is
started by the supervisor, which ties it to the gateway first.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from typing import Any

KEY = "SITUS_RUNTIME_KEY"

_ERRORS_ONLY = 1  # above this llama.cpp logs what it was asked


def main(argv: list[str]) -> int:
    """Serve until a signal comes; 1 when the server cannot be set up (the reason is printed)."""
    options = _options(argv)
    key = os.environ.pop(KEY, "")
    if not key:
        sys.stderr.write(f"{KEY} is not set: the server would answer anyone on this machine\n")
        return 1
    try:
        import xllamacpp
    except ImportError as problem:
        sys.stderr.write(f"xllamacpp cannot be imported ({problem}); install the extra local\n")
        return 1
    try:
        server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), options, key))
    except RuntimeError as problem:
        sys.stderr.write(f"llama.cpp does not start: {problem}\n")
        return 1
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while server is not None:
        time.sleep(3600)
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="situs.runtimes.llama_server")
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    for name in ("--context", "--parallel", "--threads", "--port"):
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args(argv)


def _parameters(params: Any, options: argparse.Namespace, key: str) -> Any:
    """Loopback only, behind the key, for no web page, with no cache beyond the slots."""
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.api_keys = [key]
    params.cors_origins = "http://127.0.0.1"
    params.cors_credentials = False
    params.n_ctx = options.context
    params.n_parallel = options.parallel
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.cache_ram_mib = 0
    params.offline = True
    params.endpoint_slots = params.endpoint_metrics = params.endpoint_props = True
    params.use_jinja = True
    params.ui = False
    params.verbosity = _ERRORS_ONLY
    return params


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
