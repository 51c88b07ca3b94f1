"""`situs eval leaks` as a gate: its exit says whether more would leave than may."""

from __future__ import annotations

import json
import subprocess

import pytest
from tests.e2e import stage


def leaks(tmp_path, *arguments):
    return subprocess.run(
        stage.command("eval", "leaks", *arguments), cwd=tmp_path, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    done = leaks(
        tmp_path_factory.mktemp("bundled"), "--json", "--max-rate", "0", "--min-clean", "0.95"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_identifier_and_no_secret_of_the_corpus_leaves(bundled):
    assert bundled["groups"]["structured"]["left"] == 0
    assert bundled["groups"]["structured"]["rows"] >= 500


def test_what_is_clean_may_leave(bundled):
    assert bundled["groups"]["clean"]["rate"] >= 0.95


def test_most_names_and_addresses_stay(bundled):
    names = bundled["groups"]["names"]
    assert names["rows"] >= 100
    assert names["rate"] <= 0.2


@pytest.mark.parametrize("kind", ["redact", "pseudonymise"])
def test_what_is_hidden_for_a_cloud_leaves_without_its_values(tmp_path, kind):
    (tmp_path / "hides.rego").write_text(
        "package situs\n\nimport rego.v1\n\n"
        "allow contains d.name if some d in input.deployments\n\n"
        'deny contains {"deployment": d.name, "code": "never"} if {\n'
        "\tinput.version == 2\n\tsome d in input.deployments\n}\n\n"
        f'obligations contains {{"kind": "{kind}", "deployment": d.name}} if {{\n'
        "\tsome d in input.deployments\n\tnot d.locus.owned\n}\n"
    )
    done = leaks(tmp_path, "--policy", "hides.rego", "--json", "--max-rate", "0")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["groups"]
    assert found["structured"]["left"] == 0
    assert found["clean"]["rate"] == 1
    assert found["names"]["rate"] <= 0.2


def test_a_policy_that_lets_all_leave_fails_the_gate(tmp_path):
    (tmp_path / "all.rego").write_text(
        "package situs\n\nimport rego.v1\n\n"
        "allow contains d.name if some d in input.deployments\n\n"
        'deny contains {"deployment": d.name, "code": "never"} if {\n'
        "\tinput.version == 2\n\tsome d in input.deployments\n}\n"
    )
    rows = [{"text": "card 4111 1111 1111 1111", "sensitive": True, "kinds": ["card"]}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    given = ("--data", "rows.jsonl", "--policy", "all.rego")
    assert leaks(tmp_path, *given).returncode == 0
    done = leaks(tmp_path, *given, "--max-rate", "0.5")
    assert done.returncode == 1
    assert "structured: 1 of 1 would have left" in done.stderr
    assert "4111" not in done.stdout + done.stderr
    kept = leaks(tmp_path, "--data", "rows.jsonl", "--max-rate", "0")
    assert kept.returncode == 0


def test_a_wrong_row_is_told_by_its_line(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "secret words", "sensitive": "yes"}\n')
    done = leaks(tmp_path, "--data", "rows.jsonl")
    assert done.returncode == 2
    assert "rows.jsonl:1" in done.stderr
    assert "secret words" not in done.stderr
