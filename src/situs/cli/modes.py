"""`situs modes`: moving in step by step, and what is known on the way."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from situs.cli.options import data_option, writable
from situs.cli.tables import json_option, print_json, show_tables, table_of
from situs.cli.when import when

if TYPE_CHECKING:
    from situs.app.pilot import ModeReport
    from situs.studies.modes_report import Figure, Group


@click.group()
def modes() -> None:
    """Who serves while you move in: modes, copies, pilots."""


@modes.command()
@data_option
@json_option
def status(data: Path | None, as_json: bool) -> None:
    """Every mode that is set, and how its pilot does."""
    import msgspec

    from situs.app.pilot import ModeReport
    from situs.cli.admin import SOCKET, OverSocket, ask, refused
    from situs.config.paths import data_dir

    path = data_dir(data) / SOCKET
    code, body = ask(OverSocket(path), str(path), "GET", "/situs/v1/modes")
    if code != 200:
        raise refused(str(path), code, body)
    rows = msgspec.convert(msgspec.json.decode(body)["modes"], tuple[ModeReport, ...])
    if as_json:
        print_json(rows)
    elif rows:
        _print_status(rows)
    else:
        click.echo("no mode is set: the objective decides")


@modes.command()
@data_option
@click.option(
    "--since", type=when, default="7d", show_default=True, metavar="TIME", help="From then on."
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=writable,
    help="Write a page, too.",
)
@json_option
def compare(data: Path | None, since: float, html: Path | None, as_json: bool) -> None:
    """How the copies of `shadow` compare with what was served.

    A line for each kind of request: how often the answers are the same, what they share in words,
    and what the copies take and cost for each second and each coin of those that were served. In
    brackets: where the figure lies in 95 % of samples.
    """
    from situs.config.paths import data_dir
    from situs.stores.comparisons import comparisons
    from situs.studies.modes_html import page
    from situs.studies.modes_report import report

    groups = report(comparisons(data_dir(data), since))
    if html is not None:
        html.write_text(page(groups, since, time.time()), "utf-8")
    if as_json:
        print_json(groups)
    elif groups:
        _print_groups(groups)
    else:
        click.echo("no copies: set `mode: shadow` and a baseline")


@modes.command()
@click.argument("scope")
@data_option
def reset(scope: str, data: Path | None) -> None:
    """Let the pilot of SCOPE run again after it was rolled back.

    SCOPE is `defaults`, `tenants.NAME`, `routes.NAME`, or the NAME of a route. A gateway that runs
    does so within a second.
    """
    from situs.config.paths import data_dir
    from situs.errors import OperatorError
    from situs.stores.pilots import reset as let_run
    from situs.stores.pilots import rolled_back

    directory = data_dir(data)
    known = rolled_back(directory)
    name = scope if scope in known else f"routes.{scope}"
    if not let_run(directory, name):
        told = ", ".join(sorted(known)) or "none"
        raise OperatorError(
            f"No pilot of this scope is rolled back; those that are: {told}.",
            do="Name one of them.",
        )
    click.echo(f"the pilot of {name} may run again; a gateway that runs lets it within a second")


def _print_status(rows: tuple[ModeReport, ...]) -> None:
    heads = ("mode", "baseline", "share", "baseline first", "pick first", "same", "guard", "pilot")
    table = table_of("scope", *heads)
    for row in rows:
        table.add_row(
            row.scope,
            row.mode,
            row.baseline or "-",
            f"{row.share:.0%}" if row.share else "-",
            str(row.counts.get("baseline", 0)),
            str(row.counts.get("pick", 0)),
            str(row.counts.get("same", 0)),
            "-" if row.guard is None else f"{row.guard.metric} +{row.guard.worse_by:.0%}",
            _pilot(row),
        )
    show_tables(table)


def _pilot(row: ModeReport) -> str:
    if row.unknown:
        return "does not run: DATA/pilots.json cannot be read; correct or remove it"
    if (back := row.rolled_back) is not None:
        return f"rolled back: {back.metric} {back.pilot:.4g} against {back.baseline:.4g}"
    if row.mode != "pilot":
        return "-"
    if row.figures is None:
        return "runs" if row.guard is None else f"runs; judged from {row.guard.least} of each on"
    return f"runs: {row.figures.pilot:.4g} against {row.figures.baseline:.4g}"


def _print_groups(groups: list[Group]) -> None:
    heads = ("copies", "same", "alike", "first token", "whole answer", "cost")
    table = table_of("route", "task", "served", "copied", *heads)
    for one in groups:
        failed = f" ({one.failed} failed)" if one.failed else ""
        table.add_row(
            one.route or "-",
            one.task,
            one.served,
            one.copied,
            f"{one.copies}{failed}",
            _share(one.same),
            _share(one.similarity),
            _times(one.ttft_ratio),
            _times(one.e2e_ratio),
            _times(one.cost_ratio),
        )
    show_tables(table)
    for one in groups:
        click.echo(f"{one.route or one.task}: {one.advice}")


def _share(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    low, high = figure.interval or (figure.value, figure.value)
    return f"{figure.value:.0%} [{low:.0%}, {high:.0%}]"


def _times(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    low, high = figure.interval or (figure.value, figure.value)
    return f"x{figure.value:.2f} [{low:.2f}, {high:.2f}]"
