"""What requests can go to: owned models, endpoints, and what they cost."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from situs.app.setting import Setting
from situs.config import build
from situs.config.prices_told import doubts
from situs.config.secrets import resolve
from situs.config.tree import Deployment, LlamaCpp, Model, Onnx
from situs.doctor.diagnosis import Diagnosis, Standing
from situs.errors import SitusError
from situs.runtimes.llama_cpp import check_loadable
from situs.runtimes.onnx import check_onnx
from situs.runtimes.weights import locate


def models(setting: Setting) -> Iterator[Diagnosis]:
    config = setting.config
    owned = {n: d for n, d in config.deployments.items() if d.runtime is not None}
    if not owned:
        yield Diagnosis("owned models", Standing.OFF, "no deployment has a runtime")
        return
    served = any(isinstance(d.runtime, LlamaCpp) for d in owned.values())
    if served and importlib.util.find_spec("xllamacpp") is None:
        yield Diagnosis(
            "llama.cpp",
            Standing.PROBLEM,
            "the package xllamacpp is not installed",
            "Install the extra local (in a checkout: `pip install -e '.[local]'`).",
        )
    for name, deployment in owned.items():
        try:
            _check_model(config.models[deployment.model], deployment, setting.data / "models")
        except SitusError as error:
            yield Diagnosis(f"model {name}", Standing.PROBLEM, error.message, error.advice)
        else:
            yield Diagnosis(f"model {name}", Standing.ACTIVE, "weights verified; it fits in memory")


def _check_model(model: Model, deployment: Deployment, models_dir: Path) -> None:
    match deployment.runtime:
        case LlamaCpp() as runtime if model.file is not None:
            context_tokens = runtime.context_tokens or model.context_tokens
            check_loadable(locate(model.file, models_dir), context_tokens, runtime.parallel)
        case Onnx() as runtime:
            check_onnx(build.onnx_of(model, runtime, models_dir))


def deployments(setting: Setting) -> Iterator[Diagnosis]:
    for name, deployment in setting.config.deployments.items():
        endpoint = deployment.endpoint
        if endpoint is None:
            continue
        if endpoint.key is not None:
            try:
                resolve(endpoint.key, setting.base, at=f"deployments.{name}.endpoint.key")
            except SitusError as error:
                yield Diagnosis(f"endpoint {name}", Standing.PROBLEM, error.message, error.advice)
                continue
        key = f"key from {endpoint.key}" if endpoint.key else "without a key"
        yield Diagnosis(f"endpoint {name}", Standing.ACTIVE, f"{endpoint.url}, {key}")


def prices(setting: Setting) -> Iterator[Diagnosis]:
    """Where they come from, and whether that is too old."""
    because, do = doubts(setting.config, datetime.now(UTC).date())
    yield Diagnosis("prices", Standing.PROBLEM if do else Standing.ACTIVE, because, do)
