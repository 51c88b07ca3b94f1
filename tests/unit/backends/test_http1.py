import asyncio
import contextlib
import socket
import ssl

import pytest
from tests.unit.backends.upstream import (
    BODY,
    HEAD,
    LOOPS,
    OK,
    answering,
    ask,
    exchange,
    identity,
    pool_of,
    run,
    serving,
)

from situs.backends.http1 import Pool
from situs.errors import BackendUnavailable


@pytest.fixture(params=LOOPS)
def loop(request):
    return request.param


def head(*lines, status="HTTP/1.1 200 OK"):
    return "\r\n".join([status, *lines, "", ""]).encode("latin-1")


CHUNKED = head("transfer-encoding: chunked")
UNTIL_CLOSE = head("content-type: text/plain")
KIB = 1024

WHOLE = {
    "by content-length": ([OK], "wait", (200, b"ok")),
    "byte by byte": ([bytes([byte]) for byte in OK], "wait", (200, b"ok")),
    "chunked": ([CHUNKED, b"1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n"], "wait", (200, b"ok")),
    "chunked with a trailer": (
        [CHUNKED, b"2\r\nok\r\n0\r\ncontent-type: evil\r\n\r\n"],
        "wait",
        (200, b"ok"),
    ),
    "until close": ([UNTIL_CLOSE, b"ok"], "close", (200, b"ok")),
    "HTTP/1.0, until close": ([head(status="HTTP/1.0 200 OK"), b"ok"], "close", (200, b"ok")),
    "none": ([head(status="HTTP/1.1 204 No Content")], "wait", (204, b"")),
    "an empty one": ([head("content-length: 0")], "wait", (200, b"")),
    "after 100 and 103": (
        [head(status="HTTP/1.1 100 Continue"), head("link: x", status="HTTP/1.1 103 E"), OK],
        "wait",
        (200, b"ok"),
    ),
    "a refusal": ([head("content-length: 0", status="HTTP/1.1 404 No")], "wait", (404, b"")),
    "a large head just under the limit": (
        [head(f"x: {'y' * (64 * KIB - 60)}", "content-length: 2"), b"ok"],
        "wait",
        (200, b"ok"),
    ),
    "a large body in one piece with its head": (
        [head("content-length: 300000") + b"x" * 300_000],
        "wait",
        (200, b"x" * 300_000),
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_answer_is_read(loop, case):
    pieces, then, expected = WHOLE[case]
    assert run(loop, ask(answering(*pieces, then=then))) == expected


GARBAGE = {
    "no HTTP at all": [b"SSH-2.0-OpenSSH_9.6\r\n"],
    "a garbage status line": [b"HTTP/1.1 2xx OK\r\n\r\n"],
    "a version that does not exist": [b"HTTP/1.7 200 OK\r\n\r\n"],
    "a status below 100": [b"HTTP/1.1 099 No\r\n\r\n"],
    "switching protocols": [head("connection: upgrade", "upgrade: x", status="HTTP/1.1 101 S")],
    "an endless line": [b"HTTP/1.1 200 " + b"x" * (65 * KIB)],
    "one header over the limit": [head("x: " + "y" * (64 * KIB)), b"ok"],
    "many headers over the limit": [head(*[f"x-{n}: {'y' * 90}" for n in range(700)]), OK],
    "endless interim answers": [head(status="HTTP/1.1 100 Continue") * 3000],
    "content-length and transfer-encoding": [
        head("content-length: 2", "transfer-encoding: chunked"),
        b"2\r\nok\r\n0\r\n\r\n",
    ],
    "transfer-encoding and content-length": [
        head("transfer-encoding: chunked", "content-length: 2"),
        b"2\r\nok\r\n0\r\n\r\n",
    ],
    "two content-lengths": [head("content-length: 2", "content-length: 2"), b"ok"],
    "a list of content-lengths": [head("content-length: 2, 2"), b"ok"],
    "a signed content-length": [head("content-length: +2"), b"ok"],
    "a folded header": [head("x: a", " b", "content-length: 2"), b"ok"],
    "a space before the colon": [head("content-length : 2"), b"ok"],
    "bare line feeds": [b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok"],
    "a bare carriage return": [head("x: a\rb", "content-length: 2"), b"ok"],
    "a zero byte": [head("x: a\0b", "content-length: 2"), b"ok"],
    "a bad chunk size": [CHUNKED, b"zz\r\nok\r\n0\r\n\r\n"],
    "a negative chunk size": [CHUNKED, b"-2\r\nok\r\n0\r\n\r\n"],
    "a chunk size beyond 64 bits": [CHUNKED, b"f" * 17 + b"\r\nok\r\n0\r\n\r\n"],
    "a chunk longer than its size": [CHUNKED, b"1\r\nok\r\n0\r\n\r\n"],
    "an endless chunk extension": [CHUNKED, b"2;" + b"x" * 600 * KIB],
    "framing in a trailer": [CHUNKED, b"2\r\nok\r\n0\r\ncontent-length: 9\r\n\r\n"],
    "an endless trailer": [CHUNKED, b"2\r\nok\r\n0\r\nx: " + b"y" * 600 * KIB],
}


@pytest.mark.parametrize("case", GARBAGE)
def test_what_is_no_http_is_garbage(loop, case):
    assert run(loop, ask(answering(*GARBAGE[case]))) == "garbage"


CUT = {
    "before a byte": ([], "close"),
    "in the head": ([b"HTTP/1.1 200 OK\r\ncontent-"], "close"),
    "after an interim answer": ([head(status="HTTP/1.1 100 Continue")], "close"),
    "content-length too long": ([head("content-length: 3"), b"ok"], "close"),
    "chunked without its end": ([CHUNKED, b"2\r\nok\r\n"], "close"),
    "in a chunk": ([CHUNKED, b"8\r\nok"], "close"),
    "a reset in a body until close": ([UNTIL_CLOSE, b"ok"], "reset"),
    "a coding that is not chunked": ([head("transfer-encoding: gzip"), b"ok"], "close"),
    "chunked is not the last coding": ([head("transfer-encoding: chunked, gzip")], "close"),
}


@pytest.mark.parametrize("case", CUT)
def test_what_breaks_off_is_cut(loop, case):
    pieces, then = CUT[case]
    assert run(loop, ask(answering(*pieces, then=then))) == "cut"


SILENT = {
    "before a byte": ([], "timeout"),
    "in the head": ([b"HTTP/1.1 200 OK\r\n"], "timeout"),
    "after an interim answer": ([head(status="HTTP/1.1 102 Processing")], "timeout"),
    "before the body": ([head("content-length: 2")], "stalled"),
    "in the body": ([CHUNKED, b"1\r\no\r\n"], "stalled"),
    "before the last chunk": ([CHUNKED, b"2\r\nok\r\n"], "stalled"),
}


@pytest.mark.parametrize("case", SILENT)
def test_what_falls_silent_is_told_by_where(loop, case):
    pieces, end = SILENT[case]
    assert run(loop, ask(answering(*pieces), timeout_s=0.1)) == end


def test_framing_without_body_does_not_count_as_progress(loop):
    async def trickle(peer):
        await peer.request()
        await peer.write(CHUNKED, b"2;")
        while True:
            await peer.write(b"x")
            await asyncio.sleep(0.01)

    assert run(loop, ask(trickle, timeout_s=0.2)) == "stalled"


SECOND = head("content-type: evil", "content-length: 4", status="HTTP/1.1 500 Evil") + b"evil"


@pytest.mark.parametrize("extra", [SECOND, b"x", b"HTTP"])
@pytest.mark.parametrize("first", [OK, CHUNKED + b"2\r\nok\r\n0\r\n\r\n"])
def test_bytes_after_an_answer_change_nothing_and_end_the_connection(loop, first, extra):
    async def test():
        async with serving(answering(first + extra)) as upstream:
            pool = pool_of("127.0.0.1", upstream.port)
            connection = await pool.take(2.0)
            await connection.send(HEAD, BODY, 2.0)
            got = await connection.read(2.0), await connection.read(2.0)
            assert (connection.status, got) == (200, (b"ok", b""))
            assert b"content-type" not in connection.headers
            pool.give(connection)
            await upstream.peers[0].left.wait()

    run(loop, test())


def test_a_content_length_too_short_gives_what_it_said(loop):
    assert run(loop, ask(answering(head("content-length: 1") + b"ok"))) == (200, b"o")


def test_bytes_while_idle_close_the_connection(loop):
    async def talkative(peer):
        await peer.request()
        await peer.write(OK)
        await asyncio.sleep(0.02)
        with contextlib.suppress(ConnectionError):
            await peer.write(SECOND)
        await peer.gone()

    async def test():
        async with serving(talkative) as upstream:
            pool = pool_of("127.0.0.1", upstream.port)
            assert await exchange(pool) == (200, b"ok")
            await upstream.peers[0].left.wait()
            assert await exchange(pool) == (200, b"ok")
            assert len(upstream.peers) == 2
            pool.close()

    run(loop, test())


def test_a_server_that_speaks_first_gets_nothing(loop):
    async def banner(peer):
        await peer.write(b"220 mail.example ESMTP\r\n")
        await peer.gone()

    async def test():
        async with serving(banner) as upstream:
            pool = pool_of("127.0.0.1", upstream.port)
            connection = await pool.take(2.0)
            await upstream.peers[0].left.wait()
            with pytest.raises(BackendUnavailable) as raised:
                await connection.send(HEAD, BODY, 2.0)
            pool.give(connection)
            assert raised.value.reason == "cut"
            assert upstream.peers[0].requests == []

    run(loop, test())


async def keeping(peer):
    while True:
        await peer.request()
        await peer.write(OK)


def test_connections_are_used_again_one_exchange_at_a_time(loop):
    async def test():
        async with serving(keeping) as upstream:
            pool = pool_of("127.0.0.1", upstream.port)
            for _ in range(3):
                assert await exchange(pool) == (200, b"ok")
            assert len(upstream.peers) == 1
            both = await asyncio.gather(exchange(pool), exchange(pool))
            assert list(both) == [(200, b"ok")] * 2
            assert len(upstream.peers) == 2
            assert sum(len(peer.requests) for peer in upstream.peers) == 5
            pool.close()

    run(loop, test())


NOT_KEPT = {
    "connection: close": head("connection: close", "content-length: 2") + b"ok",
    "HTTP/1.0": head("content-length: 2", status="HTTP/1.0 200 OK") + b"ok",
}


@pytest.mark.parametrize("case", NOT_KEPT)
def test_a_connection_the_server_gives_up_is_not_used_again(loop, case):
    async def test():
        async with serving(answering(NOT_KEPT[case])) as upstream:
            pool = pool_of("127.0.0.1", upstream.port)
            assert await exchange(pool) == (200, b"ok")
            await upstream.peers[0].left.wait()
            assert await exchange(pool) == (200, b"ok")
            assert len(upstream.peers) == 2
            pool.close()

    run(loop, test())


class Forgetful(Pool):
    idle_s = 0.0


def test_a_connection_idle_for_too_long_is_closed_and_not_used_again(loop):
    async def test():
        async with serving(keeping) as upstream:
            pool = pool_of("127.0.0.1", upstream.port, kind=Forgetful)
            assert await exchange(pool) == (200, b"ok")
            assert await exchange(pool) == (200, b"ok")
            assert [len(peer.requests) for peer in upstream.peers] == [1, 1]
            pool.close()

    run(loop, test())


def test_a_closed_pool_keeps_nothing(loop):
    async def test():
        async with serving(keeping) as upstream:
            pool = pool_of("127.0.0.1", upstream.port)
            connection = await pool.take(2.0)
            pool.close()
            await connection.send(HEAD, BODY, 2.0)
            assert await connection.read(2.0) == b"ok"
            pool.give(connection)
            assert connection.transport.is_closing()

    run(loop, test())


def test_an_answer_before_the_request_is_sent_does_not_keep_the_connection(loop):
    async def hasty(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.write(head("content-length: 0", status="HTTP/1.1 413 Too Large"))
        await asyncio.Event().wait()

    async def test():
        async with serving(hasty) as upstream:
            pool = pool_of("127.0.0.1", upstream.port)
            connection = await pool.take(2.0)
            await connection.send(HEAD, b" " * 50_000_000, 5.0)
            assert (connection.status, await connection.read(2.0)) == (413, b"")
            pool.give(connection)
            assert connection.transport.is_closing()

    run(loop, test())


async def endless(peer):
    await peer.request()
    await peer.write(CHUNKED)
    await peer.gone()


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_cancelled_exchange_closes_its_socket_at_once(loop, where):
    async def test():
        script = answering() if where == "head" else endless
        async with serving(script) as upstream:
            pool = pool_of("127.0.0.1", upstream.port)
            task = asyncio.create_task(exchange(pool, 30.0))
            await upstream.asked.wait()
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await upstream.peers[0].left.wait()

    run(loop, test())


@contextlib.contextmanager
def deaf():
    """A port whose queue of connections is full: connecting to it hangs."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield listener.getsockname()[1]


def test_connecting_times_out(loop):
    async def test(port):
        with pytest.raises(BackendUnavailable) as raised:
            await pool_of("127.0.0.1", port).take(0.1)
        assert raised.value.reason == "timeout"

    with deaf() as port:
        run(loop, test(port))


def test_a_cancelled_connect_leaves_no_socket(loop):
    async def test(port):
        task = asyncio.create_task(pool_of("127.0.0.1", port).take(30.0))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with deaf() as port:
        run(loop, test(port))


@pytest.mark.parametrize("leave", [False, True])
def test_a_handshake_that_hangs_ends_and_leaves_no_socket(loop, leave):
    async def silent(peer):
        await peer.gone()

    async def test():
        async with serving(silent) as upstream:
            pool = pool_of("127.0.0.1", upstream.port, ssl.create_default_context())
            task = asyncio.create_task(exchange(pool) if leave else pool.take(0.1))
            if leave:
                await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                with pytest.raises(BackendUnavailable) as raised:
                    await task
                assert raised.value.reason == "timeout"
            await upstream.peers[0].left.wait()

    run(loop, test())


@pytest.mark.parametrize("host", ["127.0.0.1", "a..b", "x" * 70 + ".test", "nowhere.invalid"])
def test_what_cannot_be_connected_to_is_unreachable(loop, host):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))

        async def test():
            with pytest.raises(BackendUnavailable) as raised:
                await pool_of(host, unused.getsockname()[1]).take(5.0)
            assert raised.value.reason == "unreachable"

        run(loop, test())


def test_a_body_nobody_reads_stops_the_sender(loop):
    """Of 50 MB only what fits into sockets and one buffer is taken; then all of it, when read."""
    size = 50_000_000

    async def test():
        sent = 0

        async def generous(peer):
            nonlocal sent
            await peer.request()
            await peer.write(head(f"content-length: {size}"))
            piece = b"x" * 100_000
            while sent < size:
                await peer.write(piece)
                sent += len(piece)
            await peer.gone()

        async with serving(generous) as upstream:
            pool = pool_of("127.0.0.1", upstream.port)
            connection = await pool.take(2.0)
            await connection.send(HEAD, BODY, 2.0)
            known = -1
            while known != sent:
                known = sent
                await asyncio.sleep(0.1)
            assert 0 < sent < 20_000_000
            got = largest = 0
            while data := await connection.read(5.0):
                got += len(data)
                largest = max(largest, len(data))
            assert got == size
            assert largest < 1_000_000
            pool.give(connection)
            pool.close()

    run(loop, test())


def test_the_peer_is_who_was_reached(loop):
    async def test():
        async with serving(keeping) as upstream:
            pool = pool_of("localhost", upstream.port)
            connection = await pool.take(2.0)
            assert connection.peer is not None
            assert connection.peer.address == "127.0.0.1"
            assert connection.peer.port == upstream.port
            assert connection.peer.tls_sha256 is None
            pool.give(connection)

    run(loop, test())


def test_ipv6_works(loop):
    async def test():
        async with serving(keeping, host="::1") as upstream:
            pool = pool_of("::1", upstream.port)
            connection = await pool.take(2.0)
            assert connection.peer is not None
            assert (connection.peer.address, connection.peer.port) == ("::1", upstream.port)
            pool.give(connection)

    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    run(loop, test())


def test_the_certificate_that_was_shown_is_reported(loop, tmp_path):
    known = identity(tmp_path)

    async def test():
        async with serving(keeping, tls=known.server) as upstream:
            pool = pool_of("127.0.0.1", upstream.port, known.trusting)
            connection = await pool.take(5.0)
            assert connection.peer is not None
            assert connection.peer.tls_sha256 == known.sha256
            await connection.send(HEAD, BODY, 5.0)
            assert await connection.read(5.0) == b"ok"
            pool.give(connection)
            assert await exchange(pool) == (200, b"ok")
            assert len(upstream.peers) == 1
            pool.close()
            await asyncio.sleep(0.05)

    run(loop, test())


@pytest.mark.parametrize("wrong", ["name", "authority", "no TLS"])
def test_tls_that_does_not_verify_is_unreachable_and_gets_no_byte(loop, tmp_path, wrong):
    known = identity(tmp_path, *(["other.test"] if wrong == "name" else []))
    trusting = ssl.create_default_context() if wrong == "authority" else known.trusting

    async def test():
        tls = None if wrong == "no TLS" else known.server
        script = keeping if tls else answering(b"HTTP/1.1 400 Bad\r\n\r\n", then="close")
        async with serving(script, tls=tls) as upstream:
            upstream_loop = asyncio.get_running_loop()
            upstream_loop.set_exception_handler(lambda *_: None)  # the server's own complaint
            pool = pool_of("127.0.0.1", upstream.port, trusting)
            if wrong == "no TLS":

                def hang_up():
                    upstream.peers[0].reset()

                asyncio.get_running_loop().call_later(0.1, hang_up)
            assert await exchange(pool) == "unreachable"
            assert not any(peer.requests for peer in upstream.peers)
            await asyncio.sleep(0.05)

    run(loop, test())
