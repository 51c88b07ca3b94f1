"""Copies off the request path: what is alike, what waits, what is dropped."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.core.decision import Decision, Placement
from situs.core.ports import Chunk
from situs.core.request import Objective
from situs.dispatch import shadow
from situs.dispatch.shadow import LONGEST, MOST, Agreement, Heard, Original, Shadow, agreement, said


def whole(text, **message):
    return json.dumps({"choices": [{"message": {"content": text, **message}}]}).encode()


def stream(*texts):
    events = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
    return b"".join(b"data: %s\n\n" % json.dumps(e).encode() for e in events) + b"data: [DONE]\n\n"


CALL = {"tool_calls": [{"function": {"name": "weather", "arguments": '{"city": "Perth"}'}}]}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (whole("Paris."), "Paris."),
        (stream("Par", "is", "."), "Paris."),
        (b'{"choices": [{"text": "Paris."}]}', "Paris."),
        (whole(None, **CALL), '{"city": "Perth"}\nweather'),
        (b'{"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]}', "a\nb"),
        (b'{"data": [{"embedding": [0.1]}]}', ""),
        (b"not JSON", ""),
        (b'{"choices": 3}', ""),
        (b'{"choices": [{"message": {"tool_calls": [7]}}]}', ""),
        (b"", ""),
    ],
)
def test_what_an_answer_says(answer, text):
    assert said(answer) == text


@pytest.mark.parametrize(
    ("one", "other", "same", "similarity"),
    [
        ("Paris.", "paris", True, 1.0),
        ("The capital is Paris", "the  capital\nis PARIS!", True, 1.0),
        ("It is Paris", "It is Rome", False, 2 / 3),
        ("yes", "no", False, 0.0),
        ("a a a a", "a", False, 0.4),
        ("...", "...", True, 0.0),
    ],
)
def test_how_alike_two_answers_are(one, other, same, similarity):
    found = agreement(whole(one), stream(other))
    assert found is not None
    assert found.same == same
    assert found.similarity == pytest.approx(similarity)


def test_answers_without_words_are_not_compared():
    assert agreement(b'{"data": []}', whole("Paris.")) is None


@given(st.text(), st.text())
def test_likeness_is_mutual_and_between_0_and_1(one, other):
    found = agreement(whole(one), whole(other))
    assert found == agreement(whole(other), whole(one))
    assert found is None or 0.0 <= found.similarity <= 1.0
    assert agreement(whole(one), whole(one)) in (None, Agreement(True, 1.0), Agreement(True, 0.0))


def test_an_answer_that_is_too_long_is_not_kept():
    heard = Heard()
    heard.add(Chunk(b"x" * LONGEST))
    assert not heard.over
    heard.add(Chunk(b"x"))
    heard.add(Chunk(b"x"))
    assert (heard.over, heard.data) == (True, b"")


def original(id_="req_1", size=10):
    placement = Placement((), (), Objective.BEST)
    decision = Decision(id_, 0.0, make.analysis(), make.verdict(), placement, "fleet")
    request = make.request(id=id_, size=size)
    outcome: Any = None
    return Original(request, decision, outcome, b"", "there", ("policy", "fleet"))


class Stage:
    """What sends copies, and the moments at which it may."""

    def __init__(self, monkeypatch, result=None):
        monkeypatch.setattr(shadow, "_LOOK_S", 0.001)
        self.sent, self.idle, self.now, self.result = [], True, 0.0, result
        self.most = self.running = 0

    async def send(self, one):
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.sent.append(one.request.id)
        self.running -= 1
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def shadow(self):
        return Shadow(self.send, lambda _: self.idle, lambda: self.now)


async def settled(one):
    if one._running is not None:
        await asyncio.wait({one._running})


def test_copies_go_one_after_the_other(monkeypatch):
    stage = Stage(monkeypatch)

    async def run():
        one = stage.shadow()
        for n in range(5):
            one.offer(original(f"req_{n}"))
        await settled(one)
        one.offer(original("req_5"))
        await settled(one)
        return one.counts

    assert asyncio.run(run()) == {"sent": 6}
    assert (stage.sent, stage.most) == ([f"req_{n}" for n in range(6)], 1)


def test_what_finds_no_room_is_dropped_and_counted(monkeypatch):
    stage = Stage(monkeypatch)

    async def run(*sizes):
        one = stage.shadow()
        for size in sizes:
            one.offer(original(size=size))
        await settled(one)
        return dict(one.counts)

    assert asyncio.run(run(*[10] * (MOST + 3))) == {"sent": MOST, "full": 3}
    assert asyncio.run(run(shadow.MOST_BYTES, 1)) == {"sent": 1, "full": 1}


def test_who_is_busy_sends_none_and_drops_it_in_the_end(monkeypatch):
    stage = Stage(monkeypatch)
    stage.idle = False

    async def run():
        one = stage.shadow()
        one.offer(original())
        await asyncio.sleep(0.02)
        before = dict(one.counts)
        stage.now = shadow.PATIENCE_S
        await settled(one)
        return before, dict(one.counts)

    assert asyncio.run(run()) == ({}, {"late": 1})
    assert stage.sent == []


@pytest.mark.parametrize(
    ("result", "counts"), [("changed", {"changed": 2}), (ValueError("x"), {"failed": 2})]
)
def test_a_copy_that_comes_to_nothing_does_not_stop_the_next(monkeypatch, result, counts):
    stage = Stage(monkeypatch, result)

    async def run():
        one = stage.shadow()
        one.offer(original())
        one.offer(original())
        await settled(one)
        return dict(one.counts)

    assert asyncio.run(run()) == counts


def test_closing_ends_what_runs_and_drops_what_waits(monkeypatch):
    stage = Stage(monkeypatch)
    stage.idle = False

    async def run():
        one = stage.shadow()
        one.offer(original())
        await asyncio.sleep(0)
        await one.close()
        return one._running.done()

    assert asyncio.run(run())
    assert stage.sent == []
