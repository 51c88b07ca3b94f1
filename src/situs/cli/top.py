"""`situs top`: the running gateway at a glance."""

from __future__ import annotations

import http.client
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from situs.cli.admin import (
    SOCKET,
    TIMEOUT_S,
    OverSocket,
    address,
    ask,
    connection_to,
    parts_of,
    refused,
)
from situs.cli.options import data_option
from situs.errors import OperatorError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from situs.telemetry.report import DeploymentReport, StatusReport

PATH = "/situs/v1/status"
_FIGURES_WIDTH = 52
"""Columns of the table without the two names."""
_COLOURS = {
    "healthy": "green",
    **dict.fromkeys(("unhealthy", "ejected"), "bold red"),
    **dict.fromkeys(("stale", "starting", "limited"), "yellow"),
}


@click.command()
@data_option
@click.option("--url", metavar="URL", help="Ask there instead of the socket in the data directory.")
@click.option("--once", is_flag=True, help="Print one snapshot and exit.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line a snapshot.")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
def top(data: Path | None, url: str | None, once: bool, as_json: bool, every_s: float) -> None:
    """Show what the running gateway does: deployments, speed, errors, labels, cost.

    Figures are of the last minute. Ctrl-C ends it.
    """
    told = _asking(data, url)
    if as_json:
        _print_json(told, None if once else every_s)
    elif once:
        from rich.console import Console

        console = Console(highlight=False)
        console.print(_screen(_report(told()), console.width))
    else:
        _live(told, every_s)


def _asking(data: Path | None, url: str | None) -> Callable[[], bytes]:
    """What fetches the document, as bytes."""
    if url is not None:
        base = address(parts_of(url).path)
        return lambda: _told(connection_to(url, TIMEOUT_S), url, base)
    from situs.config.paths import data_dir

    path = data_dir(data) / SOCKET
    return lambda: _told(OverSocket(path), str(path), "")


def _told(connection: http.client.HTTPConnection, where: str, base: str) -> bytes:
    status, body = ask(connection, where, "GET", f"{base}{PATH}")
    if status != 200:
        raise refused(where, status, body)
    return body


def _report(body: bytes) -> StatusReport:
    from situs.telemetry.report import StatusReport

    try:
        return msgspec.json.decode(body, type=StatusReport)
    except msgspec.DecodeError:
        raise OperatorError(
            "The gateway's status has another form than this version of situs reads.",
            do="Use the situs that the gateway runs.",
        ) from None


def _print_json(ask: Callable[[], bytes], every_s: float | None) -> None:
    while True:
        click.echo(ask())
        if every_s is None:
            return
        time.sleep(every_s)


def _live(told: Callable[[], bytes], every_s: float) -> None:
    """Draw until Ctrl-C; a gateway that stops meanwhile (a restart) is waited for."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    screen = _screen(_report(told()), console.width)
    try:
        with Live(screen, console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(screen, refresh=True)
                time.sleep(every_s)
                try:
                    screen = _screen(_report(told()), console.width)
                except OperatorError as error:
                    screen = error.message
    except KeyboardInterrupt:
        return


def _screen(report: StatusReport, width: int) -> RenderableType:
    from rich.console import Group
    from rich.markup import escape

    total, money = report.total, report.currency or ""
    labels = "  ".join(f"{name} {count}" for name, count in sorted(report.labels.items()))
    lines = [
        (
            f"[bold]situs {escape(report.version)}[/]  up {_age(report.uptime_s)}  "
            f"workers {report.workers}  generation {report.generation}  "
            f"policy {escape(report.policy[:12]) or '-'}"
            + (f" ({escape(report.revision[:24])})" if report.revision else "")
        ),
        (
            f"[bold]{_number(total.rps)}[/] requests/s  {_number(total.tokens_per_s)} tokens/s  "
            f"in flight {total.in_flight}  errors {total.errors}  denied {report.denied}  "
            f"refused {report.refused}"
        ),
        (
            f"TTFT p50 {_time(total.ttft_s.p50)} p95 {_time(total.ttft_s.p95)}  "
            f"overhead p50 {_time(total.overhead_s.p50)} p95 {_time(total.overhead_s.p95)}"
        ),
        (
            f"analysis p50 {_time(report.analysis_s.p50)} p95 {_time(report.analysis_s.p95)}  "
            f"{escape(_tiers(report))}"
        ),
        (
            f"cost {_number(total.cost_per_h)} {money}/h  "
            f"saved {_number(total.saved_per_h)} {money}/h  labels {escape(labels) or '-'}"
        ),
        *(f"[bold red]{escape(problem)}[/]" for problem in report.problems),
        "",
    ]
    return Group(*lines, _table(report, width), *map(escape, _unwell(report)))


def _unwell(report: StatusReport) -> Iterator[str]:
    """A line for each deployment that failed lately: why, since when, until when."""
    for row in report.deployments:
        if row.why:
            again = "" if row.again_s is None else f"; tried again in {_time(row.again_s)}"
            yield f"{row.name} is {row.health} ({row.why}) for {_time(row.for_s)}{again}"


def _tiers(report: StatusReport) -> str:
    """By what parts were found, in percent: `task fast 96 rule 4`."""
    said = []
    for part, counts in report.tiers.items():
        total = sum(counts.values())
        shares = (f"{tier} {100 * count / total:.0f}" for tier, count in counts.items())
        said.append(f"{part} {' '.join(shares)}")
    return f"{'  '.join(said)} %" if said else ""


def _table(report: StatusReport, width: int) -> Table:
    from rich.markup import escape
    from rich.table import Table

    room = max(width - _FIGURES_WIDTH, 16)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name, most in (("deployment", room * 3 // 5), ("locus", room * 2 // 5)):
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=most)
    table.add_column("in", no_wrap=True)
    table.add_column("health", no_wrap=True)
    for name in ("busy", "req/s", "tok/s", "TTFT", "err", "cost/h"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in report.deployments:
        table.add_row(*_cells(row, escape))
    return table


def _cells(row: DeploymentReport, escape: Callable[[str], str]) -> list[str]:
    figures = row.figures
    colour = _COLOURS.get(row.health, "dim")
    errors = str(figures.errors)
    return [
        escape(row.name),
        escape(row.locus),
        escape(row.jurisdiction),
        f"[{colour}]{escape(row.health)}[/]",
        f"{figures.in_flight}/{row.max_in_flight}",
        _number(figures.rps),
        _number(figures.tokens_per_s),
        _time(figures.ttft_s.p95),
        f"[bold red]{errors}[/]" if figures.errors else errors,
        _number(figures.cost_per_h),
    ]


def _number(value: float) -> str:
    """Two or three digits that count, short enough for a column."""
    size = abs(value)
    if 0 < size < 0.01:
        return "<.01" if value > 0 else ">-.01"
    power = 0 if size < 1000 else min(int(math.log10(size) / 3), 3)
    shown, unit = value / 1000**power, ("", "k", "M", "G")[power]
    return f"{shown:.0f}{unit}" if abs(shown) >= 100 or not shown else f"{shown:.2g}{unit}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _age(seconds: float) -> str:
    minutes, hours = int(seconds) // 60, int(seconds) // 3600
    if hours >= 24:
        return f"{hours // 24}d{hours % 24:02}h"
    return f"{hours}h{minutes % 60:02}m" if hours else f"{minutes}m{int(seconds) % 60:02}s"
