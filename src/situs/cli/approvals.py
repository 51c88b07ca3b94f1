"""`situs approvals`: what policy holds for a person."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from situs.cli.options import data_option, operator_name

if TYPE_CHECKING:
    from situs.stores.approvals import Held


@click.group()
def approvals() -> None:
    """What waits for a person's word (`hold_for_approval`), and that word."""


@approvals.command("list")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="What is over since a day, too, and whose word it was.",
)
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_(everything: bool, data: Path | None, as_json: bool) -> None:
    """List what waits, the longest first; facts about requests, never their content."""
    from situs.cli.tables import print_json, show_tables, table_of
    from situs.config.paths import data_dir
    from situs.stores.approvals import waiting

    now = time.time()
    found = waiting(data_dir(data), now, everything=everything)
    if as_json:
        print_json(found)
    elif found:
        table = table_of(*_HEADS, *(("by",) if everything else ()))
        for one in found:
            by = (one.decided_by or "-",) if everything else ()
            table.add_row(*_row(one, now), *by)
        show_tables(table)
    else:
        click.echo("Nothing waits for approval.")


_by = click.option(
    "--by",
    callback=operator_name,
    metavar="NAME",
    help="Whose word it is: it stands in the receipt (default: the user that you are here).",
)


@approvals.command()
@click.argument("id")
@_by
@data_option
def approve(id: str, by: str, data: Path | None) -> None:  # noqa: A002 - the name in the help
    """Let the request with this ID go; whoever sent it still waits for it."""
    _decide(id, by, data, yes=True)


@approvals.command()
@click.argument("id")
@_by
@data_option
def deny(id: str, by: str, data: Path | None) -> None:  # noqa: A002 - the name in the help
    """Refuse the request with this ID at once."""
    _decide(id, by, data, yes=False)


_HEADS = ("id", "state", "left", "tenant", "label", "findings", "task", "would go to")


def _row(one: Held, now: float) -> tuple[str, ...]:
    facts: dict[str, Any] = one.facts
    found = ", ".join(f"{kind} {count}" for kind, count in facts["findings"].items())
    waits = one.state == "waiting"
    left = f"{max(0, one.until - now):.0f} s" if waits else _when(one.decided_at)
    places = ", ".join(facts["deployments"])
    shown = (facts["tenant"], facts["label"], found or "-", facts["task"], places)
    return (one.id, one.state, left, *shown)


def _when(at: float | None) -> str:
    return "-" if at is None else datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")


def _decide(id_: str, by: str, data: Path | None, *, yes: bool) -> None:
    from situs.config.paths import data_dir
    from situs.stores.approvals import decide

    decide(data_dir(data), id_, yes=yes, by=by, now=time.time())
    click.echo(f"{id_}: {'approved' if yes else 'denied'}")
