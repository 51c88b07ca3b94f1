"""A person's word over HTTP: whose it was is the key that was presented."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.stores.test_approvals import REQUEST, decision

from situs.core.request import Principal
from situs.errors import InvalidRequest
from situs.http.approvals import PATH, ApprovalDesk
from situs.stores.approvals import ApprovalQueue, waiting


def call(key: str, body: bytes) -> Any:
    async def send(_: Any) -> None:
        pass

    caller = SimpleNamespace(principal=Principal(key=key))
    return SimpleNamespace(send=send, body=body, path=f"{PATH}/{REQUEST.id}", caller=caller)


def test_the_keys_id_is_on_record_and_a_second_operator_is_told(tmp_path):
    async def story():
        queue, desk = ApprovalQueue(tmp_path), ApprovalDesk(tmp_path, time.time)
        task = asyncio.create_task(queue.word(REQUEST, decision(), 20.0))
        while not waiting(tmp_path, time.time()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await desk.decide(call("0a1b2c3d", b'{"approve": true}'))
        try:
            with pytest.raises(InvalidRequest, match="was approved by 0a1b2c3d at 20"):
                await desk.decide(call("ffffffff", b'{"approve": false}'))
            return await task
        finally:
            queue.close()

    word = asyncio.run(story())
    assert (word.approved, word.by) == (True, "0a1b2c3d")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"approve": 1}', b'{"approve": true, "by": "x"}'])
def test_what_is_no_word_is_refused(tmp_path, body):
    with pytest.raises(InvalidRequest, match="no word"):
        asyncio.run(ApprovalDesk(tmp_path, time.time).decide(call("0a1b2c3d", body)))
