"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from situs.app.setting import Setting

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


def setting_from(config: Path | None, data: Path | None) -> Setting:
    """The configuration named, or ./situs.yaml, or the embedded default."""
    from situs.app.setting import Setting
    from situs.config.load import default_config, load
    from situs.config.paths import data_dir

    file = config if config is not None else Path("situs.yaml")
    if config is None and not file.exists():
        return Setting(default_config(), Path.cwd(), data_dir(data))
    return Setting(load(file), file.resolve().parent, data_dir(data))
