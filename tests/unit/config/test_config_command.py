import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from situs.cli.config import config
from situs.config.check import check_file
from situs.config.load import load, parse
from situs.errors import ConfigError

EXAMPLES = Path(__file__).parents[3] / "examples"
VALUE = "not-a-real-key"


def run(*args: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(config, [str(arg) for arg in args], env=env)


def example(tmp_path: Path, old: str = "", new: str = "") -> Path:
    text = (EXAMPLES / "situs.example.yaml").read_text()
    assert old in text
    path = tmp_path / "situs.yaml"
    path.write_text(text.replace(old, new, 1) if old else text)
    return path


def test_check_says_that_a_file_is_sound():
    result = run("check", EXAMPLES / "workstation.yaml")
    assert result.exit_code == 0
    assert result.output.endswith("workstation.yaml: sound; 1 deployment\n")


def test_check_shows_the_effective_tree_with_secrets_as_references():
    path = EXAMPLES / "three-loci.yaml"
    env = {"SOVEREIGN_CLOUD_KEY": VALUE, "PUBLIC_CLOUD_KEY": VALUE}
    result = run("check", path, "--print", env=env)
    assert result.exit_code == 0
    assert VALUE not in result.output
    assert "port: 7488" in result.output
    assert parse(result.output) == load(path)


def test_check_warns_of_a_missing_secret_where_it_is_named(tmp_path):
    path = example(tmp_path)
    reading = check_file(path, environ={})
    (problem,) = reading.warnings
    assert reading.problems == ()
    line = path.read_text().splitlines()[problem.line - 1]
    assert "key: env:EXAMPLE_CLOUD_KEY" in line
    assert problem.path == "deployments.cloud-large.endpoint.key"
    assert problem.what == "env:EXAMPLE_CLOUD_KEY: not set in the environment"


def test_check_reports_policy_files_that_are_not_there(tmp_path):
    path = example(tmp_path, "paths: []", "paths: [mine.rego, empty, full]")
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "x.rego").write_text("package situs\n")
    (tmp_path / "empty" / "readme.txt").write_text("no policy\n")
    found = check_file(path, environ={"EXAMPLE_CLOUD_KEY": VALUE}).problems
    assert [(p.path, p.what) for p in found] == [
        ("policy.paths.0", "no such file or folder"),
        ("policy.paths.1", "no .rego file in this folder"),
    ]


def test_check_reports_weights_that_are_in_no_lock(tmp_path):
    path = example(tmp_path, "SmolLM2-135M-Instruct.Q4_1", "SmolLM2-135M-Instruct.Q4")
    (problem,) = check_file(path, environ={"EXAMPLE_CLOUD_KEY": VALUE}).problems
    assert problem.path == "models.smollm2.file"
    assert problem.nearest == "SmolLM2-135M-Instruct.Q4_1"


def test_check_raises_one_error_with_every_problem(tmp_path):
    result = run("check", example(tmp_path, "home: AU", "home: UK"))
    assert isinstance(result.exception, ConfigError)
    assert "home: not a country of ISO 3166-1; did you mean GB?" in result.exception.message
    assert result.exception.advice == ""


@pytest.mark.parametrize(("old", "new", "code"), [("", "", 0), ("port: 7488", "prot: 1", 2)])
def test_check_speaks_json(tmp_path, old, new, code):
    path = example(tmp_path, old, new)
    result = run("check", path, "--json", "--print", env={"EXAMPLE_CLOUD_KEY": VALUE})
    said = json.loads(result.output)
    assert result.exit_code == code
    assert said["ok"] is (code == 0)
    assert (said["config"] is None) is (code == 2)
    if code:
        assert said["problems"][0]["nearest"] == "port"
        assert said["problems"][0]["line"] == 18
        assert said["problems"][0]["column"] == 3


def test_check_without_a_file_says_how_to_begin(tmp_path):
    result = run("check", tmp_path / "situs.yaml")
    assert isinstance(result.exception, ConfigError)
    assert "situs config example" in result.exception.advice


def test_schema_and_example_are_printed():
    assert json.loads(run("schema").output)["title"] == "Situs configuration"
    assert parse(run("example").output).deployments
