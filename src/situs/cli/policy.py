"""`situs policy`: check a policy, run its tests, evaluate it on an input document."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from situs.cli.options import config_option, data_option, setting_from
from situs.cli.replay import diff_command, replay_command
from situs.core.label import Label

if TYPE_CHECKING:
    from situs.app.setting import Setting
    from situs.policy.input import Facts
    from situs.rego.modules import Source
    from situs.rego.testing import Tested

PATHS = click.Path(path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


KEY = click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A PEM file: the public key that a bundle's signature must be of.",
)


@click.group("policy")
def policy() -> None:
    """Check, test and try placement policies (Rego)."""


policy.add_command(replay_command)
policy.add_command(diff_command)


@policy.command("check")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=PATHS)
@KEY
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check_command(
    context: click.Context,
    paths: tuple[Path, ...],
    *,
    key: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show every problem of a policy at once, or what it is and uses.

    PATH is a file, a directory or a bundle (….tar.gz); without one, the default policy is checked.
    Of the configuration only `labels.lists` counts: its names are kinds of finding.
    """
    from situs.rego.embedded import report as report_on

    report = report_on(_source(paths, key), _lists(config))
    if as_json:
        _print_json({"ok": not report.problems, **msgspec.to_builtins(report)})
    elif report.problems:
        for problem in report.problems:
            click.echo(str(problem), err=True)
    else:
        click.echo(f"files     {', '.join(report.files)}")
        click.echo(f"digest    {report.digest}")
        if report.revision:
            click.echo(f"revision  {report.revision}")
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
@click.option("--coverage", is_flag=True, help="Say which lines of the policy no test reaches.")
@click.option(
    "--min",
    "least",
    type=click.FloatRange(0, 100),
    help="Fail if the tests reach fewer percent of its lines.",
)
def test_command(
    paths: tuple[Path, ...],
    *,
    config: Path | None,
    as_json: bool,
    verbose: bool,
    coverage: bool,
    least: float | None,
) -> None:
    """Run the test_* rules of the *_test.rego files beside a policy."""
    from situs.rego.testing import run_tests

    tested = run_tests(_or_default(paths), _lists(config))
    failed = [one for one in tested.outcomes if not one.passed]
    short = least is not None and tested.percent < least
    if as_json:
        _print_json(
            {
                "passed": len(tested.outcomes) - len(failed),
                "failed": len(failed),
                "tests": msgspec.to_builtins(tested.outcomes),
                "percent": round(tested.percent, 2),
                "coverage": msgspec.to_builtins(tested.coverage),
            }
        )
    else:
        _print_tests(tested, verbose=verbose, coverage=coverage or short)
        if short:
            click.echo(f"{tested.percent:.1f} % of its lines are reached, less than {least:g} %")
    if failed or short:
        click.get_current_context().exit(1)


def _print_tests(tested: Tested, *, verbose: bool, coverage: bool) -> None:
    failed = [one for one in tested.outcomes if not one.passed]
    for one in tested.outcomes if verbose else failed:
        click.echo(f"{'ok  ' if one.passed else 'FAIL'}  {one.file}:{one.line}  {one.name}")
        if one.problem:
            click.echo(f"      {one.problem}")
    for file in tested.coverage if coverage else ():
        lines = ", ".join(str(line) for line in file.missed) or "none"
        click.echo(
            f"{file.file}: {file.lines - len(file.missed)} of {file.lines} lines; not {lines}"
        )
    click.echo(f"{len(tested.outcomes) - len(failed)} passed, {len(failed)} failed")


@policy.command("eval")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=PATHS)
@click.option("--input", "document", type=FILE, required=True, help="JSON; - reads from stdin.")
@KEY
@config_option
def eval_command(
    paths: tuple[Path, ...], document: Path, key: Path | None, config: Path | None
) -> None:
    """Print the verdict of a policy on an input document.

    Fields of the document that no policy sees, and missing ones, are told on stderr.
    """
    from situs.rego.document import document_warnings
    from situs.rego.embedded import evaluate_once
    from situs.rego.embedded import report as report_on

    with click.open_file(str(document), "rb") as file:
        said = file.read()
    source, lists = _source(paths, key), _lists(config)
    for warning in document_warnings(said, report_on(source, lists).reads, lists):
        click.echo(f"warning: {warning}", err=True)
    _print_json(evaluate_once(source, said, lists))


@policy.command("library")
@click.argument("name", required=False)
@click.option("--tests", is_flag=True, help="Print its tests.")
def library_command(name: str | None, *, tests: bool) -> None:
    """List the policies that ship with Situs, or print the one called NAME."""
    from situs.rego.library import shipped, titles

    if name is None:
        if tests:
            raise click.UsageError("--tests goes with a NAME.")
        told = titles()
        width = max(map(len, told))
        for one, title in told.items():
            click.echo(f"{one:{width}}  {title}")
        return
    file = shipped(name)
    file = file.with_name(f"{file.stem}_test.rego") if tests else file
    click.echo(file.read_text("utf-8"), nl=False)


@policy.command("schema")
def schema_command() -> None:
    """Print the JSON schema of the input document."""
    from situs.policy.input import input_schema

    _print_json(input_schema())


@policy.command("fmt-input")
@click.option("--request", "file", type=FILE, help="A request as a client sends it; - is stdin.")
@click.option("--decision", help="A past decision, by its id: as it was then.")
@click.option(
    "--example",
    type=click.Choice([label.value for label in Label]),
    help="A made-up request of this label, on a made-up fleet.",
)
@click.option("--label", type=click.Choice([label.value for label in Label]), help="As declared.")
@config_option
@data_option
@click.option("--wrap", is_flag=True, help='As {"input": …}, which the API of OPA takes.')
def fmt_input_command(
    file: Path | None,
    decision: str | None,
    example: str | None,
    label: str | None,
    *,
    wrap: bool,
    **where: Path | None,
) -> None:
    """Print the input document of a request: what a policy is told.

    Exactly one of --request, --decision and --example. It has facts about a request, no content,
    and goes into `opa eval -i` and `situs policy eval --input`.
    """
    from situs.policy.input import input_document

    if sum(one is not None for one in (file, decision, example)) != 1:
        raise click.UsageError("Give one of --request, --decision and --example.")
    if label is not None and file is None:
        raise click.UsageError("--label goes with --request.")
    facts = _facts(file, decision, example, label, lambda: setting_from(**where))
    document = msgspec.json.decode(input_document(facts))
    _print_json({"input": document} if wrap else document)


def _facts(
    file: Path | None,
    decision: str | None,
    example: str | None,
    label: str | None,
    setting: Callable[[], Setting],
) -> Facts:
    from situs.rego.sample import sample_facts

    if example is not None:
        return sample_facts(Label.parse(example))
    from situs.app.policy_input import facts_of_decision, facts_of_request

    if decision is not None:
        return facts_of_decision(setting(), decision)
    from situs.cli.explain import explained_at
    from situs.core.request import Ask

    with click.open_file(str(file), "rb") as opened:
        body = opened.read()
    ask = Ask(label=None if label is None else Label.parse(label))
    return facts_of_request(setting(), explained_at(body), body, ask)


def _source(paths: tuple[Path, ...], key: Path | None) -> Source:
    from situs.rego.bundle import read_source
    from situs.rego.signed import public_key

    verifies = None if key is None else public_key(key.read_text("ascii", "replace"), str(key))
    return read_source(_or_default(paths), verifies)


def _or_default(paths: tuple[Path, ...]) -> list[Path]:
    from situs.rego.library import shipped

    return list(paths) or [shipped("default")]


def _lists(config: Path | None) -> tuple[str, ...]:
    """The kinds of finding that the configuration adds."""
    from situs.config.build import own_kinds

    return own_kinds(setting_from(config, None).config)


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
