import asyncio
import contextlib
import time

import pytest
from tests import make

from situs.analysis import DEFAULT_FLOORS
from situs.core.record import Approval
from situs.core.snapshot import Labels
from situs.decide import decide as decided
from situs.errors import CannotRecord, InvalidRequest, StoreError
from situs.stores.approvals import (
    FILE,
    ApprovalQueue,
    count_waiting,
    decide,
    nobody_waits,
    waiting,
)

REQUEST = make.request("Mail it to canary@example.org, please.")


def decision():
    snapshot = make.snapshot(make.view(make.deployment("cloud")))
    labels = Labels(DEFAULT_FLOORS)
    return decided(REQUEST, type(snapshot)(snapshot.fleet, snapshot.policy, labels), 0.0)


def asked(tmp_path, meanwhile, timeout_s=5.0):
    """What a request that waits is told, while `meanwhile` runs once it waits."""

    async def story():
        queue = ApprovalQueue(tmp_path)
        task = asyncio.create_task(queue.word(REQUEST, decision(), timeout_s))
        while not waiting(tmp_path, time.time()) and not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if not task.done():
            meanwhile(task)
        try:
            return await task
        finally:
            queue.close()

    return asyncio.run(story())


@pytest.mark.parametrize("yes", [True, False])
def test_a_persons_word_is_what_counts(tmp_path, yes):
    now = time.time()
    told = asked(tmp_path, lambda _: decide(tmp_path, REQUEST.id, yes=yes, by="ada", now=now))
    assert told == Approval(yes, "ada", now)
    [one] = waiting(tmp_path, time.time(), everything=True)
    assert (one.state, one.decided_by) == ("approved" if yes else "denied", "ada")


def test_no_word_in_time_is_a_no_and_comes_too_late_afterwards(tmp_path):
    assert asked(tmp_path, lambda _: None, timeout_s=0.05) is None
    assert waiting(tmp_path, time.time()) == []
    with pytest.raises(InvalidRequest, match=f"Nobody waits for {REQUEST.id} any more"):
        decide(tmp_path, REQUEST.id, yes=True, by="ada", now=time.time())


def test_a_word_in_the_last_moment_counts(tmp_path):
    clock = [1000.0]

    async def story():
        queue = ApprovalQueue(tmp_path, lambda: clock[0])
        task = asyncio.create_task(queue.word(REQUEST, decision(), 5.0))
        while not waiting(tmp_path, clock[0]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        decide(tmp_path, REQUEST.id, yes=True, by="ada", now=1004.9)
        clock[0] = 1005.0
        try:
            return await task
        finally:
            queue.close()

    assert asyncio.run(story()) == Approval(True, "ada", 1004.9)


@pytest.mark.parametrize("yes", [True, False])
def test_who_answers_late_is_told_whose_word_counts(tmp_path, yes):
    asked(tmp_path, lambda _: decide(tmp_path, REQUEST.id, yes=yes, by="ada", now=time.time()))
    said = f"was {'approved' if yes else 'denied'} by ada at 20"
    with pytest.raises(InvalidRequest, match=said):
        decide(tmp_path, REQUEST.id, yes=not yes, by="bob", now=time.time())
    [one] = waiting(tmp_path, time.time(), everything=True)
    assert one.decided_by == "ada"


def test_a_caller_that_leaves_takes_its_place_in_the_queue_along(tmp_path):
    with pytest.raises(asyncio.CancelledError):
        asked(tmp_path, lambda task: task.cancel())
    assert waiting(tmp_path, time.time()) == []


def test_who_stopped_asking_no_longer_waits(tmp_path):
    seen = []

    def count(now):
        seen.append((len(waiting(tmp_path, now)), count_waiting(tmp_path, now)))

    def look(task):
        now = time.time()
        for later in (0, 5, 15):
            count(now + later)
        with pytest.raises(InvalidRequest):
            decide(tmp_path, REQUEST.id, yes=True, by="ada", now=now + 15)
        nobody_waits(tmp_path, now)
        count(now + 1)
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        asked(tmp_path, look, timeout_s=60.0)
    assert seen == [(1, 1), (1, 1), (0, 0), (0, 0)]
    assert [one.state for one in waiting(tmp_path, time.time(), everything=True)] == ["expired"]


def test_whoever_waits_long_is_still_there(tmp_path):
    """Its clock runs twenty times as fast."""
    began = time.time()

    def clock():
        return began + 20 * (time.time() - began)

    async def story():
        queue = ApprovalQueue(tmp_path, clock)
        task = asyncio.create_task(queue.word(REQUEST, decision(), 10_000.0))
        await asyncio.sleep(1.2)
        there = count_waiting(tmp_path, clock() - 8)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        queue.close()
        return there

    assert asyncio.run(story()) == 1


def test_a_person_is_told_facts_and_no_content(tmp_path):
    seen = []

    def look(_):
        seen.extend(waiting(tmp_path, time.time()))
        decide(tmp_path, REQUEST.id, yes=False, by="ada", now=time.time())

    asked(tmp_path, look)
    [one] = seen
    assert one.facts["findings"] == {"email": 1}
    assert (one.facts["label"], one.facts["deployments"]) == ("internal", ["cloud"])
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"canary" not in kept


def test_what_nobody_asked_for_cannot_be_approved(tmp_path):
    with pytest.raises(InvalidRequest, match="Nothing with this id"):
        decide(tmp_path, "req_none", yes=True, by="ada", now=time.time())


def test_where_nobody_can_be_asked_it_is_an_error_and_no_approval(tmp_path):
    (tmp_path / FILE).write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(StoreError) as refused:
        waiting(tmp_path, time.time())
    assert f"Remove {FILE}" in refused.value.advice
    with pytest.raises(CannotRecord):
        asyncio.run(ApprovalQueue(tmp_path).word(REQUEST, decision(), 5.0))
