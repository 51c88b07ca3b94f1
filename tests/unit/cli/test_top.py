import json
import socket
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from tests import make
from tests.fakes.admin_socket import admin_socket
from tests.unit.telemetry.serving import AT, OWNED, RENTED, attempt, served, status

from situs.cli.top import top
from situs.core.fleet import Condition, Health
from situs.errors import OperatorError
from situs.telemetry.report import Window

PATH = "/situs/v1/status"


def document(**fields) -> bytes:
    window = Window(AT - 100)
    window.add([served(), served(status=502, attempts=(attempt(RENTED),))], AT)
    return msgspec.json.encode(window.report(AT, status(**fields)))


def run(*args: object):
    return CliRunner().invoke(top, [str(arg) for arg in args], env={"COLUMNS": "80"})


@pytest.fixture
def gateway(tmp_path):
    documents = {PATH: document()}
    with admin_socket(tmp_path / "admin.sock", documents):
        yield documents


def test_one_snapshot_shows_every_deployment_in_80_columns(gateway, tmp_path):
    result = run("--data", tmp_path, "--once")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    [owned] = [line for line in lines if line.startswith("office-llm")]
    assert owned.split()[1:5] == ["office", "AU", "healthy", "3/64"]
    [rented] = [line for line in lines if line.startswith("us-llm")]
    assert rented.split()[1:4] == ["us", "US", "unknown"]
    assert "errors 1" in result.output


def test_it_shows_by_what_requests_were_understood(gateway, tmp_path):
    window = Window(AT - 100)
    tiers = [{"task": "fast"}] * 3 + [{"task": "rule", "route": "shed"}]
    window.add([served(tiers=one) for one in tiers], AT)
    gateway[PATH] = msgspec.json.encode(window.report(AT, status()))
    assert "route shed 100  task fast 75 rule 25 %" in run("--data", tmp_path, "--once").output


def test_it_says_why_a_deployment_is_not_well_and_when_it_is_tried_again(gateway, tmp_path):
    shut = {
        "office-llm": Condition(Health.UNHEALTHY, 12.0, "timeout", 3.0, 2),
        "us-llm": Condition(Health.HEALTHY, 50.0),
    }
    gateway[PATH] = document(conditions=shut)
    output = run("--data", tmp_path, "--once").output
    assert "office-llm is unhealthy (timeout) for 12 s; tried again in 3 s" in output
    assert "us-llm is" not in output


def test_long_names_and_large_numbers_still_fit(gateway, tmp_path):
    long = make.deployment("d" * 64, locus=make.locus("l" * 64), max_in_flight=9999)
    window = Window(AT - 60)
    window.add([served(attempts=(attempt(long, ttft_s=123.4),), cost=1e6)] * 9000, AT)
    report = window.report(AT, status(fleet=make.view(long), problems=("index: it is behind",)))
    gateway[PATH] = msgspec.json.encode(report)
    result = run("--data", tmp_path, "--once")
    assert max(map(len, result.output.splitlines())) <= 80
    assert "index: it is behind" in result.output
    assert "0/9999" in result.output


def test_what_looks_like_markup_is_shown_as_it_is(gateway, tmp_path):
    gateway[PATH] = document(problems=("[red]odd[/] [/nothing]",))
    assert "[red]odd[/] [/nothing]" in run("--data", tmp_path, "--once").output


def test_json_is_the_document_itself(gateway, tmp_path):
    result = run("--data", tmp_path, "--once", "--json")
    assert json.loads(result.output) == json.loads(gateway[PATH])


def test_without_a_gateway_it_says_so(tmp_path):
    error = run("--data", tmp_path, "--once").exception
    assert isinstance(error, OperatorError)
    assert str(tmp_path) in error.message
    assert "--data" in error.advice


def test_a_socket_that_a_killed_gateway_left_is_no_gateway(tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "admin.sock"))
    assert "refused" in run("--data", tmp_path, "--once").exception.message


def test_a_path_longer_than_a_sockets_may_be_is_reached(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.chdir(deep)
    with admin_socket(Path("admin.sock"), {PATH: document()}):
        assert run("--data", deep, "--once").exit_code == 0


def test_a_url_is_asked_instead_of_the_socket(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert url in run("--url", url, "--once").exception.message


@pytest.mark.parametrize("url", ["localhost:7488", "ftp://h", "http://"])
def test_what_is_no_url_is_refused(url):
    assert url in run("--url", url, "--once").exception.message


@pytest.mark.parametrize("body", [b"{}", b"not json", b'{"at": "x"}'])
def test_another_document_is_not_taken_for_a_status(gateway, tmp_path, body):
    gateway[PATH] = body
    assert "form" in run("--data", tmp_path, "--once").exception.message


def test_a_gateway_without_a_status_is_told_apart_from_none(gateway, tmp_path):
    gateway.clear()
    assert "404" in run("--data", tmp_path, "--once").exception.message


def test_the_document_reads_back_as_it_was_written():
    from situs.telemetry.report import StatusReport

    report = Window(AT).report(AT + 5, status(fleet=make.view(OWNED)))
    assert msgspec.json.decode(msgspec.json.encode(report), type=StatusReport) == report
