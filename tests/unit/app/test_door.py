import asyncio
import contextlib
import socket

import pytest
from tests.unit.backends.upstream import LOOPS, run

from situs.app.door import Door, DoorKeeper, doors
from situs.dispatch.egress import Connector, EgressRefused, Permit


@pytest.fixture(params=LOOPS)
def loop(request):
    return request.param


@contextlib.contextmanager
def open_door(connector, kind=Door):
    ours, theirs = doors()
    keeper, door = DoorKeeper(ours, connector), kind(theirs)
    try:
        yield door
    finally:
        door.close()
        keeper.close()


def listed(port):
    return Connector([Permit("x", lambda: ("127.0.0.1", port))])


def test_a_connection_is_handed_through(loop):
    async def test():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with open_door(listed(port)) as door, await door.dial("127.0.0.1", port) as raw:
                served, address = listener.accept()
                with served:
                    assert raw.getsockname() == address
                    served.sendall(b"hello")
                    assert await asyncio.get_running_loop().sock_recv(raw, 5) == b"hello"

    run(loop, test())


def test_many_at_once_are_each_given_their_own(loop):
    async def test():
        with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
            port = listener.getsockname()[1]
            with open_door(listed(port)) as door:
                raws = await asyncio.gather(*(door.dial("127.0.0.1", port) for _ in range(400)))
                assert len({raw.getsockname() for raw in raws}) == 400
                for raw in raws:
                    raw.close()

    run(loop, test())


def test_what_is_not_listed_is_refused_and_the_next_goes_through(loop):
    async def test():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with open_door(listed(port)) as door:
                with pytest.raises(EgressRefused):
                    await door.dial("127.0.0.1", port + 1)
                (await door.dial("127.0.0.1", port)).close()

    run(loop, test())


@pytest.mark.parametrize("host", ["127.0.0.1", "a..b", "x" * 70 + ".test", "nowhere.invalid"])
def test_what_cannot_be_reached_is_an_error_of_the_system(loop, host):
    async def test():
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            with open_door(Connector([Permit("x", lambda: (host, port))])) as door:
                with pytest.raises(OSError, match=r".") as raised:
                    await door.dial(host, port)
                assert not isinstance(raised.value, EgressRefused)

    run(loop, test())


def test_a_connection_that_nobody_waits_for_any_more_is_closed(loop):
    async def test():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with open_door(listed(port)) as door:
                task = asyncio.create_task(door.dial("127.0.0.1", port))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                (await door.dial("127.0.0.1", port)).close()
                first, _ = listener.accept()
                with first:
                    first.settimeout(5)
                    assert first.recv(1) == b""

    run(loop, test())


def test_a_connection_that_came_in_the_last_moment_is_closed(loop):
    tasks: list[asyncio.Task[socket.socket]] = []

    class Late(Door):
        def _take(self):
            super()._take()
            tasks[0].cancel()

    async def test():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with open_door(listed(port), Late) as door:
                tasks.append(asyncio.create_task(door.dial("127.0.0.1", port)))
                with pytest.raises(asyncio.CancelledError):
                    await tasks[0]
                served, _ = listener.accept()
                with served:
                    served.settimeout(5)
                    assert served.recv(1) == b""

    run(loop, test())


def test_nowhere_is_refused(loop):
    async def test():
        nowhere = Connector([Permit("x", lambda: ("", 80))])
        with open_door(nowhere) as door, pytest.raises(EgressRefused):
            await door.dial("", 80)

    run(loop, test())


def test_what_is_wanted_no_more_is_no_longer_tried(loop):
    """Else what does not answer would keep the door busy for all others."""
    began, ended = [], asyncio.Event()

    class Silent(Connector):
        async def dial(self, host, port):
            began.append(port)
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    async def test():
        with open_door(Silent()) as door:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await door.dial("127.0.0.1", 7)
            await asyncio.wait_for(ended.wait(), 5)
            assert began == [7]

    run(loop, test())


def test_a_worker_that_is_gone_leaves_nothing_open(loop):
    async def test():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            ours, theirs = doors()
            keeper, door = DoorKeeper(ours, listed(port)), Door(theirs)
            task = asyncio.create_task(door.dial("127.0.0.1", port))
            await asyncio.sleep(0)
            door.close()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.05)
            keeper.close()
            keeper.close()

    run(loop, test())
