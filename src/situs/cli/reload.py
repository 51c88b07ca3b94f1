"""`situs reload`: the running gateway reads its configuration and policy again."""

from __future__ import annotations

from pathlib import Path

import click

from situs.cli.options import data_option


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print what changed as JSON.")
def reload(data: Path | None, as_json: bool) -> None:
    """Load configuration and policy again, without losing a request.

    All of it holds from then on, in every worker, or nothing changes and the error says where it
    is wrong. What takes a restart is refused.
    """
    import msgspec

    from situs.cli.admin import SOCKET, OverSocket, ask, refused
    from situs.config.diff import Change, as_lines
    from situs.config.paths import data_dir
    from situs.errors import OperatorError

    path = data_dir(data) / SOCKET
    status, body = ask(OverSocket(path, timeout_s=660.0), str(path), "POST", "/situs/v1/reload")
    if status == 422:
        said = msgspec.json.decode(body)["error"]
        raise OperatorError(f"Nothing was reloaded:\n{said['message']}", do=said["do"])
    if status != 200:
        raise refused(str(path), status, body)
    told = msgspec.json.decode(body)
    if as_json:
        click.echo(body)
        return
    changes = msgspec.convert(told["changes"], tuple[Change, ...])
    lines = list(as_lines(changes))
    if told["signing_key"] is not None:
        lines.append(f"   signing key: {told['signing_key']} signs from now on")
    for line in lines:
        click.echo(line)
    click.echo(f"generation {told['generation']}" + ("" if lines else ": nothing changed"))
