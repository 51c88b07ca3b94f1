"""What commands print: plain tables, counts, JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from rich.table import Table

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    click.echo(msgspec.json.encode(value))


def show_tables(*tables: Table, between: str = "") -> None:
    """As wide as the terminal; elsewhere as wide as needed, and no blanks at the ends of lines."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else 240, markup=False, highlight=False, emoji=False)
    for number, table in enumerate(tables):
        click.echo(between if number else "", nl=False)
        if terminal:
            console.print(table)
            continue
        with console.capture() as capture:
            console.print(table)
        for line in capture.get().splitlines():
            click.echo(line.rstrip())


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def table_of(*columns: str, title: str | None = None) -> Table:
    from rich.table import Table

    table = Table(
        *columns, title=title, box=None, title_justify="left", pad_edge=False, header_style="dim"
    )
    for column in table.columns:
        column.overflow = "fold"
    return table
