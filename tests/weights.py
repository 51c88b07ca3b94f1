"""The weights of owned models, for the tests that load them."""

from __future__ import annotations

import os
from pathlib import Path

from situs.config.paths import data_dir


def weights() -> Path:
    """The folder that they are in."""
    folder = Path(os.environ.get("SITUS_TEST_MODELS") or data_dir(None) / "models")
    assert folder.is_dir(), "the weights are missing: run `make test`, which pulls them first"
    return folder


def data_with_weights(directory: Path) -> Path:
    """A data directory with them, in `directory`."""
    data = directory / "data"
    data.mkdir()
    (data / "models").symlink_to(weights())
    return data
