"""`situs doctor`: for each feature, active or not, because."""

from __future__ import annotations

from pathlib import Path

import click

from situs.cli.admin import SOCKET, OverSocket, ask
from situs.cli.options import config_option, data_option, setting_from
from situs.errors import OperatorError


@click.command()
@config_option
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def doctor(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say for each feature whether it is active, and why. Exits with 1 when there is a problem."""
    import msgspec

    from situs.cli.render import diagnosis
    from situs.doctor import Condition, examine

    setting = setting_from(config, data)
    findings = examine(setting, _listens(setting.data / SOCKET))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings)))
    else:
        diagnosis(findings)
    if any(finding.condition is Condition.PROBLEM for finding in findings):
        raise click.exceptions.Exit(1)


def _listens(socket: Path) -> str | None:
    """The URL of the gateway that answers there."""
    import json

    try:
        status, body = ask(OverSocket(socket), str(socket), "GET", "/situs/v1/status")
    except OperatorError:
        return None
    told = json.loads(body).get("url") if status == 200 else None
    return told if isinstance(told, str) else None
