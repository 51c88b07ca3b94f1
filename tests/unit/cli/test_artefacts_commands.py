"""`situs artefacts`, on real folders."""

from __future__ import annotations

import json

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from tests.unit.learning import small

from situs.cli.artefacts import artefacts
from situs.cli.main import cli
from situs.errors import OperatorError
from situs.learning.artefacts import Source

CONFIG = """\
version: 1
loci: {rack: {kind: on_prem, jurisdiction: DE, owned: false}}
models: {m: {capability: small, context_tokens: 4096}}
deployments: {near: {model: m, locus: rack, endpoint: {url: http://127.0.0.1:9/v1}}}
analysis: {artefacts: {length: trained-2}}
"""


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "situs.yaml").write_text(CONFIG)
    for value in (1, 2):
        source = Source("own", "own", 3)
        small.trained(tmp_path, value, about=f"No {value}.", sources=(source,), metrics={"f1": 0.5})
    return tmp_path


def run(data, *args):
    return CliRunner().invoke(artefacts, [*args, "--data", str(data)])


def trained(data):
    rows = json.loads(run(data, "list", "--json").stdout)
    return {row["version"]: row for row in rows if row["from"] == "trained"}


def test_versions_are_listed_with_the_active_one_marked(data):
    rows = trained(data)
    assert {version: row["active"] for version, row in rows.items()} == {
        "trained-1": False,
        "trained-2": True,
    }
    table = run(data, "list").stdout
    (line,) = [line for line in table.splitlines() if "trained-2" in line]
    assert "active" in line
    assert rows["trained-2"]["digest"][:12] in line


def test_a_damaged_version_is_listed_as_such(data):
    (data / "artefacts/length/trained-1/arrays.npz").write_bytes(b"other")
    rows = trained(data)
    assert rows["trained-1"]["digest"] is None
    assert "SHA-256" in rows["trained-1"]["problem"]
    assert rows["trained-2"]["problem"] is None
    assert "damaged" in run(data, "list").stdout


def test_a_version_with_senseless_settings_is_listed_as_such(data):
    small.trained(data, settings={"tasks": ["code"], "weights": {"code": 1e9}})
    assert "settings.weights" in trained(data)["trained-3"]["problem"]


def test_a_card_is_shown_with_its_digest_and_without_a_version_the_active_one(data):
    card = json.loads(run(data, "show", "length", "trained-1").stdout)
    assert (card["about"], card["active"]) == ("No 1.", False)
    assert card["digest"] == trained(data)["trained-1"]["digest"]
    active = json.loads(run(data, "show", "length", "--json").stdout)
    assert (active["about"], active["active"]) == ("No 2.", True)


@pytest.mark.parametrize(
    ("args", "said"),
    [(("length", "trained-3"), "no version trained-3"), (("none",), "no active artefact none")],
)
def test_what_is_not_there_is_refused(data, args, said):
    refused = run(data, "show", *args).exception
    assert isinstance(refused, OperatorError)
    assert said in refused.message


def test_heads_and_versions_are_completed(data):
    complete = ShellComplete(cli, {}, "situs", "_SITUS_COMPLETE")
    base = ["artefacts", "show", "--data", str(data)]
    assert "length" in [one.value for one in complete.get_completions(base, "l")]
    versions = [one.value for one in complete.get_completions([*base, "length"], "trained")]
    assert versions == ["trained-1", "trained-2"]
