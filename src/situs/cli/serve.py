"""`situs up` and `situs serve`: run the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from situs.cli.options import data_option
from situs.errors import OperatorError

if TYPE_CHECKING:
    from situs.app import System

_port = click.option("--port", type=click.IntRange(0, 65535), help="Listen there (default: 7488).")


@click.command()
@data_option
@_port
@click.option("--home", metavar="CC", help="Your jurisdiction, two letters, such as AU.")
def up(data: Path | None, port: int | None, home: str | None) -> None:
    """Start the gateway with one owned model on this machine; nothing to configure."""
    from situs.config.load import default_config
    from situs.config.paths import data_dir
    from situs.runtimes.weights import find, require

    config = default_config(home)
    for model in config.models.values():
        require(find(model.file or ""), data_dir(data) / "models")
    _run(config, Path.cwd(), data, port)


@click.command()
@click.option(
    "--config",
    "file",
    default="situs.yaml",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Your fleet.",
)
@data_option
@_port
def serve(file: Path, data: Path | None, port: int | None) -> None:
    """Start the gateway with your own fleet."""
    from situs.config.load import load

    _run(load(file), file.resolve().parent, data, port)


def _run(config: Any, base: Path, data: Path | None, port: int | None) -> None:
    import logging

    import uvloop

    from situs.app import Setting, listen
    from situs.app import serve as run
    from situs.config.paths import data_dir

    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    server = config.server
    listener = listen(server.host, server.port if port is None else port)
    setting = Setting(config, base, data_dir(data))
    logging.getLogger("uvicorn.error").setLevel("ERROR")
    uvloop.run(run(setting, listener, _told, _greet, _waiting))


def _told(name: str, state: str, detail: str) -> None:
    click.echo(f"{name}: {state}{f' ({detail})' if detail else ''}", err=True)


def _waiting(count: int) -> None:
    what = "a request" if count == 1 else f"{count} requests"
    click.echo(f"stopping; waiting for {what}, again to stop at once", err=True)


def _greet(url: str, system: System) -> None:
    """How to call it, as lines that can be pasted; OperatorError when nothing could be called."""
    if system.failed():
        raise OperatorError("No model could be loaded, and there is no other deployment.")
    body = (
        '{"model": "auto", "max_tokens": 60, "messages": [{"role": "user", "content": "Hello."}]}'
    )
    click.echo(
        f"""
Situs listens on {url}; receipts go to {system.setting.data / "receipts"}

  curl -s -i {url}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{body}'

or, where `pip install openai` has been done,

  python3 -c "from openai import OpenAI; print(OpenAI(base_url='{url}/v1', api_key='-')\\
    .chat.completions.create(model='auto', max_tokens=60,\\
    messages=[{{'role': 'user', 'content': 'Hello.'}}]).choices[0].message.content)"

Stop with Ctrl-C.
"""
    )
