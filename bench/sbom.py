"""Writes what a running Situs consists of, as CycloneDX 1.6: packages, weights, digests, licences.

    python -m bench.sbom OUTPUT

Packages are those of requirements/run.txt that this platform takes, as they are installed; their
archives' digests stand there. Weights are those of models.lock. Fails for a package that is
missing or of another version, for one without a licence, and for one under the GPL or AGPL.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct
from packaging.requirements import Requirement

from situs import __version__
from situs.runtimes.weights import Weights, load_lock

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements" / "run.txt"

_STRONG = re.compile(r"(?i)\bA?GPL|GNU (Affero )?General Public|Affero")
"""Not the LGPL: its library is a package of its own, which anybody can replace."""


class Package(Struct, frozen=True):
    """`licence` is an SPDX expression where the package gives one, else its own words."""

    name: str
    version: str
    licence: str
    spdx: bool


class Unfit(Exception):
    """Something must not be shipped so; the message names it."""


def pinned(lines: str) -> Iterator[tuple[str, str]]:
    """Names and versions that this platform takes, of a file that `make lock` wrote."""
    for line in lines.splitlines():
        if "==" not in line or line.startswith((" ", "#")):
            continue
        requirement = Requirement(line.rstrip("\\ "))
        if requirement.marker is None or requirement.marker.evaluate():
            [pin] = requirement.specifier
            yield requirement.name, pin.version


def package(name: str, version: str) -> Package:
    """As it is installed. Raises Unfit."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        raise Unfit(f"{name} is not installed") from None
    if said["Version"] != version:
        raise Unfit(f"{name} is {said['Version']}, and {version} is pinned")
    expression, own = (
        (said.get_all(field) or [""])[0] for field in ("License-Expression", "License")
    )
    classified = (c for c in said.get_all("Classifier") or () if c.startswith("License :: "))
    words = ", ".join(c.rpartition(" :: ")[2] for c in classified) or own
    return Package(name, version, expression or words.partition("\n")[0], bool(expression))


def check(found: Package) -> None:
    """Raises Unfit for what may not be shipped with code under the Apache licence."""
    if not found.licence:
        raise Unfit(f"{found.name} does not say its licence")
    if _STRONG.search(found.licence):
        raise Unfit(f"{found.name} is under {found.licence}")


def document(packages: list[Package], weights: dict[str, Weights]) -> dict[str, Any]:
    """The same for the same input: no time, and a serial number made of the content."""
    components = [_library(one) for one in packages]
    components += [_model(name, one) for name, one in sorted(weights.items())]
    serial = uuid5(NAMESPACE_URL, json.dumps([__version__, components]))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "bom-ref": "situs",
                "type": "application",
                "name": "situs",
                "version": __version__,
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": components,
        "dependencies": [{"ref": "situs", "dependsOn": [c["bom-ref"] for c in components]}],
    }


def _library(found: Package) -> dict[str, Any]:
    name = re.sub(r"[-_.]+", "-", found.name).lower()
    licence: dict[str, Any] = {"license": {"name": found.licence}}
    purl = f"pkg:pypi/{name}@{found.version}"
    return {
        "bom-ref": purl,
        "type": "library",
        "name": found.name,
        "version": found.version,
        "purl": purl,
        "licenses": [{"expression": found.licence} if found.spdx else licence],
    }


def _model(name: str, found: Weights) -> dict[str, Any]:
    source = found.source
    return {
        "bom-ref": f"weights:{name}",
        "type": "machine-learning-model",
        "name": name,
        "version": f"sha256:{found.sha256}",
        "publisher": found.origin,
        "hashes": [{"alg": "SHA-256", "content": found.sha256}],
        "licenses": [{"expression": found.licence}],
        "properties": [
            {"name": "situs:file", "value": found.file},
            {"name": "situs:bytes", "value": str(found.size)},
            {"name": "situs:source", "value": f"pkg:pypi/{source.package}@{source.version}"},
            {"name": "situs:source:sha256", "value": source.sha256},
        ],
    }


def main(output: Path) -> int:
    problems: list[str] = []
    packages: list[Package] = []
    for name, version in sorted(pinned(REQUIREMENTS.read_text("utf-8"))):
        try:
            packages.append(package(name, version))
            check(packages[-1])
        except Unfit as error:
            problems.append(str(error))
    if problems:
        sys.stderr.write("\n".join([*problems, ""]))
        return 1
    output.parent.mkdir(parents=True, exist_ok=True)
    made = document(packages, load_lock())
    output.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    sys.stdout.write(f"{output}: {len(packages)} packages, {len(load_lock())} weights\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
