"""Rule 12: whatever goes wrong, content and secrets are in no output.

A word of its own stands in every place that a caller, an upstream or an operator's secret can fill.
Then every error code and every way to end is driven, and everything that Situs says is searched.
Logs as text have the same fields as those as JSON: tests/unit/telemetry/test_logs.py.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import stage
from tests.e2e.test_operations import limit_file_size
from tests.fakes.otlp_collector import Collector, fake_collector

from situs.core.record import End
from situs.errors import OperatorError, SitusError
from situs.rego.library import shipped
from situs.trust.api_keys import Grants, Scope, create_key
from situs.trust.canaries import new_canary

STEM = "xolotl"  # words of letters only, so that no detector takes one for a secret
CARD = "4111 1111 1111 1111"
CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
BASES = {"upstream_error", "backend_unavailable", "low_confidence"}  # never given as such
SLOW = {"request_too_slow"}  # after ten seconds: test_http_edge.py
NO_BUG_KNOWN = {"internal_error"}  # tests/unit/http/test_errors.py, tests/unit/telemetry

HEADERS = {
    "x-situs-session": f"{STEM}session",
    "x-situs-data": "ledgers",
    "x-situs-locus": f"{STEM}locus",
    "user-agent": f"{STEM}agent",
    "cookie": f"a={STEM}cookie",
    "referer": f"http://127.0.0.1/{STEM}referer",
    "x-forwarded-for": f"{STEM}forwarded",
    "proxy-authorization": f"Basic {STEM}proxy",
    "tracestate": f"a={STEM}state",
    f"x-{STEM}-name": f"{STEM}header",
}
TOOL = {
    "type": "function",
    "function": {
        "name": f"{STEM}tool",
        "description": f"{STEM}description",
        "parameters": {"type": "object", "properties": {f"{STEM}property": {"type": "string"}}},
    },
}
CALL = {
    "id": f"{STEM}call",
    "type": "function",
    "function": {"name": f"{STEM}tool", "arguments": f'{{"x": "{STEM}arguments"}}'},
}
COMMON = {"user": f"{STEM}user", "metadata": {f"{STEM}key": f"{STEM}value"}}
ASKED: dict[str, dict[str, Any]] = {
    CHAT: {
        "messages": [
            {"role": "system", "content": f"{STEM}system"},
            {"role": "user", "name": f"{STEM}speaker", "content": f"{STEM}prompt"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": f"{STEM}call", "content": f"{STEM}result"},
        ],
        "tools": [TOOL],
        **COMMON,
    },
    COMPLETIONS: {"prompt": f"{STEM}prompt", "suffix": f"{STEM}suffix", **COMMON},
    EMBEDDINGS: {"input": [f"{STEM}input"], **COMMON},
}

POLICY = """package situs

import rego.v1

obligations contains {"kind": "hold_for_approval", "limit": 1} if asks_of("held")

obligations contains {"kind": "redact"} if asks_of("hidden")

obligations contains {"kind": "answer_scan", "action": "stop"} if asks_of("looked_at")

asks_of(name) if {
	some one in input.data
	one.name == name
}
"""
FLOOD = "\n".join(f"a{number}@example.org" for number in range(4000))

# How the fake upstream fails, and whether only a stream can.
MODES = [
    *("ok", "status_400", "status_401", "status_403", "status_404", "status_413", "status_422"),
    *("status_429", "status_500", "status_502", "status_503", "cut_before_first_byte"),
    *("cut_mid_body", "garbage_body", "html_200", "redirect", "wrong_model", "half_utf8"),
    *("hang_before_head", "hang_after_head", "huge_chunk"),
]
STREAMED = [
    *("cut_mid_stream", "reset_mid_stream", "garbage_sse", "error_event", "no_done", "no_finish"),
    "stall_mid_stream",
]

# What a hostile upstream says, with words in its status line, headers and body.
SAID = f'{{"error": {{"message": "{STEM}error", "code": "{STEM}code"}}}}'
HOSTILE = {
    "a server error": (500, "application/json", SAID),
    "a refusal": (400, "application/json", SAID),
    "no JSON": (200, "application/json", f"{STEM}body"),
    "another type": (200, f"text/{STEM}type", f"{STEM}body"),
    "an event that is an error": (200, "text/event-stream", f"data: {SAID}\n\n"),
    "broken events": (200, "text/event-stream", f"data: {STEM}event\n\n{STEM}: x\n\n"),
}


CUT = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": f"{STEM}part"}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101},
    }
)
"""Of an upstream that has read only the beginning."""


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    says: tuple[int, str, str] = (200, "", "")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        status, kind, body = self.says
        self.send_response(status, f"{STEM}reason")
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name in ("x-request-id", "set-cookie", "server", "location", "x-situs-locus", "via"):
            self.send_header(name, f"{STEM}upstream")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def hostile() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Scene:
    """A gateway, and all that it told callers about what went wrong. `token` was planted."""

    def __init__(
        self, gateway: stage.Gateway, fake: Any, collector: Collector, keys: Any, token: str
    ) -> None:
        self.gateway, self.fake, self.collector, self.keys = gateway, fake, collector, keys
        self.token = token
        self.errors: list[bytes] = []
        self.heads: list[str] = []
        self.codes: set[str] = set()
        self.seen: list[tuple[str, bytes]] = []
        self._numbers = count()

    def call(self, method: str, path: str, body: bytes | None, **headers: str) -> stage.Response:
        with_key = {"authorization": f"Bearer {self.keys['good']}", **HEADERS, **headers}
        where = f"{path}?{STEM}query={STEM}query"
        answer = self.gateway.call(method, where, body, **with_key)
        self.keep(answer)
        return answer

    def ask(self, path: str = CHAT, **fields: Any) -> stage.Response:
        """At a deployment that nothing went wrong at yet, unless a model is named."""
        headers = fields.pop("headers", {})
        document = {"model": self.fresh(), **ASKED[path], **fields}
        return self.call("POST", path, json.dumps(document).encode(), **headers)

    def fresh(self) -> str:
        return f"d{next(self._numbers)}"

    def keep(self, answer: stage.Response) -> None:
        self.heads.append(repr(answer.headers))
        found = [answer.json] if answer.status >= 400 else []
        if answer.headers.get("content-type") == "text/event-stream":
            found = [e for e in stage.events(answer) if isinstance(e, dict) and "error" in e]
        for document in found:
            code = document["error"]["code"]
            if code in CODES:  # not what an upstream says of the request itself, which is passed on
                self.codes.add(code)
                self.errors.append(json.dumps(document).encode())


def tree(kind: type[SitusError]) -> Iterator[type[SitusError]]:
    yield kind
    for one in kind.__subclasses__():
        if not issubclass(one, OperatorError):
            yield from tree(one)


CODES = {kind.code for kind in tree(SitusError)}


def configured(fakes: Any, url: str, nobody: int, directory: Path, collector: Collector) -> Any:
    """Many deployments of one upstream: what failed at one says nothing about the next."""
    secret = directory / "otlp-key"
    secret.write_text(f"{STEM}otlp")
    secret.chmod(0o600)
    policy = directory / "owed.rego"
    policy.write_text(POLICY)
    config = stage.fleet(
        fakes,
        policy={"paths": [str(shipped()), str(policy)]},
        data={
            name: {"label": "public", "jurisdiction": "DE", "leaves": "anywhere"}
            for name in ("ledgers", "held", "hidden", "looked_at")
        },
        server={"require_key": True, "max_body_mb": 2, "max_held_mb": 2, "drain_s": 0.05},
        defaults={"first_byte_timeout_s": 0.4, "answer_timeout_s": 1.2, "stall_timeout_s": 0.4},
        routes={
            "order": {
                "rules": [{"pattern": r"(?i)^where is order (?P<what>\w+)\?$"}],
                "answer": "Order {what} is on its way.",
            }
        },
        telemetry={
            "log": {"format": "json", "level": "debug"},
            "access_log": True,
            "tenant_label": True,
            "otlp": {"endpoint": collector.url, "headers": {"x-key": f"file:{secret}"}},
        },
    )
    office = config["deployments"]["office-llm"]
    office["endpoint"]["key"] = "env:XOLOTL_KEY"
    config["models"]["office-model"]["serves"] = ["chat", "completions", "embeddings"]
    config["deployments"] |= {f"d{number}": office for number in range(150)}
    for index in range(2 * len(HOSTILE) + 1):
        endpoint = {"url": url, "key": "env:XOLOTL_KEY"}
        config["deployments"][f"hostile{index}"] = {**office, "endpoint": endpoint}
    endpoint = {"url": f"http://127.0.0.1:{nobody}/v1"}
    config["deployments"]["nobody"] = {**office, "endpoint": endpoint}
    return config


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """After everything that can go wrong went wrong, and the gateway stopped."""
    directory = tmp_path_factory.mktemp("canaries")
    data = directory / "data"
    keys = {
        name: create_key(data, Grants(name=name, **grants), now)[1]
        for name, grants, now in (
            ("good", {"scopes": (Scope.INFERENCE, Scope.ADMIN)}, time.time()),
            ("narrow", {"scopes": (Scope.ADMIN,)}, time.time()),
            ("slow", {"rpm": 1}, time.time()),
            ("old", {"expires": 2.0}, 1.0),
        )
    }
    token = new_canary(data, "planted")
    with contextlib.ExitStack() as stack:
        env = stack.enter_context(pytest.MonkeyPatch.context())
        env.setenv("XOLOTL_KEY", f"{STEM}upstreamkey")
        collector = stack.enter_context(fake_collector())
        fakes = stack.enter_context(stage.fakes(directory, "office", "us"))
        url = stack.enter_context(hostile())
        taken = stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", 0))
        config = configured(fakes, url, taken.getsockname()[1], directory, collector)
        gateway = stack.enter_context(stage.running(directory, config, data=data))
        scene = Scene(gateway, fakes["office"], collector, keys, token)
        refuse(scene)
        fail(scene)
        end(scene)
        yield scene


def refuse(scene: Scene) -> None:
    """What is refused before anything is sent."""
    body = json.dumps({"model": "auto", **ASKED[CHAT]}).encode()
    post = ("POST", CHAT, body)
    for key in ("narrow", "old", "slow", "slow"):
        scene.call(*post, authorization=f"Bearer {scene.keys[key]}")
    scene.call(*post, authorization=f"Bearer sk-situs-{STEM}key")
    scene.call(*post, x_situs_data=f"{STEM}data")
    scene.ask(headers={"x_situs_data": "held"})
    flood = [{"role": "user", "content": FLOOD}]
    scene.ask(headers={"x_situs_data": "hidden"}, messages=flood)
    scene.call(*post, authorization=f"Bearer {STEM}key")
    scene.call(*post, authorization=f"{STEM}scheme {STEM}key", x_api_key=f"{STEM}other")
    scene.call(*post, authorization="")
    scene.call(*post, origin=f"http://{STEM}.example")
    scene.call(*post, host=f"{STEM}.example")
    scene.call(*post, content_type=f"text/{STEM}")
    scene.call(*post, x_situs_label=f"{STEM}label")
    scene.ask(provider=f"{STEM}provider")
    scene.call(*post, x_situs_deadline=f"{STEM}deadline")
    scene.call("POST", f"/v1/{STEM}path", body)
    scene.call("POST", f"/v1/models/{STEM}path", body)
    scene.call("GET", f"/v1/models/{STEM}path", None)
    scene.call("GET", CHAT, None)
    for path in ("/metrics", "/situs/v1/status", f"/situs/v1/{STEM}", "/situs/v1/usage"):
        scene.call("GET", path, None)
    for path, asked in ASKED.items():
        scene.call("POST", path, json.dumps({"model": f"{STEM}model", **asked}).encode())
        scene.call("POST", path, body[:-1])
        scene.call("POST", path, f'{{"{STEM}": {STEM}}}'.encode())
        scene.call("POST", path, json.dumps({name: {STEM: STEM} for name in asked}).encode())
        wrong = {"model": "auto", **asked, "stream_options": STEM, "dimensions": STEM}
        scene.call("POST", path, json.dumps(wrong).encode())
        scene.call("POST", path.replace("/v1", "/situs/v1/explain", 1), body)
    scene.call("POST", CHAT, STEM.encode() * 1000, content_length="3000000")
    scene.call("GET", "/livez", None, x_long=STEM * 12_000)
    with socket.create_connection(("127.0.0.1", scene.gateway.port)) as holding:
        holding.sendall(
            b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %b\r\ncontent-length: 2000000\r\n\r\n"
            % (CHAT.encode(), scene.keys["good"].encode())
            + b'{"x": "'
            + STEM.encode() * 332_000
        )
        until(lambda: scene.call("POST", CHAT, b'"' + STEM.encode() * 2_000).status == 503)


def fail(scene: Scene) -> None:
    """What goes wrong at upstreams, whole and streamed, on every wire."""
    for mode in MODES:
        scene.fake.set(mode=mode, code=f"{STEM}code", location=f"http://{STEM}.example/")
        scene.ask(CHAT)
        scene.ask(CHAT, stream=True, stream_options={"include_usage": True})
        if not mode.startswith("hang"):
            scene.ask(COMPLETIONS)
            scene.ask(COMPLETIONS, stream=True)
            scene.ask(EMBEDDINGS)
    for mode in STREAMED:
        scene.fake.set(mode=mode, code=f"{STEM}code", after=1)
        for path in (CHAT, COMPLETIONS):
            scene.ask(path, stream=True)
    numbers = count()
    for status, kind, body in HOSTILE.values():
        Upstream.says = status, kind, body
        for stream in (False, True):
            scene.ask(CHAT, model=f"hostile{next(numbers)}", stream=stream)
    scene.fake.set(mode="hang_before_head")
    scene.ask(max_tokens=1, headers={"x_situs_deadline": "1"})
    scene.fake.set(mode="ok")
    Upstream.says = 200, "application/json", CUT
    long = [{"role": "user", "content": f"{STEM}word " * 2000}]
    scene.ask(model=f"hostile{next(numbers)}", messages=long)
    scene.ask(model="nobody")
    scene.ask(model="nobody")
    for stream in (False, True):
        card = [{"role": "user", "content": f"{STEM}card {CARD}"}]
        scene.ask(model="us-llm", messages=card, stream=stream)
        stopped = scene.ask(messages=card, stream=stream, headers={"x_situs_data": "looked_at"})
        assert CARD not in stopped.body.decode()
        planted = [{"role": "user", "content": f"{STEM}text {scene.token}"}]
        clean = {"x_situs_session": f"{STEM}clean"}
        scene.ask(model="us-llm", messages=planted, stream=stream, headers=clean)
        scene.ask(max_tokens=10**6, stream=stream)
        order = [{"role": "user", "content": f"Where is order {STEM}order?"}]
        assert scene.ask(model="auto", messages=order, stream=stream).status == 200
        hang_up(scene, stream=stream)


def hang_up(scene: Scene, *, stream: bool) -> None:
    scene.fake.set(mode="endless_stream" if stream else "hang_before_head", once=True)
    connection = http.client.HTTPConnection("127.0.0.1", scene.gateway.port, timeout=10)
    body = json.dumps({"model": scene.fresh(), **ASKED[CHAT], "stream": stream})
    headers = {"content-type": "application/json", **HEADERS}
    connection.request(
        "POST", CHAT, body, {**headers, "authorization": f"Bearer {scene.keys['good']}"}
    )
    connection.getresponse().read(20) if stream else time.sleep(0.1)
    connection.close()
    scene.fake.set(mode="ok")


def end(scene: Scene) -> None:
    """No receipt; looked at in every way; at last a stop while something runs."""
    gateway = scene.gateway
    [worker] = gateway.workers()
    limit_file_size(worker, 0)
    scene.ask()
    limit_file_size(worker, -1)
    until(lambda: scene.ask(model="d0").status == 200)
    until(lambda: ended(gateway))
    scene.seen = [*looked(scene), *commanded(gateway)]
    scene.fake.set(mode="hang_before_head", once=True)
    waiting = threading.Thread(target=scene.ask)
    waiting.start()
    until(lambda: not ended(gateway))
    gateway.process.send_signal(signal.SIGTERM)
    waiting.join(20)
    assert gateway.process.wait(20) == 0


def ended(gateway: stage.Gateway) -> bool:
    """Cheap: it is asked often, and what hangs does not hang for long."""
    files = [file.read_bytes() for file in (gateway.data / "receipts").glob("*/*.jsonl")]
    begun, over = (
        sum(file.count(b'"type":"%b"' % kind) for file in files)
        for kind in (b"decision", b"outcome")
    )
    return begun == over


def until(what: Any, wait_s: float = 15.0) -> None:
    deadline = time.monotonic() + wait_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def looked(scene: Scene) -> Iterator[tuple[str, bytes]]:
    """What the running gateway shows."""
    for path in ("/metrics", "/situs/v1/status", "/situs/v1/usage", "/situs/v1/decisions"):
        yield path, scene.call("GET", path, None).body


def commanded(gateway: stage.Gateway) -> Iterator[tuple[str, bytes]]:
    """What the command line shows; most of it comes over the admin socket or from the index."""
    data = ("--data", str(gateway.data))
    config = str(gateway.data.parent / "situs.yaml")
    last = gateway.lines("decision")[-1]["id"]
    for arguments in (
        ("top", "--once", "--json", *data),
        ("decisions", "tail", "--wide", "-n", "1000", *data),
        ("decisions", "tail", "--json", "-n", "1000", *data),
        ("decisions", "show", last, *data),
        ("usage", *data),
        ("keys", "list", *data),
        ("receipts", "verify", *data),
        ("doctor", "--config", config, *data),
        ("config", "check", config),
    ):
        done = subprocess.run(stage.command(*arguments), capture_output=True, timeout=60)
        yield f"situs {arguments[0]}", done.stdout + done.stderr


def outputs(scene: Scene) -> Iterator[tuple[str, bytes]]:
    yield from ((f"an error: {error!r}", error) for error in scene.errors)
    yield from ((f"a head: {head}", head.encode()) for head in scene.heads)
    yield "the log", scene.gateway.log.read_bytes()
    yield from (("a trace", body) for body in scene.collector.bodies)
    for path in scene.gateway.data.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()
    yield from scene.seen


def test_every_error_that_a_caller_can_see_was_seen(scene):
    assert CODES - scene.codes == BASES | NO_BUG_KNOWN | SLOW


def test_every_way_to_end_was_seen(scene):
    ends = {a["end"] for line in scene.gateway.lines("outcome") for a in line["attempts"]}
    # Of models in process: test_embeddings.py; of second places: tests/unit/dispatch.
    assert ends >= set(End) - {End.REFUSED, End.OUTRUN, End.UNSURE}


def test_content_is_in_no_output(scene):
    found = {
        (word.decode(), where)
        for where, said in outputs(scene)
        for word in re.findall(rb"(?i)xolotl[a-z]+", said)
    }
    # The reference `env:XOLOTL_KEY` is a name, and may be said.
    assert found == set()


def test_no_card_and_no_key_is_in_any_output(scene):
    secrets = [key.rpartition("_")[2].encode() for key in scene.keys.values()]
    for where, said in outputs(scene):
        assert CARD.encode() not in said, where
        assert not [key for key in secrets if key in said], where


def test_there_were_outputs(scene):
    """The search would find nothing in nothing."""
    shown = dict(outputs(scene))
    assert b"situs.access" in shown["the log"]
    assert len(shown["index.db"]) > 10_000
    assert len(scene.collector.bodies) > 0
    assert b"situs_requests_total" in shown["/metrics"]
    assert b"office-llm" in shown["situs doctor"]
    assert len(scene.errors) > 100
