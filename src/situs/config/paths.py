"""Where Situs keeps its data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def data_dir(override: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The one data directory, absolute; it need not exist yet.

    In this order: `override` (the --data option), $SITUS_DATA, $XDG_DATA_HOME/situs,
    ~/.local/share/situs. A relative $XDG_DATA_HOME is ignored, as the XDG base directory
    specification demands.
    """
    if override is not None:
        return override.expanduser().absolute()
    if named := environ.get("SITUS_DATA"):
        return Path(named).expanduser().absolute()
    xdg = Path(environ.get("XDG_DATA_HOME", ""))
    home = xdg if xdg.is_absolute() else Path("~/.local/share").expanduser()
    return home / "situs"
