"""`situs usage`: what was used, and what it cost."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from situs.cli.options import data_option
from situs.cli.tables import json_option, print_json, show_tables, table_of
from situs.cli.when import when
from situs.config.paths import data_dir
from situs.stores.ledger import GROUPS

if TYPE_CHECKING:
    from situs.stores.ledger import UsageRow


@click.command()
@data_option
@click.option(
    "--by", type=click.Choice(GROUPS), default="deployment", show_default=True, help="A line each."
)
@click.option(
    "--since", type=when, metavar="TIME", help="From then on: 7d, 12h ago, or a date or time (UTC)."
)
@click.option("--until", type=when, metavar="TIME", help="To before then.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def usage(
    data: Path | None,
    by: str,
    since: float | None,
    until: float | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Requests, tokens, cost, and the share that owned loci served."""
    from situs.stores.database import INDEX_FILE
    from situs.stores.ledger import usage as used
    from situs.stores.upkeep import behind

    directory = data_dir(data)
    rows = used(directory / INDEX_FILE, by, since, until)
    if as_json:
        print_json(rows)
    elif as_csv:
        _print_csv(by, rows)
    elif rows:
        _print_table(by, rows)
    else:
        click.echo("nothing was used")
    if unread := behind(directory):
        click.echo(
            f"{unread} bytes of receipts are not counted yet; a gateway that runs does it "
            "within a second, `situs index rebuild` without one",
            err=True,
        )


def _currencies(rows: Sequence[UsageRow]) -> list[str]:
    return sorted({currency for row in rows for currency in row.cost})


def _print_csv(by: str, rows: Sequence[UsageRow]) -> None:
    money = _currencies(rows)
    numbers = (
        *("requests", "sent", "owned", "prompt_tokens", "cached_prompt_tokens"),
        *("completion_tokens", "counted", "bytes_out", "bytes_in"),
    )
    writer = csv.writer(sys.stdout, lineterminator="\n")
    heads = [f"{what}_{currency}" for currency in money for what in ("cost", "saved")]
    writer.writerow([by, *numbers, *heads])
    for row in rows:
        paid = [table.get(c, "") for c in money for table in (row.cost, row.saved)]
        writer.writerow([row.group or "", *(getattr(row, name) for name in numbers), *paid])


def _print_table(by: str, rows: Sequence[UsageRow]) -> None:
    """One line a group; with several groups and one more for all of them."""
    heads = (
        *("requests", "prompt tokens", "cached", "completion tokens", "counted"),
        *("cost", "saved", "owned"),
    )
    table = table_of(by, *heads)
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for row in rows:
        table.add_row(
            row.group or "-",
            str(row.requests),
            str(row.prompt_tokens),
            str(row.cached_prompt_tokens),
            str(row.completion_tokens),
            str(row.counted),
            _money(row.cost),
            _money(row.saved),
            "-" if row.owned_share is None else f"{row.owned_share:.0%}",
        )
    if len(rows) > 1:
        table.add_row(*_total(rows))
    show_tables(table)


def _total(rows: Sequence[UsageRow]) -> list[str]:
    sent = sum(row.sent for row in rows)
    names = ("requests", "prompt_tokens", "cached_prompt_tokens", "completion_tokens", "counted")
    return [
        "all",
        *(str(sum(getattr(row, name) for row in rows)) for name in names),
        _money({c: sum(r.cost.get(c, 0.0) for r in rows) for c in _currencies(rows)}),
        _money({c: sum(r.saved.get(c, 0.0) for r in rows) for c in _currencies(rows)}),
        f"{sum(row.owned for row in rows) / sent:.0%}" if sent else "-",
    ]


def _money(amounts: dict[str, float]) -> str:
    rounded = {currency: round(amount, 4) + 0.0 for currency, amount in amounts.items()}
    return ", ".join(f"{amount:.4f} {currency}" for currency, amount in rounded.items()) or "-"
