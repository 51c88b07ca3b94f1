"""`situs policy`: check a policy, run its tests, evaluate it on an input document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from situs.cli.options import config_option, setting_from

PATHS = click.Path(path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.group("policy")
def policy() -> None:
    """Check, test and try placement policies (Rego)."""


@policy.command("check")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=PATHS)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check_command(
    context: click.Context, paths: tuple[Path, ...], *, config: Path | None, as_json: bool
) -> None:
    """Show every problem of a policy at once, or what it is and uses.

    PATH is a file or a directory; without one, the default policy is checked. Of the configuration
    only `labels.lists` counts: its names are kinds of finding.
    """
    from situs.rego.embedded import inspect

    report = inspect(_or_default(paths), _lists(config))
    if as_json:
        _print_json({"ok": not report.problems, **msgspec.to_builtins(report)})
    elif report.problems:
        for problem in report.problems:
            click.echo(str(problem), err=True)
    else:
        click.echo(f"files     {', '.join(report.files)}")
        click.echo(f"digest    {report.digest}")
        click.echo(f"rules     {', '.join(report.rules)}")
        click.echo(f"builtins  {', '.join(report.builtins) or 'none'}")
        click.echo(f"reads     {', '.join(report.reads) or 'nothing'}")
    if report.problems:
        context.exit(1)


@policy.command("test")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=PATHS)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-v", "--verbose", is_flag=True, help="Name the tests that pass, too.")
@click.pass_context
def test_command(
    context: click.Context,
    paths: tuple[Path, ...],
    *,
    config: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Run the test_* rules of the *_test.rego files beside a policy."""
    from situs.rego.testing import run_tests

    outcomes = run_tests(_or_default(paths), _lists(config))
    failed = [one for one in outcomes if not one.passed]
    if as_json:
        tests = msgspec.to_builtins(outcomes)
        _print_json({"passed": len(outcomes) - len(failed), "failed": len(failed), "tests": tests})
    else:
        for one in outcomes if verbose else failed:
            click.echo(f"{'ok  ' if one.passed else 'FAIL'}  {one.file}:{one.line}  {one.name}")
            if one.problem:
                click.echo(f"      {one.problem}")
        click.echo(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    if failed:
        context.exit(1)


@policy.command("eval")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=PATHS)
@click.option("--input", "document", type=FILE, required=True, help="JSON; - reads from stdin.")
@config_option
def eval_command(paths: tuple[Path, ...], document: Path, config: Path | None) -> None:
    """Print the verdict of a policy on an input document.

    Fields of the document that no policy sees, and missing ones, are told on stderr.
    """
    from situs.rego.document import document_warnings
    from situs.rego.embedded import evaluate_once, inspect

    with click.open_file(str(document), "rb") as file:
        said = file.read()
    policies, lists = _or_default(paths), _lists(config)
    for warning in document_warnings(said, inspect(policies, lists).reads, lists):
        click.echo(f"warning: {warning}", err=True)
    _print_json(evaluate_once(policies, said, lists))


def _or_default(paths: tuple[Path, ...]) -> list[Path]:
    from situs.rego.library import shipped

    return list(paths) or [shipped("default")]


def _lists(config: Path | None) -> tuple[str, ...]:
    """The kinds of finding that the configuration adds."""
    from situs.config.build import own_kinds

    return own_kinds(setting_from(config, None).config)


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
