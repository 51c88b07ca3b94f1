"""`situs policy`, as called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from situs.cli.main import cli
from situs.core.label import Label
from situs.errors import PolicyError
from situs.policy.input import input_document
from situs.rego.sample import sample_facts

EXAMPLE = Path(__file__).parents[3] / "examples/situs.example.yaml"
BAD = (
    "package situs\nallow contains lower(x) if x := time.now_ns()\n"
    "deny contains f(x) if { x := input.lable }\nf(x) := x\n"
)


def run(*arguments: str, document: bytes | None = None):
    return CliRunner().invoke(cli, ["policy", *arguments], input=document)


def test_check_says_what_the_default_policy_is():
    done = run("check")
    assert done.exit_code == 0
    assert "reads     data, deployments, home_jurisdiction, label" in done.output
    assert json.loads(run("check", "--json").output)["problems"] == []


def test_the_lists_of_a_configuration_are_kinds_of_finding(tmp_path):
    (tmp_path / "p.rego").write_text(
        "package situs\nallow contains d.name if { input.findings.project_name > 0; some d in "
        'input.deployments }\ndeny contains {"deployment": "*", "code": "c"} if false\n',
        encoding="utf-8",
    )
    refused = run("check", str(tmp_path))
    assert refused.exit_code == 1
    assert "input.findings never has project_name" in refused.stderr
    assert run("check", str(tmp_path), "--config", str(EXAMPLE)).exit_code == 0


def test_check_tells_every_problem_and_exits_with_1(tmp_path):
    (tmp_path / "p.rego").write_text(BAD, encoding="utf-8")
    done = run("check", str(tmp_path))
    assert done.exit_code == 1
    assert "p.rego:2:" in done.stderr
    assert "p.rego:3:" in done.stderr
    machine = run("check", "--json", str(tmp_path))
    assert machine.exit_code == 1
    assert [one["line"] for one in json.loads(machine.output)["problems"]] == [2, 3]


def test_test_runs_the_default_policys_tests():
    assert "0 failed" in run("test").output
    assert "test_restricted_stays_on_owned_premises" in run("test", "-v").output


def test_test_exits_with_1_when_one_fails(tmp_path):
    (tmp_path / "p.rego").write_text(
        "package situs\nallow contains x if { x := input.task; false }\n"
        'deny contains {"deployment": x, "code": "c"} if { x := input.task; false }\n',
        encoding="utf-8",
    )
    (tmp_path / "p_test.rego").write_text("package t\ntest_no if 1 == 2\n", encoding="utf-8")
    done = run("test", str(tmp_path))
    assert done.exit_code == 1
    assert "FAIL" in done.output
    assert json.loads(run("test", "--json", str(tmp_path)).output)["failed"] == 1


def test_eval_prints_the_verdict():
    document = input_document(sample_facts(Label.RESTRICTED))
    done = run("eval", "--input", "-", document=document)
    assert done.stderr == ""
    assert json.loads(done.stdout)["allow"] == ["device-example", "edge-example", "on_prem-example"]


def test_eval_warns_of_a_chat_request_in_place_of_an_input_document():
    request = {"model": "auto", "messages": [{"role": "user", "content": "the secret"}]}
    done = run("eval", "--input", "-", document=json.dumps(request).encode())
    assert json.loads(done.stdout) == {"allow": [], "deny": []}
    assert "warning: this looks like a chat request" in done.stderr
    assert "warning: input has no messages" in done.stderr
    assert (
        "warning: input is without label, data, home_jurisdiction, deployments, which the policy"
        " reads" in done.stderr
    )
    assert "the secret" not in done.stderr


def test_eval_warns_of_misspelt_fields_with_the_nearest_name():
    document = json.loads(input_document(sample_facts(Label.RESTRICTED)))
    document["lable"] = "public"
    document["findings"] = {"creditcard": 1}
    document["deployments"][0]["locus"]["knd"] = "edge"
    del document["deployments"][1]["node"]
    done = run("eval", "--input", "-", document=json.dumps(document).encode())
    assert done.stderr.splitlines() == [
        "warning: input has no lable; the nearest name is label",
        "warning: input.findings never has creditcard; the nearest word is card",
        "warning: input.deployments.*.locus has no knd; the nearest name is kind",
        "warning: input.deployments.* is without node",
    ]


def test_eval_of_what_is_not_json_is_an_operators_error():
    done = run("eval", "--input", "-", document=b"{")
    with pytest.raises(PolicyError):
        raise done.exception
