"""How upstreams fail, and what the caller and the receipt get: the expected outcome is data."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time

import pytest
from tests.e2e import stage


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("failures")
    with (
        stage.fakes(directory, "office", "national", "us") as fakes,
        stage.running(directory, stage.fleet(fakes)) as gateway,
    ):
        yield gateway, fakes


@pytest.fixture
def gateway(scene):
    return scene[0]


@pytest.fixture(autouse=True)
def well(scene):
    """After each test the office is well, and known to be."""
    yield
    gateway, fakes = scene
    for fake in fakes.values():
        fake.set(mode="ok")
    deadline = time.monotonic() + 20
    while gateway.chat(model="office-llm").status != 200 and time.monotonic() < deadline:
        time.sleep(0.2)


BEFORE_THE_FIRST_BYTE = [
    # mode, streamed too, how the attempt ends
    ("status_500", "server_error"),
    ("status_502", "server_error"),
    ("status_503", "server_error"),
    ("status_401", "server_error"),
    ("status_404", "server_error"),
    ("status_429", "rate_limited"),
    ("hang_before_head", "timeout"),
    ("cut_before_first_byte", "cut"),
    ("html_200", "garbage"),
    ("redirect", "garbage"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("mode", "end"), BEFORE_THE_FIRST_BYTE)
def test_what_fails_before_its_first_byte_is_answered_elsewhere(scene, mode, end, stream):
    gateway, fakes = scene
    # A kept connection that is closed untouched is tried once more on a new one: fail twice.
    fakes["office"].set(mode=mode, once=mode != "cut_before_first_byte")
    answer = gateway.chat(stream=stream)
    assert answer.status == 200
    assert answer.headers["x-situs-attempts"] == "2"
    assert answer.headers["x-situs-reason"] == "failover"
    attempts = gateway.outcome(answer.headers["x-situs-request-id"])["attempts"]
    assert [a["end"] for a in attempts] == [end, "complete"]
    assert attempts[0]["deployment"] == "office-llm"
    assert attempts[0]["peer"]["port"] == fakes["office"].port
    assert attempts[0]["bytes_out"] > 0


@pytest.mark.parametrize(
    ("mode", "end"),
    [("cut_mid_body", "cut"), ("garbage_body", "garbage"), ("hang_after_head", "stalled")],
)
def test_a_broken_body_is_answered_elsewhere(scene, mode, end):
    """A whole answer is sent on only when it is whole, so all of it comes before the first byte."""
    gateway, fakes = scene
    fakes["office"].set(mode=mode, once=True)
    answer = gateway.chat()
    assert answer.status == 200
    attempts = gateway.outcome(answer.headers["x-situs-request-id"])["attempts"]
    assert [a["end"] for a in attempts] == [end, "complete"]


@pytest.mark.parametrize(
    ("mode", "end"),
    [
        ("cut_mid_stream", "cut"),
        ("reset_mid_stream", "cut"),
        ("stall_mid_stream", "stalled"),
        ("garbage_sse", "garbage"),
        ("half_utf8", "garbage"),
        ("error_event", "server_error"),
        ("no_finish", "cut"),
    ],
)
def test_a_stream_that_breaks_after_its_first_byte_ends_in_an_error_event(scene, mode, end):
    gateway, fakes = scene
    fakes["office"].set(mode=mode, after=2, delay_s=0.05, once=True)
    answer = gateway.chat("Tell me something long.", model="office-llm", stream=True)
    assert answer.status == 200
    events = stage.events(answer)
    assert events[0]["choices"]
    assert events[-1]["error"]["code"] == "stream_broken"
    assert "[DONE]" not in events
    outcome = gateway.outcome(answer.headers["x-situs-request-id"])
    assert [a["end"] for a in outcome["attempts"]] == [end]
    assert outcome["code"] == "stream_broken"
    assert outcome["status"] == 200


@pytest.mark.parametrize("mode", ["no_done", "no_usage", "split_utf8", "wrong_model", "huge_chunk"])
def test_odd_but_whole_streams_are_complete(scene, mode):
    gateway, fakes = scene
    fakes["office"].set(mode=mode, once=True)
    answer = gateway.chat(stream=True)
    outcome = gateway.outcome(answer.headers["x-situs-request-id"])
    assert [a["end"] for a in outcome["attempts"]] == ["complete"]
    assert (outcome["usage"] is None) == (mode == "no_usage")


def test_a_retry_after_is_passed_on_when_nobody_else_may(scene):
    gateway, fakes = scene
    fakes["us"].set(mode="status_429", retry_after_s=17, once=True)
    answer = gateway.chat(model="us-llm")
    assert (answer.status, answer.code) == (503, "all_deployments_failed")
    assert answer.headers["retry-after"] == "17"
    for stream in (False, True):
        again = gateway.chat(model="us-llm", stream=stream)
        assert (again.status, again.code) == (503, "no_capacity")
        assert 10 <= int(again.headers["retry-after"]) <= 17


def test_an_endless_stream_ends_when_the_caller_leaves(scene):
    gateway, fakes = scene
    fakes["office"].set(mode="endless_stream", once=True, delay_s=0.01)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.request(
        "POST", stage.CHAT, chat_body(stream=True), {"content-type": "application/json"}
    )
    answer = connection.getresponse()
    request_id = answer.getheader("x-situs-request-id")
    assert answer.read(20)
    hang_up(connection)
    outcome = gateway.outcome(request_id)
    assert [a["end"] for a in outcome["attempts"]] == ["client_gone"]
    usage, [attempt] = outcome["usage"], outcome["attempts"]
    assert usage["counted"]
    assert usage["prompt_tokens"] > 0
    assert usage["completion_tokens"] > 0
    assert outcome["cost"] == attempt["cost"] > 0
    assert closed_by_gateway(fakes["office"])


def test_a_caller_that_leaves_while_waiting_stops_the_upstream(scene):
    gateway, fakes = scene
    fakes["office"].set(mode="hang_before_head", once=True)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.request("POST", stage.CHAT, chat_body(), {"content-type": "application/json"})
    time.sleep(0.2)
    before = len(gateway.lines("outcome"))
    hang_up(connection)
    deadline = time.monotonic() + 0.7  # well before the first-byte timeout of 1 s
    while len(gateway.lines("outcome")) == before:
        assert time.monotonic() < deadline, "it waited on for nobody"
        time.sleep(0.02)
    last = gateway.lines("outcome")[-1]
    assert [a["end"] for a in last["attempts"]] == ["client_gone"]
    assert last["status"] == 499


def test_owned_down_and_nobody_qualified_is_a_clear_503_and_no_byte_leaves(tmp_path):
    """The leak proof: the fake cloud's log shows neither a connection nor a byte."""
    with stage.fakes(tmp_path, "national", "us") as fakes, free_port() as nobody:
        config = stage.fleet(fakes)
        office = stage.merge(
            stage.fleet({"office": fakes["us"]}),
            {"deployments": {"office-llm": {"endpoint": {"url": f"http://127.0.0.1:{nobody}/v1"}}}},
        )
        with stage.running(tmp_path, stage.merge(config, office)) as gateway:
            first = gateway.chat("Card 4111 1111 1111 1111", stream=True)
            assert (first.status, first.code) == (503, "all_deployments_failed")
            assert "office-llm (unreachable)" in first.json["error"]["message"]
            second = gateway.chat("Card 4111 1111 1111 1111")
            assert (second.status, second.code) == (503, "no_capacity")
            assert "unhealthy" in second.json["error"]["message"]
            assert second.headers["retry-after"]
            assert second.headers["x-situs-label"] == "confidential"
            assert gateway.chat("Hello.").status == 200
        assert fakes["us"].traffic() == (0, 0)
        assert fakes["national"].traffic()[0] == 1


def chat_body(**fields):
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": "x"}], **fields})


def hang_up(connection):
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def closed_by_gateway(fake):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        requests = fake.requests()
        log = stage_log(fake)
        ended = [e for e in log if e["event"] == "closed"]
        if requests and any(e["connection"] == requests[-1]["connection"] for e in ended):
            return True
        time.sleep(0.05)
    return False


def stage_log(fake):
    return [json.loads(line) for line in fake.log.read_text().splitlines()]


@contextlib.contextmanager
def free_port():
    """A port on which nobody listens while the context lasts: bound, not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
