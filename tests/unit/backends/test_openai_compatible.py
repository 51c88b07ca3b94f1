import asyncio
from contextlib import aclosing

import pytest
from tests import make
from tests.unit.backends.upstream import LOOPS, answering, origins, run, serving

from situs.backends.openai_compatible import Endpoint, OpenAICompatible, outgoing
from situs.errors import BackendUnavailable

SAID = b'{"choices":[{"message":{}}]}'
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(SAID),
    SAID,
)
STREAM = b'data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"%x\r\n%b\r\n" % (len(STREAM), STREAM)
)


@pytest.fixture(params=LOOPS)
def loop(request):
    return request.param


def backends(url, **endpoint):
    known = {"local": Endpoint(lambda: url, "m", **{"connect_timeout_s": 2.0, **endpoint})}
    return OpenAICompatible(known, origins(url))


def prepare(known, **fields):
    return known.prepare(make.deployment("local"), make.request(**fields))


async def answer(reply):
    """The bytes of the body, or the reason why there are none."""
    try:
        await reply.open()
        async with aclosing(reply.chunks()) as chunks:
            return b"".join([chunk.data async for chunk in chunks])
    except BackendUnavailable as error:
        return str(error.reason)
    finally:
        await reply.close()


LENGTH = len(outgoing(make.request(), "m"))


def test_a_request_is_sent_as_one_message_with_nothing_of_the_callers_headers(loop):
    heads = []

    async def noting(peer):
        heads.append(await peer.request())
        await peer.write(JSON)

    async def test():
        async with serving(noting) as upstream:
            known = backends(f"http://127.0.0.1:{upstream.port}/v1", key=lambda: "k-1")
            reply = prepare(known)
            assert await answer(reply) == SAID
            assert (reply.status, reply.bytes_out) == (200, LENGTH)
            assert (reply.peer.address, reply.peer.port) == ("127.0.0.1", upstream.port)
            assert upstream.peers[0].requests == [outgoing(make.request(), "m")]
            known.close()
            assert heads[0].decode().split("\r\n") == [
                "POST /v1/chat/completions HTTP/1.1",
                f"host: 127.0.0.1:{upstream.port}",
                "content-type: application/json",
                "accept-encoding: identity",
                "authorization: Bearer k-1",
                f"content-length: {LENGTH}",
                "",
                "",
            ]

    run(loop, test())


@pytest.mark.parametrize("key", ["a\r\nx: y", "a\nb", "a\rb", "a\0b", "a\x7fb", "kéy", "a\x85b"])
def test_a_key_that_is_no_header_value_never_leaves(loop, key):
    async def test():
        async with serving(answering(JSON)) as upstream:
            reply = prepare(backends(f"http://127.0.0.1:{upstream.port}/v1", key=lambda: key))
            assert await answer(reply) == "unreachable"
            assert (reply.peer, reply.bytes_out) == (None, 0)
            assert upstream.peers == []

    run(loop, test())


def test_a_kept_connection_that_went_stale_is_tried_once_on_a_new_one(loop):
    async def one_each(peer):
        await peer.request()
        await peer.write(JSON)
        await peer.request()  # a second request on it is not answered

    async def test():
        async with serving(one_each) as upstream:
            known = backends(f"http://127.0.0.1:{upstream.port}/v1")
            assert await answer(prepare(known)) == SAID
            again = prepare(known)
            assert await answer(again) == SAID
            assert len(upstream.peers) == 2
            assert again.bytes_out == 2 * LENGTH  # they may have left twice, and say so
            known.close()

    run(loop, test())


def test_a_stale_connection_is_not_tried_a_third_time(loop):
    async def first_only(peer):
        await peer.request()
        if len(seen) == 0:
            seen.append(peer)
            await peer.write(JSON)
            await peer.request()

    seen = []

    async def test():
        async with serving(first_only) as upstream:
            known = backends(f"http://127.0.0.1:{upstream.port}/v1")
            assert await answer(prepare(known)) == SAID
            again = prepare(known)
            assert await answer(again) == "cut"
            assert len(upstream.peers) == 2
            assert again.bytes_out == 2 * LENGTH
            assert again.peer.port == upstream.port
            known.close()

    run(loop, test())


def test_a_new_connection_that_is_cut_is_not_tried_again(loop):
    async def test():
        async with serving(answering(then="close")) as upstream:
            reply = prepare(backends(f"http://127.0.0.1:{upstream.port}/v1"))
            assert await answer(reply) == "cut"
            assert len(upstream.peers) == 1
            assert (reply.peer.port, reply.bytes_out) == (upstream.port, LENGTH)

    run(loop, test())


def test_a_kept_connection_that_had_begun_to_answer_is_not_tried_again(loop):
    async def halves(peer):
        await peer.request()
        await peer.write(JSON)
        await peer.request()
        await peer.write(JSON[:9])

    async def test():
        async with serving(halves) as upstream:
            known = backends(f"http://127.0.0.1:{upstream.port}/v1")
            assert await answer(prepare(known)) == SAID
            assert await answer(prepare(known)) == "cut"
            assert len(upstream.peers) == 1

    run(loop, test())


def test_a_kept_connection_that_stays_silent_is_not_tried_again(loop):
    async def once(peer):
        await peer.request()
        await peer.write(JSON)
        await peer.gone()

    async def test():
        async with serving(once) as upstream:
            known = backends(f"http://127.0.0.1:{upstream.port}/v1", answer_timeout_s=0.1)
            assert await answer(prepare(known)) == SAID
            reply = prepare(known)
            assert await answer(reply) == "timeout"
            assert len(upstream.peers) == 1
            assert (reply.peer.port, reply.bytes_out) == (upstream.port, LENGTH)

    run(loop, test())


def test_what_cannot_be_reached_got_nothing(loop):
    async def test():
        async with serving(answering()) as upstream:
            port = upstream.port
        reply = prepare(backends(f"http://127.0.0.1:{port}/v1"))
        assert await answer(reply) == "unreachable"
        assert (reply.peer, reply.bytes_out, reply.status) == (None, 0, 0)

    run(loop, test())


@pytest.mark.parametrize("url", [None, "http://a..b/v1", "http://[::1%25none]/v1"])
def test_a_place_that_is_none_is_unreachable(loop, url):
    async def test():
        assert await answer(prepare(backends(url))) == "unreachable"

    run(loop, test())


def test_a_cancelled_open_is_closed_at_once_and_says_what_may_have_left(loop):
    async def test():
        async with serving(answering()) as upstream:
            reply = prepare(backends(f"http://127.0.0.1:{upstream.port}/v1"))
            task = asyncio.create_task(answer(reply))
            await upstream.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await upstream.peers[0].left.wait()
            assert (reply.peer.port, reply.bytes_out) == (upstream.port, LENGTH)

    run(loop, test())


def test_what_follows_the_end_of_a_stream_is_not_waited_for(loop):
    """A server that never stops after [DONE] holds neither the caller nor the connection."""

    async def chatty(peer):
        await peer.request()
        await peer.write(EVENTS)
        while True:
            await peer.write(b"1\r\n\n\r\n")
            await asyncio.sleep(0.02)

    async def test():
        async with serving(chatty) as upstream:
            known = backends(f"http://127.0.0.1:{upstream.port}/v1")
            reply = prepare(known, stream=True)
            assert await answer(reply) == STREAM
            assert len(upstream.peers) == 1
            known.close()

    run(loop, test())


def test_a_stream_read_to_its_end_frees_the_connection(loop):
    async def keeping(peer):
        while True:
            await peer.request()
            await peer.write(EVENTS, b"0\r\n\r\n")

    async def test():
        async with serving(keeping) as upstream:
            known = backends(f"http://127.0.0.1:{upstream.port}/v1")
            for _ in range(3):
                assert await answer(prepare(known, stream=True)) == STREAM
            assert len(upstream.peers) == 1
            known.close()

    run(loop, test())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("99999", 3600), ("9" * 5000, None), ("-1", None), ("soon", None), ("", None)],
)
def test_retry_after_is_read_where_it_is_a_number(loop, value, seconds):
    assert retry_after_s(loop, f"retry-after: {value}\r\n") == seconds


@pytest.mark.parametrize(
    ("until", "seconds"),
    [
        ("Fri, 31 Dec 1999 23:59:59 GMT", 29),
        ("Friday, 31-Dec-99 23:59:59 GMT", 29),
        ("Fri Dec 31 23:59:59 1999", 29),
        ("Fri, 31 Dec 1999 23:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Fri, 99 Dec 1999 23:59:59 GMT", None),
        ("Fri, 31 Dec 99999999 23:59:59 GMT", None),
        ("a date that is none at all", None),
    ],
)
def test_retry_after_may_be_a_date_by_the_clock_of_the_server(loop, until, seconds):
    date = "date: Fri, 31 Dec 1999 23:59:30 GMT\r\n"
    assert retry_after_s(loop, f"{date}retry-after: {until}\r\n") == seconds


@pytest.mark.parametrize(("year", "seconds"), [(1999, 0), (9000, 3600)], ids=["past", "far"])
def test_without_a_date_of_its_own_ours_counts(loop, year, seconds):
    assert retry_after_s(loop, f"retry-after: Fri, 31 Dec {year} 23:59:59 GMT\r\n") == seconds


def retry_after_s(loop, headers):
    """What is understood of a 429 with these."""
    limited = f"HTTP/1.1 429 No\r\n{headers}content-length: 0\r\n\r\n".encode()
    found = []

    async def test():
        async with serving(answering(limited)) as upstream:
            reply = prepare(backends(f"http://127.0.0.1:{upstream.port}/v1"))
            with pytest.raises(BackendUnavailable) as raised:
                await reply.open()
            await reply.close()
            assert raised.value.reason == "rate_limited"
            found.append(raised.value.retry_after_s)

    run(loop, test())
    return found[0]


def test_after_close_nothing_is_kept(loop):
    async def test():
        async with serving(answering(JSON)) as upstream:
            known = backends(f"http://127.0.0.1:{upstream.port}/v1")
            reply = prepare(known)
            await reply.open()
            known.close()
            async with aclosing(reply.chunks()) as chunks:
                assert [chunk.data async for chunk in chunks] == [SAID]
            await reply.close()
            await upstream.peers[0].left.wait()

    run(loop, test())


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
PIECE = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("before", [b"", PIECE])
@pytest.mark.parametrize(("comments", "said"), [(10, None), (1000, "stalled")])
def test_comments_stand_for_an_answer_no_longer_than_its_first_byte_may_take(
    loop, before, comments, said
):
    async def keeping_alive(peer):
        await peer.request()
        await peer.write(STREAM_HEAD, before)
        for _ in range(comments):
            await peer.write(b": still here\n\n")
            await asyncio.sleep(0.02)
        await peer.write(PIECE, LAST)
        peer.writer.close()

    async def test():
        async with serving(keeping_alive) as upstream:
            known = backends(
                f"http://127.0.0.1:{upstream.port}/v1",
                stall_timeout_s=0.15,
                first_byte_timeout_s=1.0,
            )
            got = await answer(prepare(known, stream=True))
            if said is None:
                assert got.endswith(LAST)
            else:
                assert got == said
            known.close()

    run(loop, test())


def test_the_pieces_that_came_are_counted_without_ends_and_comments(loop):
    async def saying(peer):
        await peer.request()
        await peer.write(STREAM_HEAD, PIECE, b": a comment\n\n", PIECE * 3, LAST)
        peer.writer.close()

    async def test():
        async with serving(saying) as upstream:
            known = backends(f"http://127.0.0.1:{upstream.port}/v1")
            reply = prepare(known, stream=True)
            assert reply.pieces == 0
            await answer(reply)
            assert reply.pieces == 4
            known.close()

    run(loop, test())
