"""`situs drill`: what goes on when others are gone, tried for real."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from situs.cli.options import config_option, data_option, setting_from, several, writable
from situs.cli.tables import counted, print_json, show_tables, table_of

if TYPE_CHECKING:
    from situs.app.drill import Live
    from situs.app.setting import Setting
    from situs.studies.drill import Report
    from situs.studies.drill_run import Said

_FILE = click.Path(dir_okay=False, path_type=Path)


_asking = several(
    click.option(
        "--file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Chat requests of your own, one JSON body a line (default: twenty bundled ones).",
    ),
    click.option("--sample", type=click.IntRange(min=1), help="Ask only the first so many."),
    click.option(
        "--duration",
        type=click.FloatRange(min=0),
        default=0,
        metavar="S",
        help="Go on asking for so many seconds in each run (default: each request once).",
    ),
    click.option(
        "--least",
        type=click.FloatRange(0, 100),
        default=100,
        show_default=True,
        metavar="PERCENT",
        help="The continuity that passes.",
    ),
    click.option(
        "--live",
        is_flag=True,
        help="On the running gateway, for everybody; $SITUS_API_KEY is sent, if there is one.",
    ),
    config_option,
    data_option,
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    click.option("--html", type=_FILE, callback=writable, help="Write a page, too."),
)
"""The options of every drill."""


@click.group()
def drill() -> None:
    """What goes on when others are gone: tried for real, on gateways of the drill's own.

    The same requests are asked twice, one at a time, at temperature 0: of a gateway with this
    configuration as it is, and of one that can connect to nothing at the loci that are dark. The
    gateway that serves you is not touched, but with --live. Requests of the normal run do go to
    your providers, as policy allows. Exits with 1 where the drill fails.
    """


@drill.command()
@_asking
def blackout(**options: Any) -> None:
    """Every locus that is not owned goes dark."""
    from situs.app.drill import not_owned

    setting = setting_from(options.pop("config"), options.pop("data"))
    _drill(setting, "blackout", not_owned(setting.config), options)


@drill.command("exit")
@click.option("--provider", metavar="OPERATOR", help="All loci of this operator go dark.")
@click.option("--jurisdiction", metavar="CC", help="All loci under this law go dark.")
@_asking
def leave(provider: str | None, jurisdiction: str | None, **options: Any) -> None:
    """One provider, or one jurisdiction, goes dark."""
    from situs.app.drill import loci_of

    if (provider is None) == (jurisdiction is None):
        raise click.UsageError("Give exactly one of --provider and --jurisdiction.")
    if not (provider or jurisdiction or "").strip():
        option = "--jurisdiction" if provider is None else "--provider"
        raise click.BadParameter("it is empty; name whose loci go dark", param_hint=option)
    setting = setting_from(options.pop("config"), options.pop("data"))
    dark = loci_of(setting.config, provider, jurisdiction)
    _drill(setting, f"exit from {provider or jurisdiction}", dark, options)


def _drill(setting: Setting, name: str, dark: tuple[str, ...], options: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from situs.app.drill import Asked, drill, live_drill
    from situs.errors import OperatorError
    from situs.studies.drill import requests_of
    from situs.studies.drill_html import page

    if options["live"] and not dark:
        raise OperatorError(
            "Nothing would go dark: every locus of the configuration stays.",
            do="Give the configuration that the gateway runs with: --config FILE.",
        )
    requests = requests_of(options["file"], options["sample"])
    asked = Asked(requests, options["duration"], options["least"] / 100)
    what = f"{counted(len(requests), 'request')}, dark: {', '.join(dark) or 'nothing'}"
    how = "on the running gateway" if options["live"] else "two gateways start, one after the other"
    click.echo(f"{name}: {what}; {how}", err=True)
    live = _live(setting) if options["live"] else None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        tasks = {run: progress.add_task(run, total=len(requests)) for run in ("normal", "dark")}

        def told(run: str, _: Said) -> None:
            progress.advance(tasks[run])

        if live is None:
            report = drill(setting, name, dark, asked, told)
        else:
            report = live_drill(setting, name, dark, asked, live, told)
    if options["html"] is not None:
        options["html"].write_text(page(report), "utf-8")
    if options["as_json"]:
        print_json(report)
    else:
        _show(report)
    sys.exit(0 if report.passed else 1)


def _live(setting: Setting) -> Live:
    """The gateway that runs on the data directory. Raises OperatorError where there is none."""
    from situs.app.drill import Live
    from situs.cli.admin import SOCKET, OverSocket, ask, key_sent, refused

    path = setting.data / SOCKET

    def asked(method: str, path_: str, body: bytes | None = None) -> bytes:
        status, answer = ask(OverSocket(path), str(path), method, path_, body)
        if status != 200:
            raise refused(str(path), status, answer)
        return answer

    def darken(loci: Collection[str], for_s: float) -> None:
        body = msgspec.json.encode({"loci": list(loci), "for_s": for_s})
        asked("POST", "/situs/v1/dark", body)

    status = msgspec.json.decode(asked("GET", "/situs/v1/status"))
    return Live(status["url"], key_sent(), darken)


def _show(report: Report) -> None:
    from situs.studies.drill_html import seconds

    share = "-" if report.continuity is None else f"{report.continuity:.0%}"
    figures = table_of("", "as always", "in the dark")
    figures.add_row("asked", str(report.asked_normal), str(report.asked_dark))
    figures.add_row("answered", str(report.answered_normal), str(report.answered_dark))
    for name in ("p50_s", "p95_s"):
        figures.add_row(name[:3], seconds(report.normal, name), seconds(report.in_dark, name))
    facts = table_of("", "")
    facts.add_row("continuity", share)
    same = report.answers_compared
    facts.add_row("owned answers changed", f"{len(report.answers_changed)} of {same} compared")
    facts.add_row("owned prices changed", f"{len(report.prices_changed)} of {same} compared")
    facts.add_row("connections to what is dark", str(len(report.reached)))
    facts.add_row("the kernel's filter", report.held.kernel)
    facts.add_row("network namespace", report.held.namespace)
    moved = table_of("from -> to", "requests")
    for pair, count in report.moved.items():
        moved.add_row(pair, str(count))
    failed = table_of("failed", "status", "why")
    for one in report.failed:
        failed.add_row(f"request {one.request}", str(one.status), f"{one.code}: {one.message}")
    show_tables(figures, facts, moved, *([failed] if report.failed else []), between="\n")
    click.echo(f"\n{report.drill}: {'passed' if report.passed else 'failed'}")
    for reason in report.reasons:
        click.echo(f"  {reason}")
