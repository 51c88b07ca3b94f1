import asyncio

import pytest

from situs.errors import Draining, NoCapacity
from situs.http.respond import send_error


@pytest.mark.parametrize(("error", "closes"), [(Draining, True), (NoCapacity, False)])
def test_a_process_that_stops_sends_its_callers_to_another(error, closes):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(send_error(send, error("Not now.")))
    assert ((b"connection", b"close") in sent[0]["headers"]) is closes
