"""`situs config check`: the file, and what it refers to outside itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import yaml

from situs.config.artefacts import add_problems
from situs.config.build import own_kinds, policy_paths
from situs.config.load import Reading, examine, read_text
from situs.config.modes_rules import doubt_modes
from situs.config.paths import data_dir
from situs.config.policy_source import policy_source, policy_url
from situs.config.problems import Problem, Report, nearest
from situs.config.secrets import exists, resolve
from situs.config.tree import Config
from situs.errors import ConfigError, PolicyError
from situs.rego.compare import Literal, Literals
from situs.rego.embedded import parse
from situs.rego.embedded import report as examine_source
from situs.rego.follow import follow_parameters
from situs.rego.modules import read_modules
from situs.rego.syntax import Syntax, expand
from situs.rego.tree import ANY
from situs.runtimes.weights import Weights, load_lock

_NAMES: Final = {
    ("input", "deployments", ANY, "name"): "deployments",
    ("input", "deployments", ANY, "locus", "name"): "loci",
    ("input", "deployments", ANY, "model", "name"): "models",
}
"""Where a policy compares names, and the section that has them."""


class Checked(Reading, frozen=True):
    """`warnings` are what is probably not meant; a configuration with some is sound."""

    warnings: tuple[Problem, ...] = ()


def check_file(path: Path, environ: Mapping[str, str] = os.environ) -> Checked:
    """Also loads its policy, and looks for the secrets, weights and artefacts that it names.

    A secret or an artefact that is not here is a warning, for the gateway may run elsewhere; a
    secret that is here and cannot be used is a problem. Raises ConfigError when there is no file to
    read.
    """
    report = Report(str(path))
    reading = examine(read_text(path), report)
    config = reading.config
    if config is None:
        return Checked(None, report.problems)
    lock = load_lock()
    aside = Report(str(path))
    aside.positions = report.positions
    for name, reference in _references(config):
        here = exists(reference, path.parent, environ)
        _check_secret(name, reference, path.parent, environ, report if here else aside)
    _check_policies(config, path.parent, report)
    _check_weights(config, lock, report)
    _doubt_contexts(config, lock, aside)
    doubt_modes(config, aside)
    data = data_dir(None, environ)
    add_problems(config, data, aside)
    warnings = (*aside.problems, *_doubted_names(config, path.parent))
    sound = report.sound(("policy",))
    wrong = _wrong_in_policy(config, path.parent, data, report) if sound else ()
    problems = (*report.problems, *wrong)
    return Checked(None if problems else config, problems, warnings)


def _references(config: Config) -> Iterator[tuple[str, str]]:
    """Deployments and where their keys are."""
    for name, deployment in config.deployments.items():
        if deployment.endpoint is not None and deployment.endpoint.key is not None:
            yield name, deployment.endpoint.key


def _check_secret(
    name: str, reference: str, base: Path, environ: Mapping[str, str], report: Report
) -> None:
    try:
        resolve(reference, base, environ=environ)
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


def _wrong_in_policy(config: Config, base: Path, data: Path, report: Report) -> tuple[Problem, ...]:
    """What would keep the gateway from loading it, at the policy's own lines.

    Nothing of a policy that is fetched, or evaluated, elsewhere.
    """
    if policy_url(config) is not None:
        return ()
    try:
        found = examine_source(policy_source(config, base, data), own_kinds(config)).problems
    except (ConfigError, PolicyError) as error:
        at = "paths" if config.policy.bundle is None else "bundle"
        report.add(("policy", at), error.message)
        return ()
    said = ((one, f"{one.what}; {one.do}" if one.do else one.what) for one in found)
    return tuple(Problem(one.file, max(one.line, 1), one.column, "", what) for one, what in said)


def _check_weights(config: Config, lock: Iterable[str], report: Report) -> None:
    known = sorted(lock)
    for name, model in config.models.items():
        if model.file is not None and model.file not in known:
            what = "models.lock has no weights of this name"
            report.add(("models", name, "file"), what, nearest=nearest(model.file, known))


def _doubt_contexts(config: Config, lock: Mapping[str, Weights], report: Report) -> None:
    for name, model in config.models.items():
        known = lock.get(model.file or "")
        if known is not None and model.context_tokens > known.context_tokens:
            what = f"more than the {known.context_tokens} that models.lock says its weights have"
            report.add(("models", name, "context_tokens"), what)


def _doubted_names(config: Config, base: Path) -> Iterator[Problem]:
    """Names that a policy compares with and that nothing here has.

    Only literals that stand in a comparison with the field itself; a policy that cannot be read
    is not looked at.
    """
    try:
        modules = read_modules(policy_paths(config, base)) if config.policy.paths else ()
    except PolicyError:
        return
    for module in follow_parameters(parse(modules)[0]):
        for section, literal in _compared(module):
            known, name, at = getattr(config, section), literal.text[1:-1], literal.at
            if name not in known:
                what = f"{name} is no name under {section} in this configuration"
                close = nearest(name, known)
                yield Problem(module.file, at.line, at.column, "", what, close)


def _compared(module: Syntax) -> Iterator[tuple[str, Literal]]:
    """Sections of the configuration, and the texts compared with their names, in quotes."""
    for rule in module.rules:
        for one in rule.comparisons:
            section = _NAMES.get(expand(one.path, rule, module.imports))
            if section is not None and isinstance(one.other, Literals):
                texts = (said for said in one.other.members if said.kind == "string")
                yield from ((section, said) for said in texts)


def as_yaml_text(config: Config) -> str:
    """The effective tree: defaults written out, secrets as the references they are."""
    return yaml.safe_dump(msgspec.to_builtins(config), sort_keys=False, allow_unicode=True)


def as_json_text(file: Path, reading: Checked, *, with_config: bool) -> str:
    """`{"file", "ok", "problems", "warnings"}`; `config`, null with problems, if asked for."""
    said = {
        "file": str(file),
        "ok": not reading.problems,
        "problems": reading.problems,
        "warnings": reading.warnings,
    }
    if with_config:
        said["config"] = reading.config
    return msgspec.json.format(msgspec.json.encode(said), indent=2).decode()
