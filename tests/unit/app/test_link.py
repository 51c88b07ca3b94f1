"""What the processes of a gateway say to each other."""

from __future__ import annotations

import asyncio
import socket

import pytest

from situs.app.link import Caches, Drop, Link, Stop, ToWorker
from situs.core.fleet import CacheFacts, PrefixCache


def told(*messages):
    """What comes out at the other end."""

    async def story():
        one, other = socket.socketpair()
        near, far = await Link.over(one, ToWorker), await Link.over(other, ToWorker)
        for message in messages:
            near.send(message)
        near.close()
        found = [message async for message in far.messages()]
        far.close()
        return found

    return asyncio.run(story())


def test_messages_arrive_in_order():
    assert told(Drop(), Stop(True)) == [Drop(), Stop(True)]


@pytest.mark.parametrize(
    "facts", [CacheFacts(PrefixCache(slots=10**30)), CacheFacts(PrefixCache(tokens=-(10**30)))]
)
def test_one_that_cannot_be_written_is_left_out_and_said(facts, caplog):
    assert told(Drop(), Caches({"a": facts}), Stop()) == [Drop(), Stop()]
    assert "Caches" in caplog.text
