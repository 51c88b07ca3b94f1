"""`situs up` and `situs serve`: run the gateway."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from situs.cli.options import data_option, home_option
from situs.errors import OperatorError

if TYPE_CHECKING:
    from situs.app.parent import Parent
    from situs.app.setting import Setting

_workers = click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that serve requests.",
)
_port = click.option("--port", type=click.IntRange(0, 65535), help="Listen there (default: 7488).")


@click.command()
@data_option
@_port
@_workers
@home_option
def up(data: Path | None, port: int | None, workers: int, home: str | None) -> None:
    """Start the gateway with owned models on this machine; nothing to configure."""
    from situs.app.setting import Setting
    from situs.config.build import files_of
    from situs.config.load import default_config
    from situs.config.paths import data_dir
    from situs.runtimes.weights import find, require

    config = default_config(home)
    for name in files_of(config):
        require(find(name), data_dir(data) / "models")
    base = Path.cwd()
    _run(lambda: Setting(config, base, data_dir(data)), port, workers)


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
@_workers
@click.option("--watch", is_flag=True, help="Reload when the configuration or a policy changes.")
@click.option(
    "--block",
    "blocked",
    multiple=True,
    metavar="LOCUS",
    help="Connect to nothing at this locus, as a drill does; repeatable. `collector`: no traces.",
)
def serve(
    file: Path,
    data: Path | None,
    port: int | None,
    workers: int,
    watch: bool,
    blocked: tuple[str, ...],
) -> None:
    """Start the gateway with your own fleet."""
    from situs.app.egress import check_blocked
    from situs.app.setting import Setting
    from situs.config.load import load
    from situs.config.paths import data_dir

    where, base = data_dir(data), file.resolve().parent

    def read() -> Setting:
        config = load(file)
        check_blocked(config, blocked)
        return Setting(config, base, where, file)

    _run(read, port, workers, watch=watch, blocked=frozenset(blocked))


def _run(
    read: Callable[[], Setting],
    port: int | None,
    workers: int,
    *,
    watch: bool = False,
    blocked: frozenset[str] = frozenset(),
) -> None:
    import logging
    import time

    import uvloop

    from situs.app.confine import confine
    from situs.app.parent import Parent
    from situs.app.run import serve as run
    from situs.app.server import listen
    from situs.http.auth import check_listener
    from situs.telemetry.logs import catch_all, set_up
    from situs.trust.api_keys import KeyFile

    confine()
    setting = read()
    log, server = setting.config.telemetry.log, setting.config.server
    set_up(log.format, log.level)
    catch_all()
    logging.getLogger("uvicorn.error").setLevel("ERROR")
    keys = KeyFile(setting.data)
    check_listener(server.host, keys.table, time.time())
    listeners = listen(server.host, server.port if port is None else port, workers)

    async def main() -> None:
        parent = Parent(read, listeners, keys=keys, on_state=_told, blocked=blocked)
        await run(parent, _greet, _waiting, watch=watch)

    uvloop.run(main())


def _told(name: str, state: str, detail: str) -> None:
    click.echo(f"{name}: {state}{f' ({detail})' if detail else ''}", err=True)


def _waiting(count: int) -> None:
    what = "a request" if count == 1 else f"{count} requests"
    click.echo(f"stopping; waiting for {what}, again to stop at once", err=True)


def _greet(url: str, system: Parent) -> None:
    """How to call it, as lines that can be pasted; OperatorError when nothing could be called."""
    if system.failed():
        raise OperatorError(
            "No model could be loaded, and there is no other deployment; what failed is above.",
            do="`situs doctor` checks each; `situs models pull` fetches weights that are missing.",
        )
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
