"""A copy goes the way of every request, and touches nothing of the one that it is a copy of."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from msgspec.structs import replace
from tests import make
from tests.unit.dispatch.test_walk import ScriptedBackends, ScriptedReply

from situs.app.copies import Copies
from situs.core.aim import Aim, Mode
from situs.core.fleet import DeploymentState, LocusKind
from situs.core.label import Label
from situs.core.ports import Chunk
from situs.core.record import Usage
from situs.core.request import Ask
from situs.core.snapshot import Policy
from situs.errors import CannotRecord
from situs.stores.comparisons import comparisons

CLOUD = make.deployment("cloud", locus=make.locus("us", LocusKind.PUBLIC_CLOUD), price=(9.0, 9.0))
OWNED = make.deployment("owned", locus=make.locus("office", LocusKind.ON_PREM), price=(1.0, 1.0))


def reply(text):
    body = msgspec.json.encode({"choices": [{"message": {"content": text}}]})
    return ScriptedReply([Chunk(body, usage=Usage(10, 5), last=True)])


def policy(digest="p", allow=("cloud", "owned"), obligations=()):
    verdict = {"allow": list(allow), "deny": [], "obligations": list(obligations)}
    return Policy(lambda _: verdict, digest, frozenset())


class Kept(make.Kept):
    """A cloud that serves and an owned place that gets copies; receipts may be `broken`."""

    def __init__(self, judged, states=None):
        fleet = make.view(CLOUD, OWNED, states=states)
        aim = Aim(mode=Mode.SHADOW, baseline="cloud")
        backends = ScriptedBackends(cloud=reply("Paris."), owned=reply("It is Paris."))
        super().__init__(make.snapshot(fleet, judged, aim=aim), backends)
        self.broken = False

    async def decided(self, record):
        if self.broken:
            raise CannotRecord("The disk is full.")
        return await super().decided(record)

    def sent(self, deployment, request):
        assert self.decisions[-1].request.id == request.id  # the receipt is there before it leaves


class Stage:
    """A gateway with its copies; `before_copy` is called between the answer and the copy."""

    def __init__(self, data, judged=None, states=None):
        self.kept, self.data = Kept(judged or policy(), states), data
        self.copies = Copies(data, lambda: False)

        async def at_once(run):
            return run()

        self.sessions, self.approvals = make.Sessions(), make.Approvals(yes=True)
        self.gateway = make.gateway(
            self.kept, aside=at_once, sessions=self.sessions, approvals=self.approvals,
            mirror=self.copies.mirror,
        )  # fmt: skip
        self.copies.gateway = self.gateway

    def serve(self, request=None, before_copy=lambda: None):
        async def run():
            answer = await self.gateway.handle(request or make.request())
            _ = [chunk async for chunk in answer.chunks()]
            await answer.close()
            before_copy()
            running = self.copies.shadow._running
            if running is not None:
                await asyncio.wait({running})
            return answer

        return asyncio.run(run())

    @property
    def opened(self):
        return self.kept.backends.opened


def test_the_copy_is_decided_recorded_and_compared(tmp_path):
    stage = Stage(tmp_path)
    stage.serve()
    assert stage.opened == ["cloud", "owned"]
    first, second = stage.kept.decisions
    assert second.request.copy is not None
    assert (second.request.copy.of, second.request.copy.at) == (first.request.id, "owned")
    assert second.decision.id == second.request.id != first.request.id
    assert second.decision.analysis == first.decision.analysis
    served, copied = stage.kept.outcomes
    assert (served.copy_of, copied.copy_of) == (None, first.request.id)
    assert copied.saved is None
    assert stage.copies.counted() == {"sent": 1}
    assert stage.copies.counted() == {}
    (row,) = comparisons(tmp_path)
    assert (row.id, row.of, row.same) == (second.request.id, first.request.id, False)
    assert row.similarity == pytest.approx(0.5)
    decided = first.decision.analysis
    assert (row.model, row.copied_model) == (CLOUD.model.name, OWNED.model.name)
    assert (row.needs, row.key) == (decided.needs.value, first.request.principal.key)


def test_the_session_is_neither_asked_nor_told(tmp_path):
    stage = Stage(tmp_path)
    request = make.request(ask=Ask(session="s", label=Label.INTERNAL))

    def forget():
        stage.sessions.labels.clear()

    stage.serve(request, forget)
    assert stage.opened == ["cloud", "owned"]
    assert stage.sessions.labels == {}


@pytest.mark.parametrize("when", ["now", "then"])
def test_no_person_is_asked_about_a_copy(tmp_path, when):
    hold = policy(obligations=[{"kind": "hold_for_approval", "deployment": "owned"}])
    stage = Stage(tmp_path, hold if when == "now" else None)

    def later():
        stage.kept.fixed = replace(stage.kept.fixed, policy=replace(hold, digest="p"))

    stage.serve(before_copy=later)
    assert stage.opened == ["cloud"]
    assert stage.approvals.asked == []
    assert len(stage.kept.decisions) == (1 if when == "now" else 2)


def test_what_is_owed_is_carried_out_on_the_copy(tmp_path):
    stage = Stage(tmp_path, policy(obligations=[
        {"kind": "max_output_tokens", "deployment": "owned", "limit": 7}]))  # fmt: skip
    stage.serve()
    served, copied = stage.kept.outcomes
    assert served.attempts[0].obligations == {}
    assert copied.attempts[0].obligations == {"max_output_tokens": 1}


def test_policy_is_asked_anew_and_its_no_is_on_record(tmp_path):
    stage = Stage(tmp_path)

    def deny():
        stage.kept.fixed = replace(stage.kept.fixed, policy=policy(allow=["cloud"]))

    stage.serve(before_copy=deny)
    assert stage.opened == ["cloud"]
    assert [one.status for one in stage.kept.outcomes] == [200, 403]
    assert comparisons(tmp_path) == []


def test_after_a_reload_no_copy_is_sent(tmp_path):
    stage = Stage(tmp_path)

    def reload():
        stage.kept.fixed = replace(stage.kept.fixed, policy=policy("another"))

    stage.serve(before_copy=reload)
    assert (stage.opened, len(stage.kept.decisions)) == (["cloud"], 1)
    assert stage.copies.counted() == {"changed": 1}


def test_without_a_receipt_no_copy_leaves(tmp_path):
    stage = Stage(tmp_path)

    def fill():
        stage.kept.broken = True

    stage.serve(before_copy=fill)
    assert stage.opened == ["cloud"]
    assert stage.copies.counted() == {"failed": 1}


def test_a_copy_waits_for_no_place_and_goes_nowhere_else(tmp_path):
    stage = Stage(tmp_path)
    stage.kept.full = {"owned"}
    stage.serve()
    assert stage.opened == ["cloud"]
    assert [one.status for one in stage.kept.outcomes] == [200, 503]


def test_an_answer_that_broke_has_no_copy(tmp_path):
    stage = Stage(tmp_path)
    stage.kept.backends.scripts["cloud"].head = ConnectionError("gone")

    async def run():
        with pytest.raises(ConnectionError):
            await stage.gateway.handle(make.request())

    asyncio.run(run())
    assert stage.copies.shadow._running is None


def test_a_busy_place_gets_no_copy(tmp_path):
    stage = Stage(tmp_path, states={"owned": DeploymentState(in_flight=40)})
    original = type("", (), {"to": "owned"})()
    assert not stage.copies._idle(original)
    stage = Stage(tmp_path)
    assert stage.copies._idle(original)


def test_who_is_not_to_be_logged_is_in_no_comparison(tmp_path):
    stage = Stage(tmp_path, policy(obligations=[
        {"kind": "no_log", "deployment": name} for name in ("cloud", "owned")]))  # fmt: skip
    stage.serve()
    (row,) = comparisons(tmp_path)
    assert (row.tenant, row.route, row.task) == ("(no_log)", None, "(no_log)")
    assert (row.key, row.needs) == (None, None)
