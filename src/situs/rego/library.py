"""The policies that ship with Situs."""

from __future__ import annotations

from pathlib import Path

from situs.errors import PolicyError

_PLACES = (
    Path(__file__).parents[1] / "_policies",  # in a wheel
    Path(__file__).parents[3] / "policies",  # in a checkout
)


def shipped(name: str = "default") -> Path:
    """The file of a shipped policy: `default`, `examples/confidential_on_prem`.

    Raises PolicyError for a name that does not ship.
    """
    root = next((place for place in _PLACES if place.is_dir()), None)
    if root is None:
        raise PolicyError("the shipped policies are missing", do="Install Situs again.")
    known = {
        file.relative_to(root).with_suffix("").as_posix(): file
        for file in root.rglob("*.rego")
        if not file.name.endswith("_test.rego")
    }
    found = known.get(name.removesuffix(".rego"))
    if found is None:
        raise PolicyError(f"no policy named {name} ships; there are {', '.join(sorted(known))}")
    return found
