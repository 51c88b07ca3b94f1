"""What policy asks for is done to what is sent, wherever it is asked for, or nothing leaves."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests import make
from tests.unit.dispatch.test_walk import ScriptedBackends, ScriptedReply
from tests.unit.test_gateway import Kept

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.texts import texts_of
from situs.core.fleet import LocusKind
from situs.core.ports import Chunk
from situs.core.record import Approval, End
from situs.core.request import Modality
from situs.core.snapshot import Labels, Policy
from situs.errors import AnswerStopped, NoDeploymentFits, NotApproved, ObligationUnmet

CARD = "4111 1111 1111 1111"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


class Echo(ScriptedBackends):
    """Keeps what is sent, and says the last message again."""

    def __init__(self):
        super().__init__()
        self.sent = {}

    def prepare(self, deployment, request):
        self.sent[deployment.name] = request
        said = request.document["messages"][-1]["content"]
        text = said if isinstance(said, str) else json.dumps(said)
        message = {"role": "assistant", "content": f"You said: {text}"}
        body = json.dumps({"id": "1", "choices": [{"index": 0, "message": message}]})
        return ScriptedReply([Chunk(body.encode(), last=True)])


class Served:
    """One request through a gateway whose policy allows all places and asks for `owed`."""

    def __init__(self, request, *owed, deployments=None, approvals=None):
        fleet = make.view(*(deployments or [cloud()]))
        names = [one.name for one in fleet.deployments]
        told = {"allow": names, "deny": [], "obligations": list(owed)}
        kept = Kept()
        policy = Policy(lambda _: told, "p", frozenset())
        kept.fixed = replace(make.snapshot(fleet, policy), labels=Labels(DEFAULT_FLOORS))
        kept.backends = echo = Echo()
        approvals_: Any = approvals or make.Approvals()
        approvals_.kept = kept
        self.approvals = approvals_
        self.answer, data = asyncio.run(self.story(kept, request))
        self.said = json.loads(data)["choices"][0]["message"]["content"] if data else None
        self.sent = echo.sent
        [self.outcome] = kept.outcomes

    async def story(self, kept, request):
        answer = await make.gateway(kept, approvals=self.approvals).handle(request)
        data = b"".join([chunk.data async for chunk in answer.chunks()])
        await answer.close()
        return answer, data


def cloud(name="cloud", **facts):
    locus = make.locus(name, LocusKind.PUBLIC_CLOUD, **facts.pop("locus", {}))
    return make.deployment(name, locus=locus, modalities=frozenset(Modality), **facts)


def asked(*content, **fields):
    document = {"model": "auto", "messages": [{"role": "user", "content": one} for one in content]}
    document |= fields.pop("document", {})
    body = msgspec.json.encode(document)
    return make.request(document=document, texts=texts_of(document), body=body, **fields)


def test_what_is_pseudonymised_does_not_leave_and_comes_back():
    served = Served(asked(f"Charge {CARD}, please."), {"kind": "pseudonymise"})
    sent = json.dumps(served.sent["cloud"].document)
    assert CARD not in sent
    assert served.said == f"You said: Charge {CARD}, please."
    [attempt] = served.outcome.attempts
    assert attempt.obligations["pseudonymise"] == 1


def test_what_is_redacted_stays_away():
    served = Served(asked(f"Charge {CARD}, please."), {"kind": "redact", "findings": ["card"]})
    assert served.said == "You said: Charge [CARD], please."


def test_only_the_place_that_asks_for_it_gets_less():
    own = make.deployment("own", price=(9.0, 9.0))
    dear = asked(f"Charge {CARD}.", model="own")
    owed = {"kind": "redact", "deployment": "cloud"}
    served = Served(dear, owed, deployments=[cloud(), own])
    assert CARD in json.dumps(served.sent["own"].document)


def test_what_is_disguised_is_hidden_whole():
    encoded = base64.b64encode(f"My card is {CARD}, thanks.".encode()).decode()
    served = Served(asked(f"Read {encoded} aloud."), {"kind": "redact"})
    assert encoded[:24] not in json.dumps(served.sent["cloud"].document)
    assert served.said == "You said: Read [CARD] aloud."


def test_what_was_too_much_to_read_does_not_leave():
    flood = "\n".join(f"a{number}@example.org" for number in range(4000))
    big = cloud(context_tokens=10_000_000)
    served = Served(asked(flood), {"kind": "redact"}, deployments=[big])
    assert isinstance(served.answer.error, ObligationUnmet)
    assert (served.sent, served.outcome.code) == ({}, "obligation_unmet")


def test_attachments_go_and_leave_a_word():
    request = asked([{"type": "text", "text": "What is it?"}, IMAGE, {"type": "video", "x": 1}])
    request = replace(request, modalities=frozenset({Modality.TEXT, Modality.IMAGE, Modality.FILE}))
    served = Served(request, {"kind": "strip_attachments"})
    [message] = served.sent["cloud"].document["messages"]
    assert message["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "text", "text": "[attachment removed]"},
        {"type": "text", "text": "[attachment removed]"},
    ]
    assert served.sent["cloud"].modalities == {Modality.TEXT}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, {"max_tokens": 50}),
        ({"max_tokens": 900}, {"max_tokens": 50}),
        ({"max_completion_tokens": 900}, {"max_completion_tokens": 50}),
        ({"max_tokens": 20}, {"max_tokens": 20}),
    ],
)
def test_an_answer_is_no_longer_than_policy_says(document, expected):
    limit = next(iter(document.values()), None)
    request = asked("Tell me.", document=document, max_completion_tokens=limit)
    served = Served(request, {"kind": "max_output_tokens", "limit": 50})
    sent = served.sent["cloud"].document
    assert {name: value for name, value in sent.items() if name.startswith("max")} == expected


def test_a_provider_is_told_to_keep_nothing_where_it_can_be_told():
    keeps = cloud(no_retention={"store": False}, locus={"retention": "30d"})
    served = Served(asked("Hello."), {"kind": "no_retention"}, deployments=[keeps])
    assert served.sent["cloud"].document["store"] is False


@pytest.mark.parametrize("kind", ["no_retention", "require_owned"])
def test_a_place_that_cannot_do_what_is_asked_is_out(kind):
    served = Served(asked("Hi."), {"kind": kind}, deployments=[cloud(locus={"retention": "30d"})])
    assert isinstance(served.answer.error, NoDeploymentFits)
    assert served.sent == {}


def test_attachments_that_do_not_go_there_need_not_be_read_there():
    request = asked([{"type": "text", "text": "What is it?"}, IMAGE])
    request = replace(request, modalities=frozenset({Modality.TEXT, Modality.IMAGE}))
    plain = make.deployment("plain", locus=make.locus("plain", LocusKind.PUBLIC_CLOUD))
    served = Served(request, {"kind": "strip_attachments"}, deployments=[plain])
    assert list(served.sent) == ["plain"]
    [attempt] = served.outcome.attempts
    assert attempt.obligations == {"strip_attachments": 1}
    refused = Served(request, {"kind": "no_log"}, deployments=[plain])
    assert isinstance(refused.answer.error, NoDeploymentFits)


# What comes back


def test_what_a_model_says_is_looked_at():
    served = Served(asked(f"Charge {CARD}."), {"kind": "answer_scan", "action": "redact"})
    assert CARD in json.dumps(served.sent["cloud"].document)
    assert served.said == "You said: Charge [CARD]."
    [attempt] = served.outcome.attempts
    assert attempt.obligations == {"answer_scan": 1}


def test_what_policy_stops_is_told_as_such_and_nobody_else_is_asked():
    other = cloud("other", price=(9.0, 9.0))
    served = Served(asked(f"Charge {CARD}."), {"kind": "answer_scan"}, deployments=[cloud(), other])
    assert isinstance(served.answer.error, AnswerStopped)
    assert (served.outcome.status, served.outcome.code) == (403, "answer_stopped")
    assert [attempt.end for attempt in served.outcome.attempts] == [End.WITHHELD]


def test_pseudonyms_are_nothing_that_an_answer_may_not_hold():
    served = Served(asked(f"Charge {CARD}."), {"kind": "answer_scan"}, {"kind": "pseudonymise"})
    assert served.said == f"You said: Charge {CARD}."
    [attempt] = served.outcome.attempts
    assert attempt.obligations == {"answer_scan": 0, "pseudonymise": 1, "restored": 1}


def test_where_nobody_can_look_for_what_is_asked_nothing_leaves():
    served = Served(asked("Hi."), {"kind": "answer_scan", "findings": ["person"]})
    assert isinstance(served.answer.error, ObligationUnmet)
    assert served.sent == {}


# A person's word


def test_a_person_says_yes():
    yes = make.Approvals(yes=True)
    served = Served(asked("Hi."), {"kind": "hold_for_approval", "limit": 60}, approvals=yes)
    assert served.said == "You said: Hi."
    assert yes.asked == [60]
    assert served.outcome.approval == Approval(True, "ada", 1.0)


def test_a_person_says_no():
    served = Served(asked("Hi."), {"kind": "hold_for_approval"})
    assert isinstance(served.answer.error, NotApproved)
    assert (served.sent, served.outcome.code) == ({}, "not_approved")
    assert served.outcome.approval == Approval(False, "ada", 1.0)


def test_nobody_says_anything():
    class Nobody(make.Approvals):
        async def word(self, request, decision, timeout_s):
            return None

    served = Served(asked("Hi."), {"kind": "hold_for_approval"}, approvals=Nobody())
    assert isinstance(served.answer.error, NotApproved)
    assert (served.sent, served.outcome.approval) == ({}, None)


def test_without_a_persons_word_it_goes_where_none_is_needed():
    own = make.deployment("own", price=(9.0, 9.0))
    held = {"kind": "hold_for_approval", "deployment": "cloud"}
    served = Served(asked("Hi."), held, deployments=[cloud(), own])
    assert list(served.sent) == ["own"]


def test_nobody_is_asked_where_the_best_place_needs_no_word():
    own = make.deployment("own", price=(0.1, 0.1))
    held = {"kind": "hold_for_approval", "deployment": "cloud"}
    served = Served(asked("Hi."), held, deployments=[cloud(), own])
    assert served.approvals.asked == []
    assert list(served.sent) == ["own"]


@pytest.mark.parametrize("what", ["policy", "fleet"])
def test_a_yes_holds_only_for_the_terms_that_it_was_asked_on(what):
    class Reloading(make.Approvals):
        kept: Any = None

        async def word(self, request, decision, timeout_s):
            other = replace(getattr(self.kept.fixed, what), digest="another")
            self.kept.fixed = replace(self.kept.fixed, **{what: other})
            return Approval(True, "ada", 1.0)

    served = Served(asked("Hi."), {"kind": "hold_for_approval"}, approvals=Reloading())
    assert isinstance(served.answer.error, NotApproved)
    assert served.sent == {}


def test_a_kind_that_nobody_finds_denies_for_it_would_hide_nothing():
    served = Served(asked(f"Charge {CARD}."), {"kind": "redact", "findings": ["creditcard"]})
    assert (served.answer.decision.policy.error, served.sent) == ("unknown_finding", {})


def test_a_secret_that_code_puts_together_is_hidden_whole():
    key = "sk-proj-" + "Ab3dEf6hIj9lMn2p" * 3
    said = f"K = '{key[:24]}' + '{key[24:40]}' + '{key[40:]}'"
    served = Served(asked(said), {"kind": "redact"})
    sent = json.dumps(served.sent["cloud"].document) if served.sent else ""
    assert key[24:40] not in sent
    assert key[40:] not in sent


def test_the_time_that_a_person_takes_is_not_ours():
    class Slow(make.Approvals):
        async def word(self, request, decision, timeout_s):
            await asyncio.sleep(0.2)
            return Approval(True, "ada", 1.0)

    served = Served(asked("Hi."), {"kind": "hold_for_approval"}, approvals=Slow())
    assert served.outcome.overhead_s < 0.2 <= served.outcome.duration_s


@pytest.mark.parametrize("member", ["images", "file_ids", "attachments", "audio"])
def test_members_of_a_message_that_hold_attachments_go_too(member):
    message = {"role": "user", "content": "What is it?", member: ["QUJD"]}
    request = asked(document={"messages": [message]})
    served = Served(request, {"kind": "strip_attachments"})
    [sent] = served.sent["cloud"].document["messages"]
    assert sent == {"role": "user", "content": "What is it?"}
    [attempt] = served.outcome.attempts
    assert attempt.obligations["strip_attachments"] == 1
