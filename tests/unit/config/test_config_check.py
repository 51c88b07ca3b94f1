import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from situs.cli.config import config
from situs.config.check import check_file
from situs.errors import ConfigError

EXAMPLE = Path(__file__).parents[3] / "examples" / "situs.example.yaml"
ENV = {"EXAMPLE_CLOUD_KEY": "x"}
RULE = """\
package situs

allow contains d.name if {
	some d in input.deployments
	%s
}

deny contains {"deployment": d.name, "code": "no"} if {
	some d in input.deployments
	input.label == "restricted"
}
"""


def checked(tmp_path: Path, *edits: tuple[str, str], rule: str | None = None):
    text = EXAMPLE.read_text()
    if rule is not None:
        (tmp_path / "x.rego").write_text(RULE % rule)
        edits = (*edits, ("paths: []", "paths: [x.rego]"))
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "situs.yaml"
    path.write_text(text)
    return check_file(path, ENV)


def test_an_example_has_no_warnings(tmp_path):
    assert checked(tmp_path).warnings == ()


def test_a_context_longer_than_the_weights_have_is_a_warning_with_its_line(tmp_path):
    reading = checked(tmp_path, ("context_tokens: 4096 ", "context_tokens: 999999 "))
    (warning,) = reading.warnings
    assert (warning.path, reading.problems) == ("models.smollm2.context_tokens", ())
    line = (tmp_path / "situs.yaml").read_text().splitlines()[warning.line - 1]
    assert "context_tokens: 999999" in line


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('d.name == "cloud-larg"', "cloud-larg is no name under deployments"),
        ('d.name != "none"', "none is no name under deployments"),
        ('d.name in {"cloud-large", "moon"}', "moon is no name under deployments"),
        ('d.locus.name == "us-clowd"', "us-clowd is no name under loci"),
        ('d.model.name == "larger"', "larger is no name under models"),
    ],
)
def test_a_policy_that_compares_with_a_name_that_nothing_has_is_a_warning(tmp_path, rule, said):
    reading = checked(tmp_path, rule=rule)
    (warning,) = reading.warnings
    assert said in warning.what
    assert warning.file == str(tmp_path / "x.rego")
    assert warning.line == 5
    assert reading.problems == ()


@pytest.mark.parametrize(
    "rule",
    [
        'd.name == "cloud-large"',
        'd.locus.name in {"us-cloud", "workstation"}',
        'd.locus.operator == "moon"',
        'd.model.origin == "cloud-larg"',
        'startswith(d.name, "cloud-")',
        'input.route == "cloud-larg"',
    ],
)
def test_names_that_exist_and_texts_that_are_no_names_are_no_warnings(tmp_path, rule):
    assert checked(tmp_path, rule=rule).warnings == ()


def test_a_policy_that_cannot_be_parsed_is_not_looked_at(tmp_path):
    assert checked(tmp_path, rule="d.name ==").warnings == ()


def test_a_policy_that_cannot_be_loaded_is_a_problem_at_its_own_line(tmp_path):
    reading = checked(tmp_path, rule='d.nam == "cloud-large"')
    (problem,) = reading.problems
    assert (problem.file, problem.line) == (str(tmp_path / "x.rego"), 5)
    assert "nam" in problem.what
    assert reading.config is None
    result = CliRunner().invoke(config, ["check", str(tmp_path / "situs.yaml")], env=ENV)
    assert isinstance(result.exception, ConfigError)
    assert f"{tmp_path / 'x.rego'}:5: " in result.exception.message


def test_a_policy_may_name_a_list_of_the_configuration_and_no_other(tmp_path):
    assert checked(tmp_path, rule="input.findings.project_name > 0").problems == ()
    (problem,) = checked(tmp_path, rule="input.findings.project_nam > 0").problems
    assert "the nearest word is project_name" in problem.what


def test_a_policy_that_is_no_text_is_a_problem_where_it_is_named(tmp_path):
    (tmp_path / "y.rego").write_bytes(b"\xff")
    (problem,) = checked(tmp_path, ("paths: []", "paths: [y.rego]")).problems
    assert problem.path == "policy.paths"
    assert "is not UTF-8 text" in problem.what


def test_a_key_that_is_not_here_is_a_warning_and_one_that_all_may_read_a_problem(tmp_path):
    edit = ("env:EXAMPLE_CLOUD_KEY", "file:cloud.key")
    reading = checked(tmp_path, edit)
    (warning,) = reading.warnings
    assert warning.what == "file:cloud.key: cannot be read (No such file or directory)"
    assert reading.config is not None
    (tmp_path / "cloud.key").write_text("x\n")
    (tmp_path / "cloud.key").chmod(0o644)
    reading = checked(tmp_path, edit)
    assert "open to every user" in reading.problems[0].what
    assert reading.warnings == ()


def test_warnings_are_told_beside_the_answer_and_change_no_exit_code(tmp_path):
    checked(tmp_path, rule='d.name == "cloud-larg"')
    path = str(tmp_path / "situs.yaml")
    result = CliRunner().invoke(config, ["check", path], env=ENV)
    assert result.exit_code == 0
    assert "sound" in result.stdout
    assert result.stderr.startswith(f"warning: {tmp_path / 'x.rego'}:5: cloud-larg is no name")
    assert "did you mean cloud-large?" in result.stderr
    said = json.loads(CliRunner().invoke(config, ["check", path, "--json"], env=ENV).stdout)
    assert said["ok"] is True
    assert len(said["warnings"]) == 1
