"""`situs bench` against whoever listens: what it takes for an answer, and how it ends."""

from __future__ import annotations

import json
import socket

import pytest
from click.testing import CliRunner
from tests.fakes.json_server import json_server
from tests.unit.cli.test_feedback_command import CONFIG

from situs.cli.main import cli
from situs.errors import MissingKey, OperatorError
from situs.http.errors import envelope


def events(*said, end="data: [DONE]\n\n"):
    return ("".join(f"data: {json.dumps(one)}\n\n" for one in said) + end).encode()


def piece(content, finish=None):
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]}


@pytest.fixture
def bench(tmp_path):
    (tmp_path / "situs.yaml").write_text(CONFIG)
    (tmp_path / "own.jsonl").write_text('{"prompt": "1+1", "answer": "2"}\n')
    words = ["--config", tmp_path / "situs.yaml", "--file", tmp_path / "own.jsonl"]

    def run(url):
        given = ["bench", *words, "--data", tmp_path / "data", "--json", "--url", url]
        return CliRunner().invoke(cli, [str(one) for one in given])

    return run


def asked(done):
    [one] = json.loads(done.stdout)["asked"]
    return one


def test_an_answer_needs_no_usage(bench):
    with json_server(200, events(piece("2"), piece("", "stop"))) as (url, paths):
        done = bench(url)
    assert done.exit_code == 0, done.stderr
    assert asked(done)["right"] is True
    assert paths[-1] == "/v1/chat/completions"


@pytest.mark.parametrize(
    "body",
    [
        events(piece("2", "stop"), end=""),
        events(piece("2")),
        events(piece([{"type": "text", "text": "2"}])),
        events({"choices": [None, 3, {"delta": "2"}]}, {"choices": {}}, {"error": "no"}),
        events({"usage": [1], "situs": {"cost": "much"}}),
        b"<html>\n\xff",
        b'data: {"\xff": 1}\n',
        b"data: " + b'{"a":' * 100_000 + b"\n",
    ],
)
def test_what_does_not_end_is_no_answer_and_without_any_it_has_failed(bench, body):
    with json_server(200, body) as (url, _):
        done = bench(url)
    assert done.exit_code == 1, done.exception
    assert asked(done)["code"] == "stream_broken"


def test_facts_that_are_none_are_left_out(bench):
    facts = {"usage": {"prompt_tokens": "3"}, "situs": {"cost": "1e USD"}}
    with json_server(200, events({**piece("2", "stop"), **facts})) as (url, _):
        done = bench(url)
    assert asked(done)["right"] is True
    assert "cost" not in asked(done)


@pytest.mark.parametrize("body", [b'{"error":"no"}', b"[]", b""])
def test_what_is_no_gateway_is_told_at_once(bench, body):
    with json_server(500, body) as (url, paths):
        error = bench(url).exception
    assert isinstance(error, OperatorError)
    assert "500, and not as a gateway does" in error.message
    assert len(paths) == 1


def test_a_key_that_is_missing_is_told_at_once_in_the_gateways_words(bench):
    said = json.dumps(envelope(MissingKey("The request has no API key."))).encode()
    with json_server(401, said) as (url, paths):
        error = bench(url).exception
    assert isinstance(error, OperatorError)
    assert "401: The request has no API key." in error.message
    assert len(paths) == 1


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://x:99999", "http://[x"])
def test_what_is_no_url_is_told(bench, url):
    error = bench(url).exception
    assert isinstance(error, OperatorError)
    assert error.message == f"{url} is no http or https URL."


def test_where_nobody_listens_it_is_told(bench):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        error = bench(url).exception
    assert isinstance(error, OperatorError)
    assert error.message == f"No gateway answers at {url}: Connection refused."
