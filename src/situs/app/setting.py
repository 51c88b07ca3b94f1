"""What a system is started from."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from situs.config.tree import Config


class Setting(Struct, frozen=True):
    """The tree, the folder that its paths start from, where data live, the file it came from."""

    config: Config
    base: Path
    data: Path
    file: Path | None = None
