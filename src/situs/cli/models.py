"""`situs models`: the weights that the models lock names, and what models cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from situs.cli.options import config_option, data_option, setting_from
from situs.cli.tables import json_option, print_json
from situs.errors import WeightsError


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from situs.runtimes.weights import load_lock

    return [CompletionItem(name) for name in load_lock() if name.startswith(incomplete)]


_names = click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=_complete)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")


@click.group()
def models() -> None:
    """Weights of owned models, and what all models cost."""


@models.command("list")
@data_option
@_json
def list_models(data: Path | None, as_json: bool) -> None:
    """List the weights that can be pulled, and whether they are here."""
    from situs.runtimes.weights import load_lock, presence

    found = [presence(weights, _models_dir(data)) for weights in load_lock().values()]
    if as_json:
        rows = [_row(one.weights.name, one.path, one.state) for one in found]
        click.echo(json.dumps(rows, indent=2))
        return
    for one in found:
        weights = one.weights
        size = f"{weights.size / 1e6:.1f} MB"
        click.echo(f"{weights.name}  {weights.kind}  {size}  {weights.licence}  {one.state}")
        click.echo(f"    {weights.origin}; {one.path}")


@models.command()
@_names
@data_option
@_json
def pull(names: tuple[str, ...], data: Path | None, as_json: bool) -> None:
    """Fetch weights (all, or those named) and check every byte."""
    from situs.runtimes.pull import pull as fetch

    rows = []
    for name in _known(names):
        path = fetch(name, _models_dir(data), _progress(name))
        rows.append(_row(name, path, "verified"))
        if not as_json:
            click.echo(f"{name}: verified, at {path}")
    if as_json:
        click.echo(json.dumps(rows, indent=2))


@models.command()
@_names
@data_option
@_json
def verify(names: tuple[str, ...], data: Path | None, as_json: bool) -> None:
    """Read weights in full (all, or those named) and compare them with the lock."""
    from situs.runtimes.weights import find
    from situs.runtimes.weights import verify as check

    rows, problems = [], []
    for name in _known(names):
        weights = find(name)
        path = _models_dir(data) / weights.file
        try:
            check(path, weights, _progress(name))
        except WeightsError as problem:
            problems.append(problem)
            state = "wrong" if path.exists() else "missing"
            rows.append({**_row(name, path, state), "problem": problem.message})
        else:
            rows.append(_row(name, path, "verified"))
            if not as_json:
                click.echo(f"{name}: verified, at {path}")
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    if problems:
        raise WeightsError("\n".join(one.message for one in problems), do=problems[0].advice)


@models.command()
@config_option
@click.option("--all", "every", is_flag=True, help="Every entry of the catalogue instead.")
@json_option
def prices(config: Path | None, every: bool, as_json: bool) -> None:
    """What deployments cost: money per million tokens, and where the price comes from."""
    from situs.cli.prices import show_prices
    from situs.config.prices_told import all_told, told

    found = all_told() if every else told(setting_from(config, None).config)
    if as_json:
        print_json(found)
    else:
        show_prices(found)


def _known(names: tuple[str, ...]) -> list[str]:
    """The names given, each one known, or all."""
    from situs.runtimes.weights import find, load_lock

    return [find(name).name for name in dict.fromkeys(names)] or list(load_lock())


def _models_dir(data: Path | None) -> Path:
    from situs.config.paths import data_dir

    return data_dir(data) / "models"


def _progress(name: str) -> Any:
    return lambda said: click.echo(f"{name}: {said}", err=True)


def _row(name: str, path: Path, state: str) -> dict[str, Any]:
    from situs.runtimes.weights import find

    weights = find(name)
    return {
        "name": name,
        "kind": weights.kind,
        "state": state,
        "path": str(path),
        "size": weights.size,
        "sha256": weights.sha256,
        "licence": weights.licence,
        "origin": weights.origin,
    }
