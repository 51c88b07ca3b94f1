"""The command line as a user meets it: what it prints, and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.e2e import stage

from situs.core.request import Objective
from situs.placement.objectives import OBJECTIVES

FULL = Path("/dev/full")
EXAMPLE = str(stage.ROOT / "examples" / "three-loci.yaml")


def situs(*arguments, cwd=None, env=None, **options):
    return subprocess.run(
        stage.command(*arguments),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120", **(env or {})},
        **options,
    )


def test_help_lists_every_command_and_each_has_help():
    listed = situs("--help").stdout
    for name in ("up", "serve", "explain", "decisions", "receipts", "policy", "config", "models"):
        assert f"  {name} " in listed
        assert situs(name, "--help").returncode == 0


def test_an_unknown_command_is_a_usage_error():
    done = situs("serv")
    assert done.returncode == 2
    assert "No such command" in done.stderr


def test_explain_decides_without_a_gateway(tmp_path):
    done = situs("explain", "My card is 4111 1111 1111 1111", "--config", EXAMPLE, cwd=tmp_path)
    assert done.returncode == 0
    assert "confidential" in done.stdout
    assert "deny: not_under_our_control" in done.stdout
    assert "It would go to office-smollm2." in done.stdout


def test_explain_as_json_has_every_filter_and_scorer(tmp_path):
    done = situs("explain", "Hello", "--config", EXAMPLE, "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told["pick"] == "office-smollm2"
    assert {"model", "health", "context_window", "tools"} <= set(told["deployments"][0]["filters"])
    ranked = told["decision"]["placement"]["ranked"]
    assert set(ranked[0]["scores"]) == set(OBJECTIVES[Objective.CHEAPEST_ADEQUATE].weights)


def test_explain_takes_a_request_file_labels_and_objectives(tmp_path):
    file = tmp_path / "request.json"
    file.write_text('{"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}')
    done = situs(
        *("explain", "--file", str(file), "--config", EXAMPLE, "--json"),
        *("--label", "internal", "--objective", "best"),
        cwd=tmp_path,
    )
    told = json.loads(done.stdout)["decision"]
    assert told["analysis"]["label"] == "internal"
    assert told["placement"]["objective"] == "best"


def test_explain_without_a_fleet_uses_the_embedded_one(tmp_path):
    done = situs("explain", "Hello", cwd=tmp_path)
    assert "It would go to local-smollm2." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Give TEXT or --file"),
        (["Hello", "--url", "ftp://x"], "http://"),
        (["Hello", "--label", "secret"], "'--label'"),
        (["Hello", "--objective", "quick"], "'--objective'"),
        (["Hello", "--model", "nobody"], "No deployment, model or route has this name"),
        (["--file", "-", "--model", "auto"], "leave --model out"),
        (["Hello", "--url", "http://127.0.0.1:9"], "No gateway answers"),
        (["Hello", "--config", "absent.yaml"], "absent.yaml"),
    ],
)
def test_explain_says_what_is_wrong(tmp_path, arguments, told):
    done = situs("explain", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_explain_asks_a_running_gateway(tmp_path):
    with (
        stage.fakes(tmp_path, "office") as fakes,
        stage.running(tmp_path, stage.fleet(fakes)) as gateway,
    ):
        done = situs("explain", "Hello", "--url", gateway.url)
        assert "It would go to office-llm." in done.stdout
        assert fakes["office"].traffic() == (0, 0)
        refused = situs("explain", "Hello", "--model", "nobody", "--url", gateway.url)
        assert refused.returncode == 2
        assert "404" in refused.stderr


def test_doctor_says_what_is_missing_and_what_to_do(tmp_path):
    done = situs("doctor", "--config", EXAMPLE, "--data", str(tmp_path / "d"), "--json")
    assert done.returncode == 1
    problems = {f["feature"]: f for f in json.loads(done.stdout) if f["condition"] == "problem"}
    assert "situs models pull" in problems["model office-smollm2"]["do"]
    assert "env:" in problems["endpoint us-large"]["because"]
    shown = situs("doctor", "--config", EXAMPLE, "--data", str(tmp_path / "d"))
    assert shown.stdout.splitlines()[-1] == f"{len(problems)} problems"


ONE_PROBLEM = """\
version: 1
home: AU
loci: {cloud: {kind: public_cloud, jurisdiction: AU, owned: false}}
models: {large: {capability: frontier, context_tokens: 4096}}
deployments:
  there:
    model: large
    locus: cloud
    endpoint: {url: "https://h.example/v1", key: "env:NEVER_SET_HERE"}
    price: {currency: USD, prompt: 1, completion: 1}
"""


def test_doctor_counts_one_problem_as_one(tmp_path):
    (tmp_path / "situs.yaml").write_text(ONE_PROBLEM)
    done = situs("doctor", "--data", str(tmp_path / "d"), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 problem"


def test_doctor_sees_a_running_gateway_and_its_receipts(tmp_path):
    with (
        stage.fakes(tmp_path, "office", "national") as fakes,
        stage.running(tmp_path, stage.fleet(fakes)) as gateway,
    ):
        gateway.chat()
        file = str(tmp_path / "situs.yaml")
        done = situs("doctor", "--config", file, "--data", str(gateway.data), "--json")
        found = {f["feature"]: f for f in json.loads(done.stdout)}
        assert done.returncode == 0
        where = f"process {gateway.process.pid} listens on {gateway.url}"
        assert found["gateway"]["because"].startswith(where)
        assert found["receipts"]["because"] == "every chain verifies"
    (gateway.data / "receipts").rename(tmp_path / "gone")
    done = situs("doctor", "--config", file, "--data", str(gateway.data), "--json")
    found = {f["feature"]: f for f in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["receipts"]["condition"] == "problem"


def test_explain_fits_into_80_columns(tmp_path):
    shown = situs("explain", "Hi", "--config", EXAMPLE, cwd=tmp_path, env={"COLUMNS": "80"}).stdout
    lines = [line.split() for line in shown.splitlines()]
    figures = lines.index(["deployment", "quality", "cost", "TTFT", "E2E", "cached"])
    assert {len(row) for row in lines[figures + 1 : figures + 4]} == {10}
    weighed = ["lat.", "x0.3", "load", "x0.3", "health", "x0.2", "prefix", "x0.2"]
    scores = lines.index(["deployment", "score", *weighed])
    assert {len(row) for row in lines[scores + 1 : scores + 4]} == {7}


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "file").write_text("in the way")
    done = situs(
        "receipts", "export", str(tmp_path / "file" / "x"), "--data", str(tmp_path / "data")
    )
    assert done.returncode == 2
    assert done.stderr.startswith("situs: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_a_full_standard_output_is_one_line(tmp_path):
    with FULL.open("w") as full:
        done = written_to(full, "explain", "Hi", "--config", EXAMPLE)
    assert done.returncode == 2
    assert done.stderr == "situs: No space left on device\n"


def test_nobody_reads_and_nobody_complains():
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        done = written_to(pipe, "config", "example")
    assert (done.returncode, done.stderr) == (1, "")


def written_to(file, *arguments):
    command = stage.command(*arguments)
    return subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, timeout=60)


def test_completion_is_a_script():
    for shell in ("bash", "zsh", "fish"):
        assert "_SITUS_COMPLETE" in situs("completion", shell).stdout


@pytest.mark.parametrize(
    ("document", "task"),
    [
        ({"model": "auto", "input": ["one", "two"]}, "embedding"),
        ({"model": "auto", "prompt": "Once upon a time"}, None),
    ],
)
def test_explain_reads_a_request_of_any_wire(tmp_path, document, task):
    file = tmp_path / "request.json"
    file.write_text(json.dumps(document))
    done = situs("explain", "--file", str(file), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert task in (None, said["decision"]["analysis"]["task"])
    served = {"embedding": "local-minilm", None: "local-smollm2"}[task]
    assert said["pick"] == served
