"""`situs conformance`: whether what is installed here does what the reference says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from situs.cli.tables import counted, json_option, print_json, show_tables, table_of

if TYPE_CHECKING:
    from situs.studies.failures import Row


@click.group()
def conformance() -> None:
    """Whether what is installed here does what the reference says."""


@conformance.command()
@click.option(
    "--case", "chosen", multiple=True, metavar="NAME", help="Only this failure; repeatable."
)
@json_option
def failures(chosen: tuple[str, ...], as_json: bool) -> None:
    """Let upstreams fail in every way, on every wire, streamed or not.

    A gateway is started with servers that fail, on this machine alone; what callers get, what the
    receipts say and what becomes of the deployments is compared with docs/reference/failures.md.
    It takes about half a minute. Exits with 1 where something differs.
    """
    from situs.studies.failures import cells, read_cases, run

    data = read_cases()
    unknown = sorted(set(chosen) - data.cases.keys())
    if unknown:
        known = ", ".join(data.cases)
        raise click.BadParameter(f"{unknown[0]} is none of {known}", param_hint="--case")
    rows = run([cell for cell in cells(data) if not chosen or cell.case in chosen])
    if as_json:
        print_json([{"cell": row.cell.name, "faults": row.faults} for row in rows])
    else:
        _show(rows)
    sys.exit(1 if any(row.faults for row in rows) else 0)


def _show(rows: list[Row]) -> None:
    table = table_of("failure", "cells", "as it should be")
    for case in dict.fromkeys(row.cell.case for row in rows):
        mine = [row for row in rows if row.cell.case == case]
        table.add_row(case, str(len(mine)), str(sum(not row.faults for row in mine)))
    show_tables(table)
    for row in rows:
        for fault in row.faults:
            click.echo(f"{row.cell.name}: {fault}")
    wrong = sum(bool(row.faults) for row in rows)
    click.echo(f"{counted(len(rows), 'cell')}, {wrong} wrong")
