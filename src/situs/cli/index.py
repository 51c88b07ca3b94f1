"""`situs index`: the database over the receipts."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from situs.cli.options import data_option
from situs.cli.tables import counted, json_option, print_json
from situs.config.paths import data_dir
from situs.errors import OperatorError


@click.group()
def index() -> None:
    """The index over the receipts: how it is, and make it anew."""


@index.command()
@data_option
@json_option
def status(data: Path | None, as_json: bool) -> None:
    """Say how many decisions it has, and how far it is behind."""
    from situs.stores.upkeep import status as found

    now = found(data_dir(data))
    if as_json:
        print_json(now)
        return
    click.echo(f"{now.path}, version {now.version}")
    click.echo(f"{counted(now.decisions, 'decision')} of {counted(now.chains, 'chain')}")
    click.echo(f"{counted(now.ledger, 'line')} in the ledger")
    click.echo(f"{now.behind} bytes of receipts not read yet" if now.behind else "current")


@index.command()
@data_option
@json_option
def rebuild(data: Path | None, as_json: bool) -> None:
    """Read all receipts again. The ledger keeps what its receipts are gone of.

    A gateway may run meanwhile.
    """
    from rich.console import Console
    from rich.progress import Progress

    from situs.stores.upkeep import rebuild as again
    from situs.stores.upkeep import status as found

    directory = data_dir(data)
    if not directory.is_dir():
        raise OperatorError(
            f"There is no data directory {directory}.", do="Name it with --data, or SITUS_DATA."
        )
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("receipts", total=None)
        lines = again(directory, lambda done, total: bar.update(task, completed=done, total=total))
    if as_json:
        print_json(found(directory))
        return
    click.echo(f"{counted(lines, 'line')} read")
