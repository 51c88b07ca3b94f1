"""Raw HTTP at both sides: what is read in one way only, how much is taken, what is passed on."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import socketserver
import threading

import pytest
from tests.e2e import stage
from tests.e2e.test_http_edge import (
    BODY,
    CHAT,
    CHUNKED,
    HOST,
    IN_CHUNKS,
    JSON,
    LENGTH,
    chat,
    message,
    tell,
)

LIMIT = 6
WIRES: dict[str, dict[str, object]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/completions": {"prompt": "x"},
    "/v1/embeddings": {"input": "x"},
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("http")
    with stage.fakes(directory, "office") as fakes, raw_upstream() as (url, said):
        config = stage.fleet(fakes, server={"max_connections": LIMIT})
        config["models"]["office-model"]["serves"] = ["chat", "completions", "embeddings"]
        office = config["deployments"]["office-llm"]
        dear = {"currency": "USD", "prompt": 50, "completion": 50}  # only for those who name them
        for number in range(len(SPLIT)):
            raw = {**office, "endpoint": {"url": url}, "price": dear}
            config["deployments"][f"raw{number}"] = raw
        with stage.running(directory, config) as gateway:
            yield gateway, fakes["office"], said


# Requests: more ways to be read twice, beside those of test_http_edge.py.

TWO_WAYS = {
    "two transfer-encodings": chat(CHUNKED, CHUNKED, body=IN_CHUNKS),
    "two transfer-encodings that differ": chat(
        CHUNKED, "transfer-encoding: identity", body=IN_CHUNKS
    ),
    "chunked twice": chat("transfer-encoding: chunked, chunked", body=IN_CHUNKS),
    "identity": chat("transfer-encoding: identity", LENGTH),
    "a quoted coding": chat('transfer-encoding: "chunked"', body=IN_CHUNKS),
    "a coding with a parameter": chat("transfer-encoding: chunked;q=1", body=IN_CHUNKS),
    "a coding behind a vertical tab": chat("transfer-encoding: \x0bchunked", body=IN_CHUNKS),
    "a coding behind a no-break space": chat("transfer-encoding: \xa0chunked", body=IN_CHUNKS),
    "a coding on the next line": chat("transfer-encoding:", " chunked", body=IN_CHUNKS),
    "a coding with a null behind": chat("transfer-encoding: chunked\0", body=IN_CHUNKS),
    "a length with a comma": chat(f"content-length: {len(BODY)},"),
    "a length with white space in it": chat("content-length: 1 2"),
    "a length with a fraction": chat(f"content-length: {len(BODY)}.0"),
    "a length with an underscore": chat("content-length: 1_0"),
    "a length in other digits": chat("content-length: \xb2"),
    "a length and then another name for it": chat(LENGTH, "content-length\t: 1"),
    "a chunk extension with a line feed": chat(
        CHUNKED, body=IN_CHUNKS.replace(b"\r\n", b";x\ny\r\n", 1)
    ),
    "a chunk that ends in a line feed": chat(
        CHUNKED, body=b"%x\r\n%b\n0\r\n\r\n" % (len(BODY), BODY)
    ),
    "a chunk that ends in nothing": chat(CHUNKED, body=b"%x\r\n%b0\r\n\r\n" % (len(BODY), BODY)),
    "a chunk size with a plus": chat(CHUNKED, body=b"+1\r\n{\r\n0\r\n\r\n"),
    "an end of the head with a space": message(CHAT, HOST, JSON, LENGTH, " ", body=BODY),
    "a line feed in a name": chat(LENGTH, "x\ny: a"),
    "a first header that is folded": message(CHAT, f" {HOST}", HOST, JSON, LENGTH),
    "two authorizations": chat(LENGTH, "authorization: Bearer a", "authorization: Bearer b"),
    "two origins": chat(LENGTH, "origin: http://127.0.0.1", "origin: https://evil.example"),
    "a tab in the request line": message(CHAT.replace(" /", "\t/"), HOST, JSON, LENGTH),
    "a fragment in the target": message(CHAT.replace(" HTTP", "#x HTTP"), HOST, JSON, LENGTH),
}


@pytest.mark.parametrize("case", TWO_WAYS)
def test_what_can_be_read_in_two_ways_is_refused_and_what_follows_is_not_read(scene, case):
    """Behind each stands a whole request, as a smuggler would hide one."""
    gateway, fake, _ = scene
    before = len(fake.requests())
    got = tell(gateway.port, TWO_WAYS[case] + chat(LENGTH), finish=False)
    assert got == b"" or got.startswith(b"HTTP/1.1 4"), got
    assert got.count(b"HTTP/1.1 ") <= 1
    assert len(fake.requests()) == before


ONE_WAY = {
    "a chunk extension": chat(
        CHUNKED, "connection: close", body=IN_CHUNKS.replace(b"\r\n", b";x=y\r\n", 1)
    ),
    "two spaces in the request line": message(
        CHAT.replace(" /", "  /"), HOST, JSON, LENGTH, "connection: close"
    ),
    "capitals": chat("Transfer-Encoding: CHUNKED", "connection: close", body=IN_CHUNKS),
    "an upgrade to HTTP/2 that is not taken": chat(
        LENGTH, "connection: upgrade, http2-settings, close", "upgrade: h2c", "http2-settings: AA"
    ),
}


@pytest.mark.parametrize("case", ONE_WAY)
def test_what_can_be_read_in_one_way_is_one_request(scene, case):
    gateway, fake, _ = scene
    before = len(fake.requests())
    got = tell(gateway.port, ONE_WAY[case], finish=False)
    assert got.count(b"HTTP/1.1 ") <= 1
    assert (len(fake.requests()) - before == 1) == got.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "path", ["/v1/chat%2fcompletions", "/%76%31/chat/completions", "/situs/v1%2Ffleet", "/v1/%2e"]
)
def test_a_path_in_disguise_is_no_path_of_ours(scene, path):
    """A proxy in front may let /v1 through and hold /situs back, by what is written."""
    gateway, fake, _ = scene
    before = fake.traffic()
    for method, body in (("POST", BODY), ("GET", None)):
        answer = gateway.call(method, path, body)
        assert (answer.status, answer.code) == (404, "unknown_path")
    assert fake.traffic() == before
    assert gateway.call("GET", "/v1/models/office%2Dllm").json["id"] == "office-llm"


def test_after_a_refusal_nothing_more_is_read(scene):
    gateway, fake, _ = scene
    before = len(fake.requests())
    got = tell(gateway.port, chat("content-length: x") + chat(LENGTH) * 3, finish=False)
    assert got.count(b"HTTP/1.1 ") == 1
    assert len(fake.requests()) == before


# How much is taken.


LIVEZ = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"


def opened(port):
    raw = socket.create_connection(("127.0.0.1", port), timeout=5)
    raw.sendall(LIVEZ)
    answer = http.client.HTTPResponse(raw)
    answer.begin()
    return raw, answer


def test_connections_beyond_the_limit_are_told_so_and_others_go_on(scene):
    """Those that are open have begun a request."""
    gateway, _, _ = scene
    with contextlib.ExitStack() as stack:
        begun = []
        for _ in range(LIMIT):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
            raw.sendall(LIVEZ[:-2])
            begun.append(raw)
        answer = refused(gateway.port)
        assert answer.getheader("retry-after") == "1"
        assert json.loads(answer.read())["error"]["code"] == "overloaded"
        begun[0].sendall(LIVEZ[-2:])
        assert begun[0].recv(65536).startswith(b"HTTP/1.1 200 ")
        raw, answer = opened(gateway.port)  # the first one is idle now
        assert answer.status == 200
        raw.close()
    metrics = gateway.call("GET", "/metrics").body.decode()
    while 'situs_refused_total{code="overloaded"}' not in metrics:  # told once a second
        metrics = gateway.call("GET", "/metrics").body.decode()


def refused(port):
    """The answer to a connection too many; those before it may not all be there yet."""
    while True:
        raw, answer = opened(port)
        with raw:
            if answer.status == 503:
                return answer
            answer.read()


def test_an_idle_connection_makes_room_for_another(scene):
    gateway, _, _ = scene
    with contextlib.ExitStack() as stack:
        kept = []
        for _ in range(3 * LIMIT):
            raw, answer = opened(gateway.port)
            stack.enter_context(raw)
            assert answer.status == 200
            answer.read()
            kept.append(raw)
        raw.sendall(LIVEZ)
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")
        for raw in kept[:-1]:
            raw.setblocking(False)
        closed = [raw for raw in kept[:-1] if is_closed(raw)]
        assert len(closed) >= 2 * LIMIT


def is_closed(raw):
    try:
        return raw.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


LARGE = {
    "an endless number": b'{"model": "auto", "x": ' + b"1" * 5000 + b"}",
    "a number out of range": b'{"model": "auto", "x": 1e999}',
    "nested lists": b'{"model": "auto", "x": ' + b"[" * 129 + b"]" * 129 + b"}",
    "nested objects": b'{"model": "auto", "x": ' + b'{"a":' * 129 + b"1" + b"}" * 130,
    "a name without end": b'{"model": "' + b"m" * 257 + b'"}',
}


@pytest.mark.parametrize("case", LARGE)
def test_a_document_beyond_a_limit_is_refused_on_every_wire(scene, case):
    gateway, fake, _ = scene
    before = fake.traffic()
    for path, asked in WIRES.items():
        body = json.dumps(asked).encode()[:-1] + b", " + LARGE[case][1:]
        answer = gateway.call("POST", path, body)
        assert (answer.status, answer.code) == (400, "invalid_request")
    assert fake.traffic() == before


# What is passed on.

STRANGE = {
    "x-situs-label": "internal",
    "x-situs-session": "s",
    "x-situs-locus": "office",
    "x-situs-receipt": "a:1",
    "x-situs-deployment": "us-llm",
    "x-situs-cost": "0",
    "authorization": "Bearer sk-of-the-caller",
    "x-api-key": "sk-of-the-caller",
    "proxy-authorization": "Basic eA==",
    "cookie": "a=b",
    "connection": "keep-alive, x-hop",
    "keep-alive": "timeout=5",
    "x-hop": "1",
    "te": "trailers",
    "trailer": "x-late",
    "upgrade": "h2c",
    "via": "1.1 proxy",
    "forwarded": "for=192.0.2.1",
    "x-forwarded-for": "192.0.2.1",
    "user-agent": "caller",
    "openai-organization": "org",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "accept-encoding": "gzip",
    "expect": "",
}
OURS = {"host", "content-type", "accept-encoding", "content-length"}


@pytest.mark.parametrize(
    ("path", "stream"),
    [(path, stream) for path in WIRES for stream in (False, True)][:-1],  # embeddings never
)
def test_no_header_of_the_caller_goes_upstream(scene, path, stream):
    gateway, fake, _ = scene
    document = {"model": "office-llm", **WIRES[path], **({"stream": True} if stream else {})}
    assert gateway.call("POST", path, json.dumps(document).encode(), **STRANGE).status == 200
    sent = fake.requests()[-1]
    assert set(sent["headers"]) == OURS
    assert sent["headers"]["accept-encoding"] == "identity"
    assert sent["headers"]["content-length"] == str(len(sent["body"].encode()))


def test_names_of_answers_in_a_request_mean_nothing(scene):
    gateway, _, _ = scene
    answer = gateway.chat(headers={"x-situs-locus": "us", "x-situs-request-id": "req_mine"})
    assert answer.headers["x-situs-locus"] == "office"
    assert answer.headers["x-situs-request-id"] != "req_mine"


# Upstreams that say more than one answer.

CHOICE = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
ANSWER = json.dumps({"id": "x", "object": "chat.completion", "choices": [CHOICE]}).encode()
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(ANSWER)
SPLIT = {
    "a second answer behind the first": (OK + b"\r\n" + ANSWER + OK + b"\r\n" + ANSWER, 200),
    "headers for the caller": (
        OK + b"set-cookie: a=b\r\nx-situs-locus: nowhere\r\nlocation: //evil.example\r\n\r\n"
        b"" + ANSWER,
        200,
    ),
    "a folded header that splits": (OK + b"x: a\r\n set-cookie: a=b\r\n\r\n" + ANSWER, 503),
    "a bare line feed in a header": (OK + b"x: a\nset-cookie: a=b\r\n\r\n" + ANSWER, 503),
    "a bare carriage return in a header": (OK + b"x: a\rset-cookie: a=b\r\n\r\n" + ANSWER, 503),
    "two lengths": (OK + b"content-length: 2\r\n\r\n" + ANSWER, 503),
    "a length and chunks": (OK + b"transfer-encoding: chunked\r\n\r\n" + ANSWER, 503),
    "a flood of interim answers": (b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" * 4000, 503),
    "another protocol": (b"HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", 503),
}


class Replies:
    body = b""


@contextlib.contextmanager
def raw_upstream():
    """Answers whatever comes with the bytes in `said.body`, then closes."""
    said = Replies()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            length = 0
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                if match := re.match(rb"content-length: (\d+)", line):
                    length = int(match[1])
            self.rfile.read(length)
            with contextlib.suppress(OSError):
                self.wfile.write(said.body)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", said
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("case", SPLIT)
def test_an_upstream_cannot_split_its_answer_or_speak_in_headers(scene, case):
    gateway, _, said = scene
    said.body, expected = SPLIT[case]
    model = f"raw{list(SPLIT).index(case)}"
    body = json.dumps({"model": model, **WIRES["/v1/chat/completions"]}).encode()
    lines = (f"content-length: {len(body)}", "connection: close")
    got = tell(gateway.port, chat(*lines, body=body), finish=False)
    assert got.startswith(b"HTTP/1.1 %d " % expected), got
    assert got.count(b"HTTP/1.1 ") == 1
    head = got.partition(b"\r\n\r\n")[0].lower()
    for word in (b"set-cookie", b"evil.example", b"nowhere", b"upgrade"):
        assert word not in head
    if expected == 200:
        assert got.endswith(b"\r\n\r\n" + ANSWER)
