"""What the command line says when a gateway answers something else, or nothing."""

import json
import socket
import threading

import pytest
from click.testing import CliRunner
from tests.fakes.json_server import json_server

from situs.cli.admin import address
from situs.cli.main import cli
from situs.errors import OperatorError, ScopeMissing
from situs.http.errors import envelope

COMMANDS = {
    "explain": (["explain", "Hello."], "/situs/v1/explain"),
    "top": (["top", "--once"], "/situs/v1/status"),
}
NO_SCOPE = ScopeMissing("The key does not have the scope admin, which this path needs.")


def refusal(*arguments):
    error = CliRunner().invoke(cli, arguments).exception
    assert isinstance(error, OperatorError), error
    return error


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_a_base_url_may_end_in_v1_or_not(path):
    assert address(f"http://gateway.example/prefix{path}") == "http://gateway.example/prefix"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("end", ["", "/v1"])
def test_what_a_gateway_says_is_passed_on_with_its_advice(command, end):
    words, path = COMMANDS[command]
    with json_server(403, json.dumps(envelope(NO_SCOPE)).encode()) as (url, asked):
        error = refusal(*words, "--url", url + end)
    assert asked == [path]
    assert "403: The key does not have the scope admin" in error.message
    assert "--scope" in error.message
    assert "$SITUS_API_KEY" in error.advice


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"error": "no"}', b"\xff"])
def test_what_is_no_gateway_is_called_so(command, body):
    with json_server(404, body) as (url, _):
        error = refusal(*COMMANDS[command][0], "--url", url)
    assert "404, and not as a gateway does" in error.message
    assert "Check the URL" in error.advice


def test_explain_says_why_nobody_answers():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        error = refusal("explain", "Hello.", "--url", url)
    assert error.message == f"No gateway answers at {url}: Connection refused."


@pytest.mark.parametrize("key", ["bad\nkey", "k\u20acy", "k\x7fy"])
@pytest.mark.parametrize("command", ["explain", "top", "bench", "train"])
def test_what_can_be_no_key_is_not_sent_and_not_shown(command, key, tmp_path, monkeypatch):
    monkeypatch.setenv("SITUS_API_KEY", key)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.jsonl").write_text('{"prompt": "1+1", "answer": "2"}\n')
    words = {
        **{name: words for name, (words, _) in COMMANDS.items()},
        "bench": ["bench"],
        "train": ["train", "confidence", "own.jsonl", "--ask", "rows.jsonl", "--model", "small"],
    }
    with json_server(200, b"{}") as (url, asked):
        error = refusal(*words[command], "--url", url)
    assert error.message == "SITUS_API_KEY holds characters that no key has."
    assert asked == []


@pytest.mark.parametrize(
    "words",
    [
        ["modes", "compare"],
        ["drill", "blackout"],
        ["policy", "replay"],
        ["train", "routes", "rows.jsonl"],
    ],
)
def test_where_a_page_is_to_be_is_seen_to_before_it_is_made(words, tmp_path):
    option = "--out" if words[0] == "train" else "--html"
    page = tmp_path / "nowhere" / "page"
    done = CliRunner().invoke(cli, [*words, option, str(page)])
    assert done.exit_code == 2
    assert "there is no folder" in done.stderr
    assert "name another file" in " ".join(done.stderr.split())


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("url", ["ftp://x", "http://", "nonsense", "http://h:99999", "http://a b"])
def test_what_is_no_url_is_told(command, url):
    error = refusal(*COMMANDS[command][0], "--url", url)
    assert error.message == f"{url} is no http or https URL."


@pytest.mark.parametrize("command", COMMANDS)
def test_a_host_that_can_not_be_is_nobody(command):
    error = refusal(*COMMANDS[command][0], "--url", f"http://{'a' * 70}")
    assert "No gateway answers at" in error.message


@pytest.mark.parametrize("command", COMMANDS)
def test_what_does_not_speak_http_is_no_gateway(command):
    def answer():
        with server.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(b"220 hello\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        error = refusal(*COMMANDS[command][0], "--url", url)
        thread.join()
    assert error.message == f"No gateway answers at {url}: BadStatusLine."
