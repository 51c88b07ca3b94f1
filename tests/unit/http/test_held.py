"""What a process holds of requests' bodies is bounded, and given back however they end."""

import asyncio
import json

import pytest

from situs.http.app import App
from situs.http.guard import Guard

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/x",
    "query_string": b"",
    "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
}


class Caller:
    """One request whose body comes in parts, as it is told."""

    def __init__(self, app):
        self.parts: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self.answer = []
        self.task = asyncio.create_task(app(SCOPE, self.parts.get, self.send))

    async def send(self, message):
        self.answer.append(message)

    async def say(self, size, *, more=True):
        self.parts.put_nowait({"type": "http.request", "body": b"x" * size, "more_body": more})
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def told(self):
        await self.task
        start, body = self.answer
        return start["status"], dict(start["headers"]), body["body"]


def run(test):
    """`test` gets an application that holds 100 bytes and an event that its answers wait for."""

    async def main():
        leave = asyncio.Event()

        async def handler(call):
            await leave.wait()
            await call.send({"type": "http.response.start", "status": 200, "headers": []})
            await call.send({"type": "http.response.body", "body": b""})

        await test(App({("POST", "/v1/x"): handler}, Guard(), 80, None, 100), leave)

    asyncio.run(main())


@pytest.mark.parametrize("answered", [False, True])
def test_what_is_beyond_the_limit_is_refused_and_closed(answered):
    """Whether the first is still being read or waits for its answer."""

    async def test(app, leave):
        first = Caller(app)
        await first.say(60, more=not answered)
        second = Caller(app)
        await second.say(41)
        status, headers, body = await second.told()
        assert (status, headers[b"connection"], headers[b"retry-after"]) == (503, b"close", b"1")
        assert json.loads(body)["error"]["code"] == "overloaded"
        assert app.refused == {"overloaded": 1}
        third = Caller(app)
        await third.say(40, more=False)
        leave.set()
        assert (await third.told())[0] == 200
        first.task.cancel()

    run(test)


async def whole(caller, leave):
    await caller.say(60, more=False)
    leave.set()


async def left(caller, _):
    await caller.say(60)
    caller.parts.put_nowait({"type": "http.disconnect"})


async def too_large(caller, _):
    await caller.say(60)
    await caller.say(21)


async def cancelled(caller, _):
    await caller.say(60)
    caller.task.cancel()


@pytest.mark.parametrize("end", [whole, left, too_large, cancelled])
def test_however_a_request_ends_its_place_is_free_again(end):
    async def test(app, leave):
        for _ in range(3):
            caller = Caller(app)
            await end(caller, leave)
            await asyncio.gather(caller.task, return_exceptions=True)
        last = Caller(app)
        await last.say(80, more=False)
        leave.set()
        assert (await last.told())[0] == 200

    run(test)
