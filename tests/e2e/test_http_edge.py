"""What a stranger may send: refused or closed in bounded size and time, and nothing leaves."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import socket

import pytest
import uvicorn
import uvloop
from tests.e2e import stage

from situs.http.guarded import GuardedProtocol


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("http_edge")
    with (
        stage.fakes(directory, "office") as fakes,
        stage.running(directory, stage.fleet(fakes)) as gateway,
    ):
        yield gateway, fakes["office"]


@pytest.fixture
def gateway(scene):
    """Afterwards it still serves, and nothing has left before that."""
    gateway, fake = scene
    before = fake.traffic()
    yield gateway
    assert fake.traffic() == before, "something left"
    assert gateway.chat().status == 200


BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "x"}]}).encode()
LENGTH = f"content-length: {len(BODY)}"
HOST = "host: 127.0.0.1"
JSON = "content-type: application/json"
CHUNKED = "transfer-encoding: chunked"
IN_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
CHAT = "POST /v1/chat/completions HTTP/1.1"


def message(*lines, body=BODY, ends="\r\n"):
    return ends.join([*lines, "", ""]).encode("latin-1") + body


def chat(*lines, body=BODY):
    return message(CHAT, HOST, JSON, *lines, body=body)


def old(*lines, body=BODY):
    return message(CHAT.replace("1.1", "1.0"), HOST, JSON, *lines, body=body)


REFUSED = {
    "content-length and transfer-encoding": chat(LENGTH, CHUNKED, body=IN_CHUNKS),
    "transfer-encoding and content-length": chat(CHUNKED, LENGTH, body=IN_CHUNKS),
    "two content-lengths": chat(LENGTH, LENGTH),
    "two content-lengths that differ": chat(LENGTH, "content-length: 1"),
    "a list of content-lengths": chat(f"{LENGTH}, {len(BODY)}"),
    "a signed content-length": chat(f"content-length: +{len(BODY)}"),
    "a hexadecimal content-length": chat(f"content-length: {len(BODY):#x}"),
    "a negative content-length": chat("content-length: -1"),
    "an endless content-length": chat("content-length: " + "9" * 40),
    "a padded content-length": chat("content-length: " + "0" * 5000 + str(len(BODY))),
    "an empty content-length": chat("content-length:"),
    "a space before the colon": chat(f"content-length : {len(BODY)}"),
    "a space before transfer-encoding": chat(LENGTH, f" {CHUNKED}", body=IN_CHUNKS),
    "a space after transfer-encoding": chat("transfer-encoding : chunked", body=IN_CHUNKS),
    "a folded header": chat("x: a", f"\t{LENGTH}"),
    "an unknown coding": chat("transfer-encoding: xchunked", body=IN_CHUNKS),
    "chunked is not the last coding": chat("transfer-encoding: chunked, gzip", body=IN_CHUNKS),
    "no chunk size": chat(CHUNKED, body=b"\r\n" + BODY),
    "a bad chunk size": chat(CHUNKED, body=b"zz\r\n" + BODY),
    "a negative chunk size": chat(CHUNKED, body=b"-1\r\n" + BODY),
    "a prefixed chunk size": chat(CHUNKED, body=b"0x1\r\n" + BODY),
    "a spaced chunk size": chat(CHUNKED, body=b"1 \r\n{\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": chat(CHUNKED, body=b"f" * 17 + b"\r\n" + BODY),
    "a chunk longer than its size": chat(CHUNKED, body=b"1\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunks with bare line feeds": chat(CHUNKED, body=IN_CHUNKS.replace(b"\r", b"")),
    "bare line feeds": message(CHAT, HOST, JSON, LENGTH, ends="\n"),
    "bare carriage returns": message(CHAT, HOST, JSON, LENGTH, ends="\r"),
    "a carriage return in a header": chat(LENGTH, "x: a\rb"),
    "a zero byte in a header": chat(LENGTH, "x: a\0b"),
    "a zero byte in a name": chat(LENGTH, "x\0y: a"),
    "a zero byte in the path": message(CHAT.replace("v1", "v1\0"), HOST, JSON, LENGTH),
    "an encoded zero byte in the path": message(CHAT.replace("v1", "v1%00"), HOST, JSON, LENGTH),
    "a byte beyond ASCII in the path": message(CHAT.replace("v1", "v\xe9"), HOST, JSON, LENGTH),
    "zero bytes": b"\0" * 100,
    "a name with a space": chat(LENGTH, "x y: a"),
    "no name": chat(LENGTH, ": a"),
    "two hosts": chat(LENGTH, "host: evil.example"),
    "two content types": chat(LENGTH, "content-type: text/plain"),
    "two labels": chat(LENGTH, "x-situs-label: internal", "X-Situs-Label: public"),
    "no host": message(CHAT, JSON, LENGTH),
    "an absolute target": message(CHAT.replace(" /", " http://127.0.0.1/"), HOST, JSON, LENGTH),
    "another host's target": message(CHAT.replace(" /", " http://evil.example/"), HOST, LENGTH),
    "an authority": message("CONNECT 127.0.0.1:443 HTTP/1.1", HOST, body=b""),
    "an asterisk": message("OPTIONS * HTTP/1.1", HOST, body=b""),
    "no target": message("POST HTTP/1.1", HOST, JSON, LENGTH),
    "a space in the target": message("GET /a b HTTP/1.1", HOST, body=b""),
    "an unknown method": message("SMUGGLE / HTTP/1.1", HOST, body=b""),
    "a lower-case method": message(CHAT.replace("POST", "post"), HOST, JSON, LENGTH),
    "no version": b"GET /livez\r\n\r\n",
    "HTTP/1.0 with a body": old(LENGTH),
    "HTTP/1.0 with chunks": old(CHUNKED, body=IN_CHUNKS),
    "HTTP/1.0 with both": old(LENGTH, CHUNKED, body=IN_CHUNKS),
    "HTTP/1.7": message(CHAT.replace("1.1", "1.7"), HOST, JSON, LENGTH),
    "HTTP/2.0": message(CHAT.replace("1.1", "2.0"), HOST, JSON, LENGTH),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an upgrade to HTTP/2": chat("connection: upgrade", "upgrade: h2c", "content-length: 0"),
    "a TLS client hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32,
    "a huge target": message(f"GET /{'x' * 70_000} HTTP/1.1", HOST, body=b""),
    "one header over the limit": chat(LENGTH, "x: " + "y" * 65_536),
    "many headers over the limit": chat(LENGTH, *[f"x-{n}: {'y' * 90}" for n in range(700)]),
    "an endless name": message(CHAT, "x" * 70_000, body=b""),
    "a body that is cut": chat(LENGTH, body=BODY[:-1]),
    "chunks that are cut": chat(CHUNKED, body=IN_CHUNKS[:-5]),
}


def tell(port, data, *, finish=True, timeout_s=5.0):
    """All that is answered until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as raw:
        with contextlib.suppress(OSError):  # it may close while we send
            raw.sendall(data)
            if finish:
                raw.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(ConnectionError):
            while part := raw.recv(65536):
                got += part
        return got


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused(gateway, case):
    got = tell(gateway.port, REFUSED[case])
    assert got == b"" or got.startswith(b"HTTP/1.1 4"), got
    assert got.count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize("case", ["a bad chunk size", "two hosts", "an absolute target"])
def test_a_refusal_has_the_shape_of_every_error_and_closes(gateway, case):
    answer = tell(gateway.port, REFUSED[case], finish=False)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in head
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
    assert json.loads(body)["error"]["code"] == "invalid_request"


def test_what_follows_a_request_is_not_a_second_one(scene):
    """Bytes behind a whole request, as a smuggler sends them: at most the first is answered."""
    gateway, fake = scene
    second = message("POST /v1/chat/completions HTTP/1.1", HOST, JSON, LENGTH)
    before = len(fake.requests())
    got = tell(gateway.port, chat(LENGTH) + second)
    assert got.count(b"HTTP/1.1 ") <= 1
    assert len(fake.requests()) - before <= 1


@pytest.mark.parametrize("junk", [b"\r\n", b"GET", b"\0"])
def test_an_answer_is_never_mixed_with_a_refusal(scene, junk):
    gateway, fake = scene
    fake.set(mode="slow", delay_s=0.05, once=True)
    body = json.dumps({**json.loads(BODY), "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as raw:
        raw.sendall(chat(f"content-length: {len(body)}", body=body))
        got = raw.recv(65536)
        assert got.startswith(b"HTTP/1.1 200 ")
        with contextlib.suppress(ConnectionError):
            raw.sendall(junk)
            while not got.endswith(b"\r\n0\r\n\r\n") and (part := raw.recv(65536)):
                got += part
    assert got.count(b"HTTP/1.1 ") == 1
    assert (b"[DONE]" in got) == (junk == b"\r\n")


def test_what_is_whole_and_plain_is_served(scene):
    gateway, _ = scene
    for data in (
        chat(LENGTH, "connection: close"),
        chat(CHUNKED, "connection: close", body=IN_CHUNKS),
        b"\r\n" + chat(LENGTH, "connection: close"),
        chat(LENGTH.upper(), "x: " + "y" * 60_000, "connection: close"),
        chat(LENGTH, "accept: a", "accept: b", "connection: close"),
        message("GET /livez HTTP/1.0", HOST, body=b""),
    ):
        assert tell(gateway.port, data, finish=False).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("trailer", [b"host: evil.example", b"x-situs-label: nonsense", b"x: y"])
def test_trailers_are_no_headers(scene, trailer):
    gateway, _ = scene
    body = IN_CHUNKS[:-2] + trailer + b"\r\n\r\n"
    got = tell(gateway.port, chat(CHUNKED, "connection: close", body=body), finish=False)
    assert got.startswith(b"HTTP/1.1 200 ")


def test_a_body_that_waits_for_leave_gets_it(scene):
    gateway, _ = scene
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as raw:
        raw.sendall(chat(LENGTH, "expect: 100-continue", body=b""))
        assert raw.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(BODY)
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_requests_follow_each_other_on_one_connection(scene):
    gateway, _ = scene
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as raw:
        for data in (chat(LENGTH), chat(CHUNKED, body=IN_CHUNKS), b"\r\n" + chat(LENGTH)):
            raw.sendall(data)
            answer = http.client.HTTPResponse(raw)
            answer.begin()
            assert answer.status == 200
            assert json.loads(answer.read())["choices"]


# The bounds in time, on a server with shorter ones.


class Short(GuardedProtocol):
    head_s = 0.2
    body_s = 0.2
    answer_s = 0.2
    least_rate = 50_000


async def app(scope, receive, send):
    """Reads the body; answers with what the path names."""
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/long":
        await asyncio.sleep(0.5)
    size = 50_000_000 if scope["path"] == "/large" else 2
    length = (b"content-length", str(size).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": b"x" * size})


class Server(uvicorn.Server):
    """Leaves the signals to the test run."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def serving():
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=Short, lifespan="off", ws="none", access_log=False, log_config=None
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1], server
    finally:
        server.should_exit = server.force_exit = True
        await task
        listener.close()


async def send_slowly(port, *pieces, every_s=0.05):
    """What is answered to the pieces, sent one by one until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def sending():
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every_s)

    task = asyncio.create_task(sending())
    try:
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(reader.read(65536), 5)
        return b""
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def run(main):
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


GET = message("GET / HTTP/1.1", HOST, body=b"")
POST = message("POST / HTTP/1.1", HOST, "content-length: 300000", body=b"")
DRIP = [b"x"] * 1000

SLOW = {
    "nothing at all": [b""],
    "half a head": [GET[:-2]],
    "a head that drips": [GET[:-2], b"x: ", *DRIP],
    "empty lines only": [b"\r\n"] * 1000,
    "no body": [POST],
    "a body that drips": [POST, *DRIP],
    "a body that drips in chunks": [
        message("POST / HTTP/1.1", HOST, CHUNKED, body=b""),
        *[b"1\r\nx\r\n"] * 1000,
    ],
    "an endless trailer": [message("POST / HTTP/1.1", HOST, CHUNKED, body=b"0\r\nx: "), *DRIP],
}


@pytest.mark.parametrize("case", SLOW)
def test_a_request_that_does_not_come_is_closed(case):
    async def test():
        async with serving() as (port, server):
            told = await send_slowly(port, *SLOW[case])
            assert told.startswith(b"HTTP/1.1 408 ") if "head" in case else told == b""
            await asyncio.sleep(0.05)
            assert not server.server_state.connections
            assert not server.server_state.tasks

    run(test)


@pytest.mark.parametrize("junk", [b"\r\n", GET[:9], POST])
def test_a_kept_connection_is_closed_when_the_next_request_does_not_come(junk):
    async def test():
        async with serving() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            assert (await reader.readuntil(b"\r\n\r\nxx")).startswith(b"HTTP/1.1 200 ")
            writer.write(junk)
            with contextlib.suppress(ConnectionError):
                told = await asyncio.wait_for(reader.read(), 5)
                assert told.startswith(b"HTTP/1.1 408 ") if junk == GET[:9] else told == b""
            writer.close()

    run(test)


def test_a_body_that_keeps_coming_has_its_time():
    async def test():
        async with serving() as (port, _):
            pieces = [b"x" * 15_000] * 20
            assert (await send_slowly(port, POST, *pieces)).startswith(b"HTTP/1.1 200 ")

    run(test)


def test_an_answer_may_take_its_time():
    async def test():
        async with serving() as (port, _):
            long = message("GET /long HTTP/1.1", HOST, body=b"")
            assert (await send_slowly(port, long, b"\r\n")).startswith(b"HTTP/1.1 200 ")

    run(test)


@pytest.mark.parametrize("taken", [0, 1])
def test_an_answer_nobody_takes_is_given_up(taken):
    async def test():
        async with serving() as (port, server):
            raw = socket.create_connection(("127.0.0.1", port))
            with raw:
                raw.sendall(message("GET /large HTTP/1.1", HOST, body=b""))
                await asyncio.sleep(0.1)
                deadline = asyncio.get_running_loop().time() + 5
                while server.server_state.connections:
                    raw.recv(taken) if taken else None
                    await asyncio.sleep(0.05)
                    assert asyncio.get_running_loop().time() < deadline

    run(test)


def test_an_answer_that_is_taken_has_its_time():
    async def test():
        async with serving() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(message("GET /large HTTP/1.1", HOST, body=b""))
            await reader.readuntil(b"\r\n\r\n")
            got = 0
            while got < 50_000_000:
                got += len(await reader.readexactly(500_000))
                await asyncio.sleep(0.01)
            writer.close()

    run(test)


def test_a_head_beyond_its_limit_is_told_so():
    async def test():
        async with serving() as (port, _):
            head = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"y" * 70_000
            told = await send_slowly(port, head)
            assert told.startswith(b"HTTP/1.1 431 ")
            assert b"head_too_large" in told

    run(test)
