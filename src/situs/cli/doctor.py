"""`situs doctor`: for each feature, active or not, because."""

from __future__ import annotations

from pathlib import Path

import click

from situs.cli.admin import listening
from situs.cli.options import config_option, data_option, setting_from
from situs.errors import OperatorError


@click.command()
@config_option
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def doctor(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say for each feature whether it is active, and why. Exits with 1 when there is a problem."""
    import msgspec

    from situs.cli.render import diagnoses
    from situs.doctor import Standing, examine

    setting = setting_from(config, data)
    found = examine(setting, _listens(setting.data))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        diagnoses(found)
    if any(one.condition is Standing.PROBLEM for one in found):
        raise click.exceptions.Exit(1)


def _listens(data: Path) -> str | None:
    """The URL of the gateway that runs there, if it answers."""
    try:
        return listening(data)
    except OperatorError:
        return None
