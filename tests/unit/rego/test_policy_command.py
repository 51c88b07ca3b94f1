"""`situs policy`, as called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.rego.test_bundle import EC, by_ec, packed, pem

from situs.cli.main import cli
from situs.core.label import Label
from situs.errors import OperatorError, PolicyError
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


@pytest.mark.parametrize("depth", [200, 20_000])
def test_eval_of_what_is_nested_too_deep_is_an_operators_error(depth):
    document = b'{"label": ' + b"[" * depth + b"]" * depth + b"}"
    done = run("eval", "--input", "-", document=document)
    with pytest.raises(PolicyError, match=r"^input(:| is nested deeper)") as refused:
        raise done.exception
    assert "input document" in refused.value.advice + refused.value.message


RULES = """package situs

allow contains d.name if some d in input.deployments

deny contains {"deployment": d.name, "code": "c"} if {
	some d in input.deployments
	d.locus.kind == "public_cloud"
	not d.locus.owned
}
"""
TESTS = """package p_test

import data.situs

test_allow if count(situs.allow) == 1 with input as {"deployments": [{"name": "x"}]}
"""


def test_coverage_says_which_lines_no_test_reaches(tmp_path):
    (tmp_path / "p.rego").write_text(RULES, encoding="utf-8")
    (tmp_path / "p_test.rego").write_text(TESTS, encoding="utf-8")
    done = run("test", "--coverage", str(tmp_path))
    assert done.exit_code == 0
    assert "p.rego: 3 of 5 lines; not 5, 8" in done.output
    told = json.loads(run("test", "--json", str(tmp_path)).output)
    assert told["percent"] == 60.0
    assert told["coverage"][0]["missed"] == [5, 8]


def test_too_little_coverage_fails_and_says_where(tmp_path):
    (tmp_path / "p.rego").write_text(RULES, encoding="utf-8")
    (tmp_path / "p_test.rego").write_text(TESTS, encoding="utf-8")
    done = run("test", "--min", "80", str(tmp_path))
    assert done.exit_code == 1
    assert "60.0 % of its lines are reached, less than 80 %" in done.output
    assert "not 5, 8" in done.output
    assert run("test", "--min", "60", str(tmp_path)).exit_code == 0


@pytest.mark.parametrize("label", Label)
def test_an_example_can_be_evaluated(label):
    document = run("fmt-input", "--example", label.value).output
    assert json.loads(document)["label"] == label.value
    done = run("eval", "--input", "-", document=document.encode())
    assert done.exit_code == 0
    assert done.stderr == ""


def test_a_request_is_told_as_the_gateway_would_tell_it(tmp_path):
    text = "Write to jane.roe@example.org."
    body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    (tmp_path / "r.json").write_text(json.dumps(body), encoding="utf-8")
    done = run("fmt-input", "--request", str(tmp_path / "r.json"), "--config", str(EXAMPLE))
    document = json.loads(done.output)
    assert (document["label"], document["findings"]) == ("confidential", {"email": 1})
    assert document["deployments"][0]["name"] == "cloud-large"
    assert "jane" not in done.output
    asked = ("--request", str(tmp_path / "r.json"), "--label", "restricted", "--wrap")
    higher = json.loads(run("fmt-input", *asked, "--config", str(EXAMPLE)).output)
    assert higher["input"]["label"] == "restricted"


@pytest.mark.parametrize(
    "arguments",
    [[], ["--example", "public", "--decision", "x"], ["--example", "public", "--label", "public"]],
)
def test_one_source_of_an_input_document_is_named(arguments):
    assert run("fmt-input", *arguments).exit_code == 2


def test_a_decision_that_is_not_there_is_said(tmp_path):
    done = run(
        "fmt-input", "--decision", "req_x", "--data", str(tmp_path), "--config", str(EXAMPLE)
    )
    assert isinstance(done.exception, OperatorError)
    assert "no decision req_x" in done.exception.message


def test_a_bundle_is_checked_and_evaluated_with_the_key_of_its_signature(tmp_path):
    (tmp_path / "b.tar.gz").write_bytes(packed(by_ec()))
    (tmp_path / "k.pem").write_text(pem(EC), encoding="ascii")
    signed = (str(tmp_path / "b.tar.gz"), "--key", str(tmp_path / "k.pem"))
    done = run("check", *signed)
    assert done.exit_code == 0, done.stderr
    assert "revision  rev-7" in done.output
    document = b'{"deployments": [{"name": "x", "locus": {"kind": "edge"}}]}'
    answer = run("eval", *signed, "--input", "-", document=document)
    assert json.loads(answer.stdout)["allow"] == ["x"]
    unverified = run("check", str(tmp_path / "b.tar.gz"))
    assert isinstance(unverified.exception, PolicyError)
    assert "no key to verify it" in unverified.exception.message


def test_library_lists_what_ships_with_its_title():
    rows = dict(row.split(maxsplit=1) for row in run("library").output.splitlines())
    assert rows["default"] == "The default policy"
    assert rows["examples/confidential_on_prem"] == "Confidential stays on premises"
    assert all(rows.values())
    assert len(rows) >= 12


def test_library_prints_a_policy_or_its_tests_to_start_from(tmp_path):
    for option, name in (([], "mine.rego"), (["--tests"], "mine_test.rego")):
        text = run("library", "examples/eu_residency", *option).output
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = run("test", str(tmp_path / "mine.rego"))
    assert done.exit_code == 0
    assert "0 failed" in done.output


@pytest.mark.parametrize("arguments", [["nothing"], ["../pyproject"], ["--tests"]])
def test_library_has_no_others(arguments):
    assert run("library", *arguments).exit_code != 0
