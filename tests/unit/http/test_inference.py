"""Reading a request: a long one does not hold up the others."""

import asyncio
import json

import pytest
from tests import make

from situs.gateway import LONG
from situs.http.app import Call
from situs.http.inference import request_of


async def nothing(*_):
    raise AssertionError("not called")


@pytest.mark.parametrize(("size", "aside"), [(10, False), (LONG + 1, True)])
def test_a_long_request_is_read_away_from_the_event_loop(size, aside):
    async def main():
        loop = asyncio.get_running_loop()
        others: list[str] = []
        loop.call_soon(others.append, "went on")
        document = {"model": "auto", "messages": [{"role": "user", "content": "x" * size}]}
        body = json.dumps(document).encode()
        call = Call("/v1/chat/completions", {}, body, nothing, nothing, loop, set())
        request = await request_of(call, make.snapshot(make.view(make.deployment())))
        assert request.document == document
        assert bool(others) == aside

    asyncio.run(main())
