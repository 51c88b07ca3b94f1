"""`situs policy replay` and `diff`, as a person and as a pipeline calls them."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from tests.unit.studies.replaying import (
    ANYWHERE,
    AT,
    NOBODY,
    OWNED,
    decided,
    policy,
    times,
    written,
)

from situs.cli.main import cli
from situs.errors import ConfigError, PolicyError, SegmentError

CONFIG = """
version: 1
home: AU
loci: {rack: {kind: on_prem, jurisdiction: AU, owned: true}}
models: {small: {capability: small, context_tokens: 8192}}
deployments:
  llm:
    {model: small, locus: rack, endpoint: {url: "http://127.0.0.1:9/v1"},
     price: {currency: USD, prompt: 1, completion: 1}}
"""


def situs(*arguments, code=0):
    called = CliRunner().invoke(cli, ["policy", *map(str, arguments)])
    if called.exception is not None and not isinstance(called.exception, SystemExit):
        raise called.exception
    assert called.exit_code == code, called.output
    return called


@pytest.fixture
def data(tmp_path):
    return written(tmp_path / "data", *times(decided(policy(OWNED)), 3))


@pytest.fixture
def anywhere(tmp_path):
    return file_of(tmp_path, "anywhere", ANYWHERE)


def file_of(folder, name, *rules):
    path = folder / f"{name}.rego"
    path.write_text(policy(*rules).source.modules[0].text)
    return path


def test_it_says_what_changes_and_gives_an_example(data, anywhere):
    called = situs("replay", "--policy", anywhere, "--data", data)
    assert "3 decisions" in called.stdout
    row = next(line for line in called.stdout.splitlines() if "public -> far" in line)
    assert "req_000" in row
    assert called.stderr == ""


def test_a_gate_that_is_shut_exits_with_one_and_says_why(data, anywhere):
    replay = ("replay", "--policy", anywhere, "--data", data)
    assert (
        "failed: newly may leave owned loci: 3"
        in situs(*replay, "--fail-on", "left", code=1).stdout
    )
    situs(*replay, "--fail-on", "denied")
    situs(*replay, "--fail-on", "denied", "--fail-on", "moved", code=1)
    situs(*replay, "--fail-on", "never")


def test_json_has_all_of_it(data, anywhere):
    found = json.loads(situs("replay", "--policy", anywhere, "--data", data, "--json").stdout)
    assert (found["replayed"], found["changes"]["left"]["decisions"]) == (3, 3)
    assert found["changes"]["left"]["ways"][0]["examples"] == ["req_000", "req_001", "req_002"]
    assert found["failed"] == []


def test_the_page_needs_nothing_else(data, anywhere, tmp_path):
    page = tmp_path / "page.html"
    situs("replay", "--policy", anywhere, "--data", data, "--html", page)
    text = page.read_text("utf-8")
    assert "req_001" in text
    assert "newly may leave owned loci" in text
    assert re.findall(r"https?:|src=|@import|url\(|<script", text) == []


def test_two_policies_can_be_compared(data, anywhere, tmp_path):
    nobody = file_of(tmp_path, "nobody", NOBODY)
    found = json.loads(situs("diff", anywhere, nobody, "--data", data, "--json").stdout)
    assert found["changes"]["denied"]["decisions"] == 3
    assert found["old"] != found["new"]
    situs("diff", anywhere, nobody, "--data", data, "--fail-on", "denied", code=1)
    situs("diff", nobody, nobody, "--data", data, "--fail-on", "moved")


def test_the_configured_policy_is_the_one_without_another(tmp_path):
    config = tmp_path / "situs.yaml"
    config.write_text(CONFIG + "policy: {paths: [own.rego]}\n")
    file_of(tmp_path, "own", OWNED)
    data = written(tmp_path / "data", *times(decided(policy(OWNED)), 2))
    found = json.loads(situs("replay", "--config", config, "--data", data, "--json").stdout)
    assert found["replayed"] == 2
    assert all(change["decisions"] == 0 for change in found["changes"].values())


def test_an_opa_server_is_not_asked_about_the_past(tmp_path, data):
    config = tmp_path / "situs.yaml"
    config.write_text(CONFIG + 'policy: {engine: {kind: opa, url: "http://127.0.0.1:8181"}}\n')
    with pytest.raises(PolicyError, match="OPA"):
        situs("replay", "--config", config, "--data", data)


def test_what_the_record_lacks_is_told_aloud(data, tmp_path):
    [path] = (data / "receipts").glob("*/*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"groups":[]', b'"groupz":[]'))
    rule = 'allow contains d.name if { some d in input.deployments; "x" in input.principal.groups }'
    asks = file_of(tmp_path, "asks", OWNED, rule)
    called = situs("replay", "--policy", asks, "--data", data)
    assert called.stderr.startswith("warning: a policy reads input.principal")
    situs("replay", "--policy", asks, "--data", data, "--fail-on", "left", code=1)


def test_times_and_samples(data, anywhere):
    replay = ("replay", "--policy", anywhere, "--data", data, "--json")
    found = json.loads(situs(*replay, "--since", "2025-06-15T15:06:41").stdout)
    assert (found["since"], found["replayed"]) == (AT + 1, 2)
    assert json.loads(situs(*replay, "--sample", "10").stdout)["replayed"] == 3
    with pytest.raises(SegmentError):
        situs(*replay, "--since", "1d")
    situs(*replay, "--since", "yesterday", code=2)


def test_nothing_to_replay_is_an_error(tmp_path, anywhere):
    with pytest.raises(SegmentError, match="no decision"):
        situs("replay", "--policy", anywhere, "--data", tmp_path)


def test_a_policy_that_may_not_be_loaded_is_refused(data, tmp_path):
    bad = tmp_path / "bad.rego"
    bad.write_text("package situs\nimport rego.v1\nallow contains 1 if input.nope\n")
    with pytest.raises(PolicyError):
        situs("replay", "--policy", bad, "--data", data)
    with pytest.raises(ConfigError):
        situs("replay", "--data", data, "--config", tmp_path / "none.yaml")
