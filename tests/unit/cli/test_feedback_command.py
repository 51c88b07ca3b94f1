"""`situs feedback` on a data directory with answers."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tests.unit.stores.writing import indexed

from situs.cli.main import cli
from situs.errors import InvalidRequest

CONFIG = """version: 1
loci: {here: {kind: device, jurisdiction: AU, owned: true}}
models:
  small: {capability: small, context_tokens: 8192}
deployments:
  one:
    model: small
    locus: here
    endpoint: {url: "http://127.0.0.1:1/v1"}
    price: {currency: USD, prompt: 0.1, completion: 0.1}
"""


@pytest.fixture
def data(tmp_path):
    return indexed(tmp_path / "data", 1)


def run(data, *given):
    return CliRunner().invoke(
        cli, ["feedback", *given, "--data", str(data)], catch_exceptions=False
    )


def test_what_is_sent_is_listed(data):
    sent = run(data, "send", "req-000000001", "0.5", "--by", "alice", "--source", "review")
    assert sent.output == "req-000000001: 0.5 for small (chat, small)\n"
    [one] = json.loads(run(data, "list", "--json").output)
    assert (one["by"], one["score"], one["source"], one["trusted"]) == (
        "alice",
        0.5,
        "review",
        True,
    )
    assert "alice" in run(data, "list").output


def test_nothing_is_listed_where_nothing_was_said(data):
    assert run(data, "list").output == "Nothing was said of answers.\n"


@pytest.mark.parametrize(
    "given",
    [
        *(("x", "2"), ("x", "inf"), ("x", "one")),
        *(("x", "1", "--source", said) for said in ("two words", "4111111111111111", "a" * 21)),
    ],
)
def test_what_is_no_score_or_word_is_refused(data, given):
    assert run(data, "send", *given).exit_code == 2


def test_what_is_no_number_is_no_score(data):
    with pytest.raises(InvalidRequest, match="from 0 to 1"):
        run(data, "send", "req-000000001", "nan")
    assert run(data, "list").output == "Nothing was said of answers.\n"


def test_what_is_on_no_record_is_refused(data):
    with pytest.raises(InvalidRequest, match="on record"):
        run(data, "send", "req-unknown", "1")


def test_without_a_configuration_it_is_said_whose_models_these_are(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run(data, "beliefs")
    assert "give the gateway's file as --config" in said.stderr
    (tmp_path / "situs.yaml").write_text(CONFIG)
    assert "--config" not in run(data, "beliefs").stderr


def test_beliefs_are_shown_with_what_they_hold_between(data, tmp_path):
    config = tmp_path / "situs.yaml"
    config.write_text(CONFIG)
    before = run(data, "beliefs", "--config", str(config))
    assert "capability class speaks" in before.output
    run(data, "send", "req-000000001", "0", "--by", "alice")
    found = json.loads(run(data, "beliefs", "--config", str(config), "--json").output)
    [exact] = [b for b in found["beliefs"] if (b["kind"], b["needs"]) == ("chat", "small")]
    assert 0.7 < exact["mean"] < 0.9
    assert exact["low"] < exact["mean"] < exact["high"]
    assert exact["ratings"] == {"person": 1, "bench": 0, "cascade": 0, "shadow": 0}
    assert "chat" in run(data, "beliefs", "--config", str(config)).output


def test_what_a_bench_found_has_a_column_of_its_own(data, tmp_path):
    config = tmp_path / "situs.yaml"
    config.write_text(CONFIG)
    words = ("beliefs", "--config", str(config), "--json")
    run(data, "send", "req-000000001", "0", "--by", "alice")
    by_hand = json.loads(run(data, *words).output)["beliefs"]
    run(data, "send", "req-000000001", "0", "--by", "alice", "--source", "bench")
    found = json.loads(run(data, *words).output)["beliefs"]
    assert {"person": 0, "bench": 1, "cascade": 0, "shadow": 0} in [b["ratings"] for b in found]
    assert [round(one["mean"], 3) for one in found] == [round(one["mean"], 3) for one in by_hand]
