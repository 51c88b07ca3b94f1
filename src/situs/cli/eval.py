"""`situs eval`: how well requests are understood, on labelled files of your own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from situs.cli.options import config_option, setting_from
from situs.cli.tables import counted, show_tables, table_of

if TYPE_CHECKING:
    from rich.table import Table

    from situs.app.active import Active

_FILE = click.Path(dir_okay=False, path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_budget = click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MS",
    help="Go without the encoder where it takes longer, as a request would (default: wait).",
)
_data = click.option(
    "--data", "file", type=_FILE, required=True, help="Labelled rows: JSON lines, plain or gzip."
)


@click.group("eval")
def evaluate() -> None:
    """How well requests are understood, on labelled files of your own.

    Files are JSON lines, plain or gzip; other columns are ignored. Prints a table, or with --json
    one object. Exits with 0 whatever the figures are (but see leaks), with 2 for a file that is
    wrong.
    """


@evaluate.command()
@click.option("--train", type=_FILE, required=True, help="Samples of routes: text, label.")
@click.option("--test", type=_FILE, required=True, help="Rows to route: text, label.")
@click.option(
    "--tier",
    type=click.Choice(["auto", "fast", "deep"]),
    default="auto",
    show_default=True,
    help="Ask the encoder where the fast tier is unsure, never, or always.",
)
@_budget
@config_option
@_json
def routes(
    train: Path, test: Path, tier: str, budget: float | None, config: Path | None, as_json: bool
) -> None:
    """Routes: the right one, or none for what is out of scope.

    A label null or "oos" is out of scope; --train may have none of these. The column may also be
    called intent.
    """
    from situs.studies.eval_routes import evaluate as study
    from situs.studies.rows import rows

    fields = ("text", "label|intent")
    samples, asked = rows(train, fields), rows(test, fields)
    with _active(config, deep=tier != "fast", budget=budget) as found:
        figures = study(samples, asked, found.heads, tier)
    _show({"rows": len(asked), **figures}, found, as_json)


@evaluate.command()
@_data
@click.option("--map", "mapping", type=_FILE, help="A JSON object from labels to tasks.")
@click.option("--open", "open_", is_flag=True, help="Choose from all tasks, not from the labels'.")
@_budget
@config_option
@_json
def tasks(
    file: Path,
    mapping: Path | None,
    open_: bool,
    budget: float | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Tasks: what kind of work a prompt asks for. Rows: text, label.

    Where all labels are categories of dolly15k, their map is used without --map.
    """
    from situs.studies.eval_tasks import evaluate as study
    from situs.studies.rows import rows

    labelled = rows(file, ("text", "label"))
    table = None if mapping is None else _mapping(mapping)
    with _active(config, deep=True, budget=budget, head="task") as found:
        figures = study(labelled, found.heads, table, open_)
    _show({"rows": len(labelled), **figures}, found, as_json)


@evaluate.command()
@_data
@click.option("--types", type=_FILE, help="A JSON object from types of spans to families.")
@click.option(
    "--tier",
    type=click.Choice(["structured", "full"]),
    default="full",
    show_default=True,
    help="Identifiers with a format alone, or also names, addresses and organisations.",
)
@config_option
@_json
def sensitivity(
    file: Path,
    types: Path | None,
    tier: Literal["structured", "full"],
    config: Path | None,
    as_json: bool,
) -> None:
    """Sensitivity: what is found in a text. Rows: text, spans.

    A span has start, end (in Unicode code points) and type, such as Presidio's.
    """
    from situs.studies.eval_sensitivity import evaluate as study
    from situs.studies.rows import rows

    labelled = rows(file, ("text", "spans"))
    table = None if types is None else _mapping(types)
    with _active(config, deep=False) as found:
        figures = study(labelled, found.find(tier), table, tier)
    _show({"rows": len(labelled), **figures}, found, as_json)


@evaluate.command()
@_data
@click.option("--train", type=_FILE, help="Learn from these rows alone (default: what is active).")
@config_option
@_json
def capability(file: Path, train: Path | None, config: Path | None, as_json: bool) -> None:
    """Capability: whether a prompt needs the stronger of two models.

    Rows: prompt, strong_correct, weak_correct (booleans or scores).
    """
    from situs.studies.eval_capability import evaluate as study
    from situs.studies.rows import rows

    fields = ("prompt", "strong_correct", "weak_correct")
    labelled = rows(file, fields)
    known = None if train is None else rows(train, fields)
    with _active(config, deep=True) as found:
        figures = study(labelled, known, found.heads.capable, found.heads.encode)
    _show({"rows": len(labelled), **figures}, found, as_json)


@evaluate.command()
@_data
@config_option
@_json
def tokens(file: Path, config: Path | None, as_json: bool) -> None:
    """Tokens: our counts beside real ones. Rows: text, family, tokens; also kind.

    A family whose tokenizer is among the weights here is counted with it, others are estimated.
    """
    from situs.studies.eval_tokens import evaluate as study
    from situs.studies.rows import rows

    labelled = rows(file, ("text", "family", "tokens"), ("kind",))
    with _active(config, deep=False, head="tokens") as found:
        figures = study(labelled, found.count_tokens(), found.counts())
    _show({"rows": len(labelled), **figures}, found, as_json)


@evaluate.command()
@click.option("--data", "file", type=_FILE, help="Labelled rows (default: the corpus of Situs).")
@click.option(
    "--policy",
    "policies",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="A policy instead of the configured one: files or folders.",
)
@click.option(
    "--max-rate",
    type=click.FloatRange(0, 1),
    help="Exit with 1 if a larger share of what has a format, or is a secret, would have left.",
)
@click.option(
    "--max-names-rate", type=click.FloatRange(0, 1), help="The same for names and addresses."
)
@click.option(
    "--min-clean",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Exit with 1 if a smaller share of the clean rows may leave.",
)
@config_option
@_json
@click.pass_context
def leaks(context: click.Context, /, file: Path | None, as_json: bool, **options: Any) -> None:
    """Leaks: how often what is sensitive would have left owned loci.

    Rows: sensitive (true or false), one of text, messages and document; also kinds, values.
    Nothing is sent. Without a configuration the fleet has an owned place and a public cloud of
    which nothing is known.
    """
    from situs.app.leaks import leaks as study
    from situs.studies.eval_leaks import FIELDS, bundled, over
    from situs.studies.rows import rows

    labelled = bundled() if file is None else rows(file, *FIELDS)
    figures = study(setting_from(options["config"], None), options["policies"], labelled)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(figures))
    else:
        left = figures.pop("left_at")
        show_tables(*_tables(figures), between="\n")
        click.echo(f"\nwould have left: {', '.join(left) or 'none'}")
    most = {"structured": options["max_rate"], "names": options["max_names_rate"]}
    most = {name: rate for name, rate in most.items() if rate is not None}
    worse = over(figures, most, options["min_clean"])
    for one in worse:
        click.echo(one, err=True)
    context.exit(1 if worse else 0)


def _mapping(file: Path) -> dict[str, str]:
    from situs.studies.rows import table

    return table(file)


@contextmanager
def _active(
    config: Path | None, *, deep: bool, budget: float | None = None, head: str | None = None
) -> Iterator[Active]:
    """What is evaluated, with a sign of life on the terminal meanwhile."""
    from rich.console import Console

    from situs.app.active import active

    say = partial(click.echo, err=True)
    setting = setting_from(config, None)
    found = active(setting, say, deep=deep, budget_ms=budget, head=head)
    with Console(stderr=True).status("evaluating …"):
        yield found


def _show(figures: dict[str, Any], found: Active, as_json: bool) -> None:
    """What is no number (NaN, infinity) is null in JSON."""
    names = found.digests()
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode({**figures, **names}, enc_hook=lambda one: one.item()))
        return
    show_tables(*_tables(figures), between="\n")
    artefacts = counted(len(names["artefacts"]), "artefact")
    click.echo(f"\ndigest of configuration and {artefacts}: {names['digest'][:16]}", err=True)


def _tables(figures: dict[str, Any]) -> Iterator[Table]:
    """Plain figures first; then a table for each group of groups (by type, confusion)."""
    plain = table_of("figure", "")
    plain.columns[1].justify = "right"
    rest = []
    for name, value in figures.items():
        inner = value.values() if isinstance(value, dict) else ()
        if any(isinstance(one, dict) for one in inner):
            rest.append((name, value))
        elif isinstance(value, dict):
            for key, one in value.items():
                plain.add_row(f"{name} {key}", _said(one))
        else:
            plain.add_row(name, _said(value))
    yield plain
    for name, value in rest:
        yield _grid(name, value)


def _grid(name: str, groups: dict[str, Any]) -> Table:
    """A line a group. What is no group (a figure beside them) stands in the first column."""
    rows = {key: one if isinstance(one, dict) else {"": one} for key, one in groups.items()}
    heads = list(dict.fromkeys(head for row in rows.values() for head in row))
    grid = table_of(name, *heads)
    for column in grid.columns[1:]:
        column.justify = "right"
    for key, row in rows.items():
        grid.add_row(key, *(_said(row[head]) if head in row else "" for head in heads))
    return grid


def _said(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list | tuple):
        return " ".join(map(_said, value)) or "-"
    return str(value)
