"""Options that several commands share."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from situs.config import countries
from situs.config.problems import Report

if TYPE_CHECKING:
    from situs.app.setting import Setting


def _country(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    report = Report("")
    if value is not None:
        countries.check(value, (), report, unknown=False)
    for problem in report.problems:
        hint = f"; did you mean {problem.nearest}?" if problem.nearest else ""
        raise click.BadParameter(f"{value}: {problem.what}{hint}")
    return value


config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Your fleet (default: ./situs.yaml where there is one, else what `situs up` runs).",
)
data_option = click.option(
    "--data",
    envvar="SITUS_DATA",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where receipts, keys and weights live (default: the XDG data home).",
)
home_option = click.option(
    "--home",
    metavar="CC",
    callback=_country,
    help="Your organisation's jurisdiction: the two letters of its country, such as AU.",
)


EMBEDDED = (
    "These are the models of `situs up`, as there is no situs.yaml here; for others, give the "
    "gateway's file as --config."
)
"""What a command says that was not told of which models, where that matters."""

Command = Callable[..., Any]


def several(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options that commands have together, in this order in the help."""

    def taking(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return taking


def writable(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """A file to write: seen to before any work is done for it."""
    if value is not None:
        folder = value.absolute().parent
        if not folder.is_dir():
            raise click.BadParameter(f"there is no folder {folder}; make it, or name another file")
        if not os.access(value if value.exists() else folder, os.W_OK):
            raise click.BadParameter(f"{value} may not be written; name another file")
    return value


def operator_name(_: click.Context, __: click.Parameter, value: str | None) -> str:
    """Stands in receipts, so it is a word and no text."""
    from situs.trust.api_keys import is_word

    if value is None:
        try:
            value = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            value = f"uid:{os.getuid()}"
    if not is_word(value):
        raise click.BadParameter("a name of letters, digits and . _ : / @ -, at most 64")
    return value


def setting_from(config: Path | None, data: Path | None) -> Setting:
    """The configuration named, or ./situs.yaml, or the embedded default."""
    from situs.app.setting import Setting
    from situs.config.load import default_config, load
    from situs.config.paths import data_dir

    file = config if config is not None else Path("situs.yaml")
    if config is None and not file.exists():
        return Setting(default_config(), Path.cwd(), data_dir(data))
    return Setting(load(file), file.resolve().parent, data_dir(data), file)
