"""Rule 16: a browser is an attacker on loopback, keys or not, at the port and at the socket."""

from __future__ import annotations

import json
import socket

import pytest
from tests.e2e import stage

from situs.cli.admin import SOCKET, OverSocket
from situs.trust.api_keys import Grants, Scope, create_key

APP = "https://app.example.org"
POSTS = [
    *("/v1/chat/completions", "/v1/completions", "/v1/embeddings"),
    *("/situs/v1/explain", "/situs/v1/explain/completions", "/situs/v1/explain/embeddings"),
]
GETS = [
    *("/livez", "/readyz", "/metrics", "/v1/models", "/v1/models/auto", "/situs/v1/fleet"),
    *("/situs/v1/status", "/situs/v1/usage", "/situs/v1/decisions", "/", "/console"),
]
DOCUMENT = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
BODY = json.dumps({**DOCUMENT, "prompt": "x", "input": "x"}).encode()


@pytest.fixture(scope="module", params=["without keys", "with keys"])
def scene(request, tmp_path_factory):
    """`headers` are what lets a program in."""
    directory = tmp_path_factory.mktemp("browser")
    scopes = (Scope.INFERENCE, Scope.ADMIN)
    grants = Grants(name="page", scopes=scopes)
    _, key = create_key(directory / "data", grants, 1.0)
    with_keys = request.param == "with keys"
    server = {"allowed_origins": [APP], "require_key": with_keys}
    with (
        stage.fakes(directory, "office") as fakes,
        stage.running(directory, stage.fleet(fakes, server=server)) as gateway,
    ):
        headers = {"authorization": f"Bearer {key}"} if with_keys else {}
        assert gateway.call("POST", POSTS[0], BODY, **headers).status == 200
        yield gateway, fakes["office"], headers


PAGES = {
    "another site": {"origin": "https://evil.example"},
    "a sandboxed frame or a file": {"origin": "null"},
    "another port of this machine": {"origin": "http://localhost:3000"},
    "no port": {"origin": "http://127.0.0.1"},
    "nearly the one that may": {"origin": f"{APP}.evil.example"},
    "the one that may, without TLS": {"origin": "http://app.example.org"},
    "an extension": {"origin": "chrome-extension://abcdefgh"},
    "an empty origin": {"origin": ""},
    "a rebound name": {"host": "rebound.example"},
    "a rebound name that is its own origin": {
        "host": "rebound.example:7488",
        "origin": "http://rebound.example:7488",
    },
    "a rebound name with a port": {"host": "rebound.example:7488"},
    "another loopback address": {"host": "127.0.0.2"},
    "the address of no host": {"host": "0.0.0.0"},
    "a name that begins like ours": {"host": "localhost.evil.example"},
    "a name that holds ours": {"host": "127.0.0.1.nip.io"},
    "a user and a host": {"host": "localhost@evil.example"},
    "an empty host": {"host": ""},
}


@pytest.mark.parametrize("case", PAGES)
def test_a_page_gets_nothing_at_any_path(scene, case):
    gateway, fake, headers = scene
    before = fake.traffic()
    calls = [("POST", path, BODY) for path in POSTS] + [("GET", path, None) for path in GETS]
    for method, path, body in calls:
        answer = gateway.call(method, path, body, **{**headers, **PAGES[case]})
        assert (answer.status, answer.code) == (403, "origin_refused"), path
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert set(answer.json) == {"error"}
    assert fake.traffic() == before


KINDS = {
    "plain text": "text/plain",
    "plain text that says JSON": "text/plain;charset=application/json",
    "a form": "application/x-www-form-urlencoded",
    "a form in parts": "multipart/form-data; boundary=x",
    "no type": "",
    "two types": "application/json, text/plain",
    "lines of JSON": "application/jsonl",
}


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("origin", [None, APP])
def test_what_a_page_may_post_unasked_is_taken_nowhere(scene, case, origin):
    gateway, fake, headers = scene
    before = fake.traffic()
    known = {} if origin is None else {"origin": origin}
    for path in POSTS:
        answer = gateway.call("POST", path, BODY, content_type=KINDS[case], **headers, **known)
        assert (answer.status, answer.code) == (415, "unsupported_media_type"), path
    assert fake.traffic() == before


def test_a_preflight_lets_in_the_page_that_may_and_no_other(scene):
    gateway, _, _ = scene
    asks = {
        "access_control_request_method": "POST",
        "access_control_request_headers": "authorization, content-type, x-situs-label",
    }
    for path in POSTS:
        may = gateway.call("OPTIONS", path, origin=APP, **asks)
        assert may.status == 200
        assert may.headers["access-control-allow-origin"] == APP
        assert may.headers["vary"] == "origin"
        assert "access-control-allow-credentials" not in may.headers
        for other in ("null", "https://evil.example", "http://localhost:3000"):
            refused = gateway.call("OPTIONS", path, origin=other, **asks)
            assert (refused.status, refused.code) == (403, "origin_refused")
            assert not [name for name in refused.headers if name.startswith("access-control")]
        assert gateway.call("OPTIONS", path).status in (401, 405)


def test_the_page_that_may_reads_answers_and_errors_and_still_needs_a_key(scene):
    gateway, _, headers = scene
    for path in (POSTS[0], "/v1/nothing"):
        answer = gateway.call("POST", path, BODY, origin=APP, **headers)
        assert answer.headers["access-control-allow-origin"] == APP
    if headers:
        assert gateway.call("POST", POSTS[0], BODY, origin=APP).code == "missing_key"


def test_without_a_host_nothing_is_answered(scene):
    gateway, fake, _ = scene
    before = fake.traffic()
    for lines in (b"GET /v1/models HTTP/1.1", b"GET /v1/models HTTP/1.0"):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as raw:
            raw.sendall(lines + b"\r\n\r\n")
            assert raw.recv(65536).split(b" ")[1] in (b"400", b"403")
    assert fake.traffic() == before


def over_socket(gateway, method, path, body=None, **headers):
    connection = OverSocket(gateway.data / SOCKET)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        return answer.status, said.get("error", {}).get("code")
    finally:
        connection.close()


RELOAD = "/situs/v1/reload"
AT_THE_SOCKET = [
    (("POST", RELOAD, b"{}"), {"content-type": "text/plain"}, (415, "unsupported_media_type")),
    (("POST", RELOAD, b"{}"), {}, (415, "unsupported_media_type")),
    (
        ("POST", RELOAD, b"{}"),
        {"content-type": "application/json", "origin": "null"},
        (403, "origin_refused"),
    ),
    (
        ("POST", RELOAD, b"{}"),
        {"content-type": "application/json", "origin": APP},
        (403, "origin_refused"),
    ),
    (
        ("POST", RELOAD, b"{}"),
        {"content-type": "application/json", "host": "evil.example"},
        (403, "origin_refused"),
    ),
    (("GET", RELOAD), {}, (405, "method_not_allowed")),
    (("POST", "/situs/v1/status", b"{}"), {}, (405, "method_not_allowed")),
    (("POST", "/v1/chat/completions", BODY), {}, (404, "unknown_path")),
    (("GET", "/situs/v1/status"), {"host": "evil.example"}, (403, "origin_refused")),
    (("GET", "/situs/v1/status"), {}, (200, None)),
]


@pytest.mark.parametrize(("asked", "headers", "expected"), AT_THE_SOCKET)
def test_the_admin_socket_checks_the_same(scene, asked, headers, expected):
    assert over_socket(scene[0], *asked, **headers) == expected


def test_a_reload_cannot_be_asked_for_at_the_port(scene):
    gateway, _, headers = scene
    for method, body in (("POST", b"{}"), ("GET", None)):
        assert gateway.call(method, RELOAD, body, **headers).status in (404, 405)
