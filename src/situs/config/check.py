"""`situs config check`: the file, and what it refers to outside itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import yaml

from situs.config.build import policy_paths
from situs.config.load import Reading, examine, read_text
from situs.config.problems import Report, nearest
from situs.config.secrets import resolve
from situs.config.tree import Config
from situs.errors import ConfigError
from situs.runtimes.weights import load_lock


def check_file(path: Path, environ: Mapping[str, str] = os.environ) -> Reading:
    """Also looks for the secrets, policy files and weights that it names.

    Raises ConfigError when there is no file to read.
    """
    report = Report(str(path))
    reading = examine(read_text(path), report)
    if reading.config is None:
        return reading
    _check_secrets(reading.config, path.parent, environ, report)
    _check_policies(reading.config, path.parent, report)
    _check_weights(reading.config, load_lock(), report)
    return Reading(None if report.problems else reading.config, report.problems)


def _check_secrets(config: Config, base: Path, environ: Mapping[str, str], report: Report) -> None:
    for name, deployment in config.deployments.items():
        if deployment.endpoint is None or deployment.endpoint.key is None:
            continue
        try:
            resolve(deployment.endpoint.key, base, environ=environ)
        except ConfigError as error:
            report.add(("deployments", name, "endpoint", "key"), error.message)


def _check_policies(config: Config, base: Path, report: Report) -> None:
    for index, path in enumerate(policy_paths(config, base)):
        where = ("policy", "paths", str(index))
        if path.is_dir():
            if not any(path.rglob("*.rego")):
                report.add(where, "no .rego file in this folder")
        elif not path.is_file():
            report.add(where, "no such file or folder")


def _check_weights(config: Config, lock: Iterable[str], report: Report) -> None:
    known = sorted(lock)
    for name, model in config.models.items():
        if model.file is not None and model.file not in known:
            what = "models.lock has no weights of this name"
            report.add(("models", name, "file"), what, nearest=nearest(model.file, known))


def as_yaml_text(config: Config) -> str:
    """The effective tree: defaults written out, secrets as the references they are."""
    return yaml.safe_dump(msgspec.to_builtins(config), sort_keys=False, allow_unicode=True)


def as_json_text(file: Path, reading: Reading, *, with_config: bool) -> str:
    """`{"file", "ok", "problems"}`, and `config` (null when there are problems) if asked for."""
    said = {"file": str(file), "ok": not reading.problems, "problems": reading.problems}
    if with_config:
        said["config"] = reading.config
    return msgspec.json.format(msgspec.json.encode(said), indent=2).decode()
