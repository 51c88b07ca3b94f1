"""The bill of materials: all that is pinned and nothing else, with digests and licences."""

import json
from typing import Any

import pytest
from bench.sbom import REQUIREMENTS, Package, Unfit, check, document, main, package, pinned

from situs.runtimes.weights import load_lock


def test_it_names_all_that_runs_and_every_weight(tmp_path):
    output = tmp_path / "new" / "sbom.json"
    assert main(output) == 0
    made = json.loads(output.read_text())
    by_kind: dict[str, dict[str, Any]] = {"library": {}, "machine-learning-model": {}}
    for component in made["components"]:
        by_kind[component["type"]][component["name"]] = component
        assert component["licenses"]
    libraries = by_kind["library"]
    assert {n: c["version"] for n, c in libraries.items()} == dict(pinned(REQUIREMENTS.read_text()))
    assert {"msgspec", "uvicorn", "cryptography", "gordon-to-regorus"} <= libraries.keys()
    assert "pytest" not in libraries
    digests = {n: c["hashes"] for n, c in by_kind["machine-learning-model"].items()}
    assert digests == {
        name: [{"alg": "SHA-256", "content": weights.sha256}]
        for name, weights in load_lock().items()
    }
    refs = [component["bom-ref"] for component in made["components"]]
    assert made["dependencies"] == [{"ref": "situs", "dependsOn": refs}]
    assert len(refs) == len(set(refs))


def test_the_same_input_gives_the_same_document():
    packages = [Package("a", "1", "MIT", spdx=True)]
    again = document(packages, load_lock())
    assert document(packages, load_lock()) == again
    assert document([], load_lock())["serialNumber"] != again["serialNumber"]


def test_only_what_this_platform_takes_is_read():
    lines = """\
# a comment
always==1.0 \\
    --hash=sha256:00 \\
    --hash=sha256:11
here==2.0 ; python_version >= "3.11" \\
    --hash=sha256:00
elsewhere==3.0 ; sys_platform == "none" \\
    --hash=sha256:00
"""
    assert list(pinned(lines)) == [("always", "1.0"), ("here", "2.0")]


@pytest.mark.parametrize(
    "licence",
    [
        *("GPL-3.0-only", "AGPL-3.0-or-later", "MIT AND GPL-2.0-only", "GPLv2+", ""),
        *("GNU General Public License v3 (GPLv3)", "GNU Affero General Public License v3"),
    ],
)
def test_what_may_not_be_shipped_is_named(licence):
    with pytest.raises(Unfit, match="thing"):
        check(Package("thing", "1", licence, spdx=False))


@pytest.mark.parametrize(
    "licence",
    [
        *("MIT", "Apache-2.0 OR BSD-3-Clause", "MPL-2.0 AND MIT", "LGPL-2.1-or-later"),
        "GNU Lesser General Public License v2 or later (LGPLv2+)",
    ],
)
def test_what_may_be_shipped_passes(licence):
    check(Package("thing", "1", licence, spdx=False))


def test_what_is_missing_or_another_version_is_named():
    with pytest.raises(Unfit, match="not-there-at-all is not installed"):
        package("not-there-at-all", "1")
    with pytest.raises(Unfit, match="and 0 is pinned"):
        package("msgspec", "0")
