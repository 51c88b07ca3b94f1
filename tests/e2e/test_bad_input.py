"""Bad input over HTTP: a clear error in OpenAI's shape, and nothing leaves."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from tests.e2e import stage

CANARY = "canary-7f3a91"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bad_input")
    with (
        stage.fakes(directory, "office", "us") as fakes,
        stage.running(directory, stage.fleet(fakes)) as gateway,
    ):
        yield gateway, fakes


@pytest.fixture
def gateway(scene):
    gateway, fakes = scene
    before = [fake.traffic() for fake in fakes.values()]
    yield gateway
    assert [fake.traffic() for fake in fakes.values()] == before, "something left"


USER = [{"role": "user", "content": "x"}]
NESTED = b'{"model":"auto","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

BODIES = {
    "empty": (b"", "invalid_request", None),
    "malformed JSON": (b'{"model": "auto", "messages"', "invalid_request", None),
    "no object": (b"[1, 2]", "invalid_request", None),
    "a second document": (b"{} {}", "invalid_request", None),
    "NaN": (b'{"model": "auto", "messages": [], "x": NaN}', "invalid_request", None),
    "a byte order mark": (b"\xef\xbb\xbf{}", "invalid_request", None),
    "invalid UTF-8": (b'{"model": "auto", "messages": "\xff"}', "invalid_request", None),
    "half a surrogate": (b'{"model": "auto", "messages": "\\ud800"}', "invalid_request", None),
    "nested too deeply": (NESTED, "invalid_request", None),
    "no model": ({"messages": USER}, "invalid_request", None),
    "no messages": ({"model": "auto"}, "invalid_request", None),
    "empty messages": ({"model": "auto", "messages": []}, "invalid_request", "messages"),
    "messages of a wrong type": (
        {"model": "auto", "messages": CANARY},
        "invalid_request",
        "messages",
    ),
    "a message without a role": (
        {"model": "auto", "messages": [{"content": CANARY}]},
        "invalid_request",
        "messages[0]",
    ),
    "content of a wrong type": (
        {"model": "auto", "messages": [{"role": "user", "content": 7}]},
        "invalid_request",
        "messages[0].content",
    ),
    "a model of a wrong type": ({"model": 7, "messages": USER}, "invalid_request", "model"),
    "stream of a wrong type": (
        {"model": "auto", "messages": USER, "stream": CANARY},
        "invalid_request",
        "stream",
    ),
    "max_tokens below one": (
        {"model": "auto", "messages": USER, "max_tokens": 0},
        "invalid_request",
        "max_tokens",
    ),
    "an unknown model": ({"model": CANARY, "messages": USER}, "model_not_found", "model"),
    "an endless model name": (
        {"model": "m" * 300, "messages": USER},
        "invalid_request",
        "model",
    ),
}


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("path", [stage.CHAT, "/situs/v1/explain"])
def test_a_bad_body_is_told_what_is_wrong_and_never_quoted(gateway, case, path):
    body, code, param = BODIES[case]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = gateway.call("POST", path, raw)
    error = envelope(answer)
    assert answer.status == (404 if code == "model_not_found" else 400)
    assert (error["code"], error["param"]) == (code, param)
    assert CANARY not in answer.body.decode()


COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"
BATCH_PATHS = [(COMPLETIONS, "prompt"), (EMBEDDINGS, "input")]

ANY_BODIES = [
    "empty",
    "malformed JSON",
    "no object",
    "a second document",
    "NaN",
    "a byte order mark",
    "invalid UTF-8",
    "half a surrogate",
    "nested too deeply",
]

BATCH_VALUES: dict[str, tuple[Any, str]] = {
    "nothing": (None, ""),
    "a number": (7, ""),
    "an object": ({CANARY: CANARY}, ""),
    "an empty list": ([], ""),
    "a list of an empty list": ([[]], "[0]"),
    "a text and a number": ([CANARY, 7], "[1]"),
    "a number and a text": ([7, CANARY], "[1]"),
    "a list and a text": ([[7], CANARY], "[1]"),
    "a list of lists of texts": ([[CANARY]], "[0][0]"),
    "an object in a list": ([{"text": CANARY}], "[0]"),
    "a fraction": ([1.5], "[0]"),
    "a negative id": ([5, -1], "[1]"),
    "an endless id": ([2**40], "[0]"),
    "a truth": ([True], "[0]"),
    "lists three deep": ([[[7]]], "[0][0]"),
    "too many": ([CANARY] * 2049, ""),
    "too many lists": ([[7]] * 2049, ""),
}

FIELDS = [
    (COMPLETIONS, {"prompt": CANARY, "suffix": 7}, "suffix"),
    (COMPLETIONS, {"prompt": CANARY, "echo": CANARY}, "echo"),
    (COMPLETIONS, {"prompt": CANARY, "n": 0}, "n"),
    (COMPLETIONS, {"prompt": CANARY, "n": 10**9}, "n"),
    (COMPLETIONS, {"prompt": CANARY, "best_of": CANARY}, "best_of"),
    (COMPLETIONS, {"prompt": CANARY, "max_tokens": -1}, "max_tokens"),
    (COMPLETIONS, {"prompt": CANARY, "stream": CANARY}, "stream"),
    (COMPLETIONS, {"prompt": CANARY, "stream_options": CANARY}, "stream_options"),
    (COMPLETIONS, {"prompt": CANARY, "model": ["auto"]}, "model"),
    (COMPLETIONS, {"prompt": CANARY, "model": CANARY}, "model"),
    (EMBEDDINGS, {"input": ""}, "input"),
    (EMBEDDINGS, {"input": [CANARY, ""]}, "input[1]"),
    (EMBEDDINGS, {"input": CANARY, "encoding_format": CANARY}, "encoding_format"),
    (EMBEDDINGS, {"input": CANARY, "dimensions": 0}, "dimensions"),
    (EMBEDDINGS, {"input": CANARY, "dimensions": 10**9}, "dimensions"),
    (EMBEDDINGS, {"input": CANARY, "user": [CANARY]}, "user"),
    (EMBEDDINGS, {"input": CANARY, "stream": True}, "stream"),
    (EMBEDDINGS, {"input": CANARY, "model": ""}, "model"),
]


def test_a_bad_body_is_told_on_every_wire(gateway):
    for path, _ in BATCH_PATHS:
        for case in ANY_BODIES:
            answer = gateway.call("POST", path, BODIES[case][0])
            assert (answer.status, envelope(answer)["code"]) == (400, "invalid_request"), case


@pytest.mark.parametrize(("path", "field"), BATCH_PATHS)
@pytest.mark.parametrize("case", BATCH_VALUES)
def test_a_bad_prompt_or_input_is_named_and_never_quoted(gateway, path, field, case):
    value, where = BATCH_VALUES[case]
    answer = gateway.call("POST", path, json.dumps({"model": "auto", field: value}).encode())
    error = envelope(answer)
    assert (answer.status, error["code"]) == (400, "invalid_request")
    assert error["param"] == f"{field}{where}"
    assert CANARY not in answer.body.decode()


@pytest.mark.parametrize(("path", "fields", "param"), FIELDS)
def test_a_bad_field_is_named_and_never_quoted(gateway, path, fields, param):
    answer = gateway.call("POST", path, json.dumps({"model": "auto", **fields}).encode())
    assert answer.status == (404 if fields.get("model") == CANARY else 400)
    assert envelope(answer)["param"] == param
    assert CANARY not in answer.body.decode()


def test_of_a_field_twice_the_last_counts_on_every_wire(gateway):
    for path, field in BATCH_PATHS:
        body = f'{{"model": "auto", "{field}": "x", "{field}": []}}'.encode()
        assert envelope(gateway.call("POST", path, body))["param"] == field


def test_every_wire_needs_its_method_and_json(gateway):
    for path, field in BATCH_PATHS:
        assert gateway.call("GET", path).code == "method_not_allowed"
        body = json.dumps({"model": "auto", field: "x"}).encode()
        answer = gateway.call("POST", path, body, content_type="text/plain")
        assert (answer.status, answer.code) == (415, "unsupported_media_type")


def test_a_large_batch_within_the_limit_is_judged(gateway):
    """20 MB in 2,000 texts: each is short enough, nothing embeds here."""
    body = json.dumps({"model": "auto", "input": ["word " * 1900] * 2000}).encode()
    answer = gateway.call("POST", EMBEDDINGS, body)
    assert (answer.status, answer.code) == (422, "no_deployment_fits")
    message = envelope(answer)["message"]
    assert "no_embeddings" in message
    assert "context_too_small" not in message


def envelope(answer):
    """OpenAI's error shape, exactly."""
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


def test_a_body_over_the_limit_is_refused_before_it_is_read(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as raw:
        raw.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            b"content-type: application/json\r\ncontent-length: 21000000\r\n\r\n"
        )
        answer = b"".join(iter(lambda: read(raw), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    error = json.loads(body)["error"]
    assert error["code"] == "request_too_large"
    assert "larger than 20 MB" in error["message"]
    assert "server.max_body_mb" in error["message"]


def test_a_chunked_body_over_the_limit_is_refused(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as raw:
        raw.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        answer = b""
        try:
            for _ in range(25):
                raw.sendall(chunk)
        except OSError:  # it may hang up as soon as it has answered
            pass
        while part := read(raw):
            answer += part
        assert answer.startswith(b"HTTP/1.1 413 ") or answer == b""


def read(raw):
    try:
        return raw.recv(4096)
    except OSError:
        return b""


def test_a_large_body_within_the_limit_is_judged(gateway):
    """20 MB of text: found too long for every context window, not an error of the gateway."""
    answer = gateway.chat("word " * 3_900_000)
    assert (answer.status, answer.code) == (422, "no_deployment_fits")
    assert "context_too_small" in envelope(answer)["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "unknown_path"),
        ("GET", "/v1/nothing", 404, "unknown_path"),
        ("POST", "/v1/chat/completions/", 404, "unknown_path"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("PUT", "/livez", 405, "method_not_allowed"),
        ("GET", "/v1/models/nobody", 404, "model_not_found"),
        ("GET", "/v1/chat/../../etc/passwd", 404, "unknown_path"),
    ],
)
def test_a_wrong_path_or_method_is_told(gateway, method, path, status, code):
    answer = gateway.call(method, path, b"{}" if method != "GET" else None)
    assert (answer.status, envelope(answer)["code"]) == (status, code)


@pytest.mark.parametrize(
    ("headers", "param"),
    [
        ({"x_situs_label": CANARY}, "x-situs-label"),
        ({"x_situs_label": ""}, "x-situs-label"),
        ({"x_situs_objective": "cheapest"}, "x-situs-objective"),
        ({"x_situs_max_cost": "-1"}, "x-situs-max-cost"),
        ({"x_situs_max_cost": "nan"}, "x-situs-max-cost"),
        ({"x_situs_deadline": "soon"}, "x-situs-deadline"),
        ({"x_situs_criticality": "high"}, "x-situs-criticality"),
        ({"x_situs_session": "s" * 300}, "x-situs-session"),
        ({"x_situs_lable": "public"}, "x-situs-lable"),
    ],
)
def test_a_header_that_cannot_be_meant_is_an_error(gateway, headers, param):
    answer = gateway.chat(headers=headers)
    error = envelope(answer)
    assert (answer.status, error["param"]) == (400, param)
    assert CANARY not in error["message"]


def test_a_misspelt_header_is_told_the_nearest(gateway):
    message = gateway.chat(headers={"x_situs_lable": "public"}).json["error"]["message"]
    assert "Did you mean x-situs-label?" in message


BROWSER = [
    ({"origin": "https://evil.example"}, 403, "origin_refused"),
    ({"origin": "null"}, 403, "origin_refused"),
    ({"origin": "http://localhost:3000"}, 403, "origin_refused"),
    ({"host": "rebound.example:7488"}, 403, "origin_refused"),
    ({"content_type": "text/plain"}, 415, "unsupported_media_type"),
    ({"content_type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    ({"content_type": ""}, 415, "unsupported_media_type"),
]


@pytest.mark.parametrize(("headers", "status", "code"), BROWSER)
def test_a_web_page_may_not_post(gateway, headers, status, code):
    answer = gateway.chat(headers=headers)
    assert (answer.status, envelope(answer)["code"]) == (status, code)
    assert "access-control-allow-origin" not in answer.headers


def test_a_preflight_of_a_foreign_page_is_refused(gateway):
    answer = gateway.call(
        "OPTIONS", stage.CHAT, origin="https://evil.example", access_control_request_method="POST"
    )
    assert answer.status == 403


def test_no_canary_is_in_any_output(scene):
    gateway, _ = scene
    kept = [gateway.log, *gateway.data.rglob("*")]
    assert not [f for f in kept if f.is_file() and CANARY.encode() in f.read_bytes()]


def test_a_method_that_is_not_taken_is_answered_with_those_that_are(gateway):
    answer = gateway.call("PUT", "/v1/chat/completions", b"{}")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v1/models"])
def test_head_is_get_without_a_body(gateway, path):
    answer = gateway.call("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")
