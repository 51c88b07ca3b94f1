"""The client against whole servers: every failure, other people's servers, many requests."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.server
import json
import threading

import pytest
import uvicorn
from aiohttp import web
from tests import make
from tests.fakes.openai_answers import MODES
from tests.fakes.openai_server import FakeOpenAI
from tests.unit.backends.upstream import LOOPS, identity, origins, run

from situs.backends.http1 import Connection
from situs.backends.openai_compatible import Endpoint, OpenAICompatible
from situs.errors import BackendUnavailable

ANSWER = {"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 1}}
WHOLE = json.dumps(ANSWER).encode()
EVENTS = [b'data: {"choices": [{"finish_reason": "stop"}]}\n\n', b"data: [DONE]\n\n"]


@pytest.fixture(params=LOOPS)
def loop(request):
    return request.param


def client(base_url, *, wait_s=0.3, stall_s=0.3):
    limits = dict.fromkeys(("first_byte_timeout_s", "answer_timeout_s"), wait_s)
    limits["stall_timeout_s"] = stall_s
    return OpenAICompatible({"local": Endpoint(lambda: base_url, "m", **limits)}, origins(base_url))


async def ask(known, *, stream=False, most=10_000):
    """How one exchange ended (`whole` or a reason), what came, and the reply."""
    document = {"model": "auto", "messages": [{"role": "user", "content": "x"}], "stream": stream}
    request = make.request(document=document, stream=stream)
    reply = known.prepare(make.deployment("local"), request)
    got = b""
    try:
        await reply.open()
        async with contextlib.aclosing(reply.chunks()) as chunks:
            async for chunk in chunks:
                got += chunk.data
                if len(got) > most:
                    return "left", got, reply
    except BackendUnavailable as error:
        return str(error.reason), got, reply
    else:
        return "whole", got, reply
    finally:
        await reply.close()


# Mode: how a whole answer ends, how a stream ends.
ENDS = {
    "hang_before_head": ("timeout", "timeout"),
    "hang_after_head": ("stalled", "stalled"),
    "stall_mid_stream": ("stalled", "stalled"),
    "cut_before_first_byte": ("cut", "cut"),
    "cut_mid_body": ("cut", "cut"),
    "cut_mid_stream": ("cut", "cut"),
    "reset_mid_stream": ("cut", "cut"),
    "garbage_body": ("garbage", "garbage"),
    "garbage_sse": ("garbage", "garbage"),
    "error_event": ("garbage", "server_error"),
    "html_200": ("garbage", "garbage"),
    "redirect": ("garbage", "garbage"),
    "no_finish": ("whole", "cut"),
    "half_utf8": ("garbage", "garbage"),
    "huge_chunk": ("left", "left"),
    "status_401": ("server_error", "server_error"),
    "status_403": ("server_error", "server_error"),
    "status_404": ("server_error", "server_error"),
    "status_429": ("rate_limited", "rate_limited"),
    "status_500": ("server_error", "server_error"),
    "status_502": ("server_error", "server_error"),
    "status_503": ("server_error", "server_error"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", sorted(MODES - {"endless_stream"}))
def test_every_way_to_fail_has_its_end(mode, stream):
    async def test():
        async with FakeOpenAI() as fake:
            fake.set(mode=mode, delay_s=0.001)
            known = client(fake.base_url)
            end, _, reply = await ask(known, stream=stream)
            assert end == ENDS.get(mode, ("whole", "whole"))[stream]
            assert reply.peer.port == fake.port
            assert reply.bytes_out == sum(len(request.body) for request in fake.requests)
            known.close()
            await asyncio.sleep(0.01)
            assert not fake._open

    run("uvloop", test())


class Stdlib(http.server.BaseHTTPRequestHandler):
    """The standard library's server: HTTP/1.0, so its answers end with the connection."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        kind = "text/event-stream" if body.get("stream_options") else "application/json"
        self.send_header("content-type", kind)
        self.end_headers()
        for piece in EVENTS if body.get("stream_options") else [WHOLE]:
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, *_):
        pass


@contextlib.asynccontextmanager
async def stdlib():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stdlib)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        await asyncio.to_thread(server.shutdown)
        thread.join()
        server.server_close()


@contextlib.asynccontextmanager
async def aiohttp_server():
    async def handle(request):
        if "stream_options" not in await request.json():
            return web.json_response(ANSWER)
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        for piece in EVENTS:
            await reply.write(piece)
        return reply

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class Uvicorn(uvicorn.Server):
    """Leaves the signals to the test run, and tells when it listens."""

    def __init__(self, config):
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self):
        yield


async def asgi(scope, receive, send):
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    streamed = "stream_options" in json.loads(body)
    kind = b"text/event-stream" if streamed else b"application/json"
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in EVENTS if streamed else [WHOLE]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def uvicorn_server():
    config = uvicorn.Config(asgi, port=0, http="h11", lifespan="off", ws="none", log_config=None)
    server = Uvicorn(config)
    task = asyncio.create_task(server.serve())
    await server.listening.wait()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task


@pytest.mark.parametrize("server", [stdlib, aiohttp_server, uvicorn_server])
def test_other_servers_are_understood(loop, server):
    async def test():
        async with server() as port:
            known = client(f"http://127.0.0.1:{port}/v1", wait_s=5.0)
            for _ in range(3):
                end, got, reply = await ask(known)
                assert (end, json.loads(got)) == ("whole", ANSWER)
                assert reply.peer.port == port
                end, got, _ = await ask(known, stream=True)
                assert (end, got) == ("whole", b"".join(EVENTS))
            known.close()

    run(loop, test())


def test_a_certificate_of_an_unknown_authority_gets_no_byte(loop, tmp_path):
    async def test():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server complains
        async with FakeOpenAI(tls=identity(tmp_path).server) as fake:
            end, _, reply = await ask(client(fake.base_url))
            assert (end, reply.peer, reply.bytes_out) == ("unreachable", None, 0)
            assert fake.requests == []
            await asyncio.sleep(0.05)

    run(loop, test())


def test_many_exchanges_of_every_kind_leave_nothing_behind(loop):
    """Answered, failed, left, cancelled: no task, no socket, nothing for a collector."""

    async def cancelled(known):
        task = asyncio.create_task(ask(known, stream=True, most=10**9))
        await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def test():
        async with FakeOpenAI() as fake:
            known = client(fake.base_url, stall_s=0.02, wait_s=0.02)
            for mode in ["ok", "cut_mid_stream", "html_200", "garbage_sse", "hang_after_head"] * 8:
                fake.set(mode=mode, delay_s=0.0)
                both = (ask(known), ask(known, stream=True))
                await asyncio.gather(*both)
                fake.set(mode="ok")
                await ask(known)  # leaves a connection to cancel on: a connect is the loop's own
                fake.set(mode="endless_stream", delay_s=0.0)
                await cancelled(known)
            known.close()
            await asyncio.sleep(0.02)
            assert not [o for o in gc.get_objects() if type(o) is Connection]

    gc.collect()
    gc.disable()
    try:
        run(loop, test())
    finally:
        gc.enable()
