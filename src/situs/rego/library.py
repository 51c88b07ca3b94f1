"""The policies that ship with Situs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from situs.errors import PolicyError
from situs.rego.modules import TEST_SUFFIX

_TITLE: Final = re.compile(r"^# title: (.+)$", re.MULTILINE)

_PLACES = (
    Path(__file__).parents[1] / "_policies",  # in a wheel
    Path(__file__).parents[3] / "policies",  # in a checkout
)


def shipped(name: str = "default") -> Path:
    """The file of a shipped policy: `default`, `examples/confidential_on_prem`.

    Raises PolicyError for a name that does not ship.
    """
    known = _files()
    found = known.get(name.removesuffix(".rego"))
    if found is None:
        raise PolicyError(f"no policy named {name} ships; there are {', '.join(sorted(known))}")
    return found


def titles() -> dict[str, str]:
    """Every shipped policy by name, with what its metadata call it."""
    named = {name: _TITLE.search(file.read_text("utf-8")) for name, file in _files().items()}
    return {name: title[1] if title else "" for name, title in sorted(named.items())}


def _files() -> dict[str, Path]:
    root = next((place for place in _PLACES if place.is_dir()), None)
    if root is None:
        raise PolicyError("the shipped policies are missing", do="Install Situs again.")
    return {
        file.relative_to(root).with_suffix("").as_posix(): file
        for file in root.rglob("*.rego")
        if not file.name.endswith(TEST_SUFFIX)
    }
