"""A lesser model answers where it is sure, a better one where it is not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests import make
from tests.fakes import openai_says as says
from tests.unit.dispatch.test_walk import Noted, ScriptedBackends, ScriptedReply, drain, ends

from situs.core.aim import Cascade
from situs.core.capability import CapabilityClass
from situs.core.decision import Candidate, Decision, Placement
from situs.core.fleet import PrefixCache
from situs.core.ports import Chunk
from situs.core.record import Usage
from situs.core.request import Objective, Wire
from situs.core.snapshot import ANY_KIND, Confidences
from situs.dispatch.attempt import Step
from situs.dispatch.cascade import cascaded
from situs.dispatch.walk import Walk
from situs.placement.confidence import WHOLE, Calibration, View
from situs.placement.signals import NAMES

WORDS = "one two three four five six"
SURE, UNSURE = -0.01, -4.0
BETTER = b"better"


def confidences(*, error=0.0, tokens=True, windows=(WHOLE, 2, 4), votes=1):
    """Sure is who has a mean log-probability of at least -1."""
    weights = (5.0, *[0.0] * (len(NAMES) - 2), -9.0)
    views = [(window, 1) for window in windows] + ([(WHOLE, votes)] if votes > 1 else [])
    level = (0.5,) * 20, (error,) * 20, (0.7,) * 20
    made = (View(w, v, weights, 5.0, *level) for w, v in views)
    return Confidences({("lesser", ANY_KIND): Calibration(tokens, 100, tuple(made))})


def steps(request, known, cascade, mend=None, **facts):
    """The lesser one first."""
    facts = {"logprobs": True, **facts}
    low = make.deployment("lesser", capability=CapabilityClass.SMALL, **facts)
    low = replace(low, model=replace(low.model, name="lesser"))
    high = make.deployment("better", capability=CapabilityClass.FRONTIER)
    ranked = tuple(
        Candidate(one.name, 1, {}, True, None, 0.1, 1.0, quality)
        for one, quality in ((low, 0.5), (high, 0.9))
    )
    placement = Placement(ranked, (), Objective.CHEAPEST_ADEQUATE, cascade=cascade)
    decision = Decision("d", 0, make.analysis(), make.verdict(), placement, "fleet")
    plain = [Step(low, ranked[0], request, mend=mend), Step(high, ranked[1], request)]
    return cascaded(plain, decision, known)


class Upstream(ScriptedBackends):
    """The lesser one says what the fake says, as sure as it is told; None: it does not tell."""

    def __init__(self, logprob, path=says.CHAT, content=WORDS, failing=False):
        better = [Chunk(BETTER, usage=Usage(1, 1), last=True)]
        super().__init__(better=ScriptedReply(better, status=0 if failing else 200))
        if failing:
            self.scripts["better"] = ScriptedReply([], status=0, head=says_no())
        self.logprob, self.path, self.content, self.sent = logprob, path, content, []

    def prepare(self, deployment, request):
        if deployment.name == "better":
            return super().prepare(deployment, request)
        self.opened.append(deployment.name)
        document = {**request.document, "_logprob": self.logprob}
        if self.logprob is None:
            document["logprobs"] = None
        self.sent.append(document)
        return ScriptedReply(list(self._chunks(document, request.stream)))

    def _chunks(self, document, stream):
        speaker = says.Speaker("fake", "m", self.content)
        if not stream:
            answer = says.whole(self.path, document, speaker)
            usage = Usage(1, answer["usage"]["completion_tokens"])
            yield Chunk(json.dumps(answer).encode(), usage=usage, last=True)
            return
        for event in says.events(self.path, document, speaker):
            yield Chunk(b"data: " + json.dumps(event).encode() + b"\n\n")
        last = says.usage_event(self.path, document, speaker)
        data = b"data: " + json.dumps(last).encode() + b"\n\n"
        yield Chunk(data, usage=Usage(1, 6), final=last)
        yield Chunk(b"data: [DONE]\n\n", last=True)


def says_no():
    from situs.core.record import End
    from situs.errors import BackendUnavailable

    return BackendUnavailable("down", reason=End.UNREACHABLE)


def asked(stream=False, wire=Wire.OPENAI_CHAT, choices=1, **members):
    kind: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
    if wire is Wire.OPENAI_COMPLETIONS:
        kind = {"prompt": "hi"}
    document = {"model": "auto", **kind, **members}
    return make.request(
        wire=wire, document=document, stream=stream, choices=choices, tools="tools" in members
    )


def served(upstream, request, known=None, cascade=None, **facts):
    async def story():
        wanted = cascade or Cascade(window_tokens=4)
        tried = steps(request, known or confidences(), wanted, **facts)
        walk = Walk(tried, upstream, Noted(), asyncio.get_running_loop().time)
        data = await drain(walk)
        await walk.close()
        return walk, data

    return asyncio.run(story())


def plain(upstream, request):
    return [chunk.data for chunk in upstream._chunks(request.document, request.stream)]


def same(data, other):
    """The same events, whatever white space is in them."""

    def read(pieces):
        events = b"".join(pieces).split(b"\n\n")
        return [
            one if b"{" not in one else json.loads(one.removeprefix(b"data: ")) for one in events
        ]

    return read(data) == read(other)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("wire", "path"),
    [(Wire.OPENAI_CHAT, says.CHAT), (Wire.OPENAI_COMPLETIONS, says.COMPLETIONS)],
)
def test_a_sure_answer_is_kept_and_looks_as_if_it_had_not_been_judged(stream, wire, path):
    request, upstream = asked(stream, wire), Upstream(SURE, path)
    walk, data = served(upstream, request)
    assert ends(walk) == [("lesser", "complete")]
    assert upstream.sent[0]["logprobs"]
    assert same(data, plain(upstream, request))
    assert walk.attempts[0].confidence > 0.9


@pytest.mark.parametrize("stream", [False, True])
def test_an_unsure_one_is_not_and_both_are_paid(stream):
    walk, data = served(Upstream(UNSURE), asked(stream))
    assert data == [BETTER]
    assert ends(walk) == [("lesser", "unsure"), ("better", "complete")]
    assert walk.attempts[0].confidence < 0.1
    assert walk.detour == "escalated"
    if not stream:
        assert [deployment.name for deployment, *_ in walk.paid] == ["lesser", "better"]


@pytest.mark.parametrize("stream", [False, True])
def test_where_no_better_one_answers_the_unsure_answer_goes_on_whole(stream):
    request, upstream = asked(stream), Upstream(UNSURE, failing=True)
    walk, data = served(upstream, request)
    assert same(data, plain(upstream, request))
    assert ends(walk) == [("better", "unreachable"), ("lesser", "complete")]


def test_of_a_stream_no_more_is_held_back_than_the_window():
    async def story():
        upstream = Upstream(SURE)
        tried = steps(asked(True), confidences(), Cascade(window_tokens=4))
        walk = Walk(tried, upstream, Noted(), asyncio.get_running_loop().time)
        await walk.begin()
        assert walk.present is not None
        seen = walk.present._bytes_in
        await walk.close()
        return seen, sum(map(len, plain(upstream, tried[0].request)))

    seen, all_of_it = asyncio.run(story())
    assert seen < all_of_it * 0.75


def test_an_answer_shorter_than_the_window_is_judged_when_it_is_over():
    walk, data = served(Upstream(SURE, content="one"), asked(True))
    assert ends(walk) == [("lesser", "complete")]
    assert b"[DONE]" in b"".join(data)


def test_without_a_cascade_and_without_a_calibration_nothing_is_judged():
    request = asked()
    for known, cascade in ((confidences(), None), (Confidences(), Cascade())):
        first, second = steps(request, known, cascade)
        assert (first.gauge, second.gauge) == (None, None)
        assert first.request is request


def test_the_best_one_is_not_judged():
    assert [one.gauge is None for one in steps(asked(), confidences(), Cascade())] == [False, True]


@pytest.mark.parametrize(
    ("known", "facts"),
    [(confidences(error=0.9), {}), (confidences(), {"logprobs": False})],
    ids=["too many errors at every level", "no log-probabilities"],
)
def test_whose_answers_may_not_be_kept_is_asked_last(known, facts):
    found = steps(asked(), known, Cascade(), **facts)
    assert [one.deployment.name for one in found] == ["better", "lesser"]
    assert all(one.gauge is None for one in found)


def test_one_unsure_choice_of_several_is_enough():
    walk, _ = served(Upstream(UNSURE), asked(choices=2, n=2))
    assert walk.detour == "escalated"
    walk, _ = served(Upstream(SURE), asked(True, choices=2, n=2))
    assert ends(walk) == [("lesser", "complete")]


def test_an_answer_in_the_wrong_form_is_not_kept_however_sure():
    request = asked(response_format={"type": "json_object"})
    walk, _ = served(Upstream(SURE), request)
    assert walk.detour == "escalated"
    good = Upstream(SURE, content='{"a": 1}')
    walk, _ = served(good, request)
    assert walk.detour is None


def test_a_request_that_the_place_refuses_is_no_answer_to_be_judged():
    class Refusing(Upstream):
        def prepare(self, deployment, request):
            said = [Chunk(b'{"error": {"message": "no"}}', last=True)]
            return ScriptedReply(said, status=400)

    walk, data = served(Refusing(SURE), asked())
    assert data == [b'{"error": {"message": "no"}}']
    assert ends(walk) == [("lesser", "refused")]
    assert walk.attempts[0].confidence is None


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_cannot_be_judged_is_escalated_without_a_confidence(stream):
    walk, data = served(Upstream(None), asked(stream))
    assert data == [BETTER]
    assert ends(walk) == [("lesser", "unsure"), ("better", "complete")]
    assert walk.attempts[0].confidence is None


def test_no_answer_at_all_is_surely_not_right():
    walk, _ = served(Upstream(SURE, content=""), asked())
    assert walk.attempts[0].confidence == 0.0


def test_votes_are_asked_for_compared_and_not_shown():
    upstream = Upstream(SURE)
    request = asked(temperature=0)
    walk, data = served(upstream, request, confidences(votes=3), Cascade(votes=3))
    assert (upstream.sent[0]["n"], upstream.sent[0]["temperature"]) == (3, 0.7)
    [choice] = json.loads(data[0])["choices"]
    assert choice["message"]["content"] == WORDS
    assert ends(walk) == [("lesser", "complete")]


def test_a_server_with_too_few_slots_is_not_asked_for_votes():
    upstream = Upstream(SURE)
    facts = {"cache": PrefixCache(slots=2)}
    served(upstream, asked(), confidences(votes=3), Cascade(votes=3), **facts)
    assert "n" not in upstream.sent[0]


class Shouting:
    """A mend that leaves log-probabilities out, as those do that bring originals back."""

    @property
    def applied(self):
        return {"redact": 1}

    def feed(self, chunk):
        return [replace(chunk, data=chunk.data.upper())]

    def close(self):
        return [Chunk(b"END")]


def test_an_answer_is_judged_before_it_is_mended_and_mended_before_it_goes_on():
    walk, data = served(Upstream(SURE, content="one"), asked(True), mend=Shouting)
    assert ends(walk) == [("lesser", "complete")]
    assert data[-1] == b"END"
    assert b"ONE" in b"".join(data)
    assert b"LOGPROBS" in b"".join(data)
    assert walk.attempts[0].obligations == {"redact": 1}
