"""Prices as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table

from situs.cli.tables import show_tables

if TYPE_CHECKING:
    from situs.config.prices_told import Row, Told

_KINDS = ("prompt", "completion", "cached_prompt", "cache_write", "reasoning")


def show_prices(told: Told) -> None:
    """One line each; tiers and what costs like the whole that it is part of are left out."""
    table = Table(box=None, pad_edge=False)
    for head in ("name", *_KINDS, "from"):
        table.add_column(head, justify="right" if head in _KINDS else "left", no_wrap=True)
    for row in told.prices:
        table.add_row(row.name, *(_money(row, kind) for kind in _KINDS), _from(row))
    show_tables(table)
    click.echo(f"{told.currency} per million tokens; catalogue of {told.dated}: {told.catalogue}")


def _money(row: Row, kind: str) -> str:
    value = None if row.price is None else getattr(row.price, kind)
    return "-" if value is None else f"{value:.4g}"


def _from(row: Row) -> str:
    entry = "" if row.entry in (None, row.name) else f" {row.entry}"
    above = row.price.tiers[0].above if row.price is not None and row.price.tiers else None
    more = "" if above is None else f"; more above {above} tokens"
    return f"{row.origin}{entry}" + (f": {row.because}" if row.because else more)
