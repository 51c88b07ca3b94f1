"""A route's template answers: nothing is sent, and the record says so."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace
from tests import make
from tests.unit.dispatch.test_walk import HELLO, ScriptedBackends, ScriptedReply

from situs.analysis.routes import compile_routes
from situs.core.aim import Aim, Mode
from situs.core.route import Route, RoutedBy, Rule
from situs.core.snapshot import Policy
from situs.errors import NoDeploymentFits, PlacementDenied
from situs.http.headers import facts
from situs.placement.explain import explain

ROUTES = compile_routes(
    {
        "hours": Route("hours", rules=(Rule(keywords=("hours",)),), answer="From 9 to 17."),
        "only-b": Route("only-b", rules=(Rule(keywords=("invoice",)),), deployments=frozenset("b")),
    }
)
DENY_ALL = Policy(lambda _: {"allow": [], "deny": []}, "deny", frozenset())
ALLOW_A = Policy(lambda _: {"allow": ["a"], "deny": []}, "allow-a", frozenset())


class Kept(make.Kept):
    """Only b would answer."""

    def __init__(self, policy=None, **fields):
        view = make.view(make.deployment("a"), make.deployment("b", **fields))
        snapshot = make.snapshot(view, policy, routes=ROUTES)
        super().__init__(snapshot, ScriptedBackends(b=ScriptedReply([HELLO])))


def handled(kept, request):
    async def story():
        gateway = make.gateway(kept)
        answer = await gateway.handle(request)
        data = [chunk.data async for chunk in answer.chunks()]
        told = facts(answer)
        await answer.close()
        return answer, data, told

    return asyncio.run(story())


@pytest.mark.parametrize("policy", [None, DENY_ALL])
@pytest.mark.parametrize("stream", [False, True])
def test_a_template_answers_even_where_policy_allows_nothing(policy, stream):
    kept = Kept(policy)
    answer, data, told = handled(kept, make.request("Opening hours?", stream=stream))
    assert (answer.status, answer.error) == (200, None)
    assert b"From 9 to 17." in b"".join(data)
    assert (told["reason"], told["attempts"]) == ("route_answer", 0)
    assert not {"locus", "jurisdiction", "deployment", "cost", "saved"} & set(told)
    [record], [outcome] = kept.decisions, kept.outcomes
    routed = record.decision.analysis.routed
    assert (routed.route, routed.by) == ("hours", RoutedBy.RULE)
    assert (outcome.status, outcome.code, outcome.attempts) == (200, None, ())
    assert (outcome.usage, outcome.cost) == (None, None)
    assert kept.begun == []


def test_a_whole_answer_is_json():
    _, [data], _ = handled(Kept(), make.request("Opening hours?"))
    assert json.loads(data)["choices"][0]["message"]["content"] == "From 9 to 17."


def test_a_route_that_policy_denies_is_denied_though_something_else_is_allowed():
    kept = Kept(ALLOW_A)
    answer, _, told = handled(kept, make.request("my invoice"))
    assert isinstance(answer.error, PlacementDenied)
    assert "nowhere on its route only-b" in answer.error.message
    assert told["reason"] == "placement_denied"
    assert kept.begun == []


def test_a_route_on_which_nothing_fits_says_so():
    kept = Kept(context_tokens=10)
    answer, _, _ = handled(kept, make.request("my invoice"))
    assert isinstance(answer.error, NoDeploymentFits)
    assert kept.begun == []


def test_a_route_that_is_asked_for_is_not_called_pinned():
    kept = Kept()
    answer, _, told = handled(kept, make.request("my invoice", model="only-b"))
    assert kept.begun == ["b"]
    assert answer.deployment is not None
    assert told["reason"] != "pinned"


def explained(text, **fields):
    kept = Kept()
    request = make.request(text, **fields)
    gateway = make.gateway(kept)
    decision = asyncio.run(gateway.explain(request))
    return explain(request, decision, kept.fixed)


def test_explain_tells_the_route_and_that_nothing_would_be_sent():
    found = explained("Opening hours?")
    assert found.route_answer
    assert found.pick is None
    assert found.decision.analysis.routed.rule == 0


def test_explain_tells_who_is_not_on_the_route():
    found = explained("my invoice")
    assert not found.route_answer
    assert found.pick == "b"
    assert [row.filters["route"] for row in found.deployments] == ["not_on_route", "ok"]


def test_what_situs_answers_itself_has_no_mode():
    kept = Kept()
    kept.fixed = replace(kept.fixed, aim=Aim(mode=Mode.OBSERVE, baseline="a", scope="defaults"))
    kept.backends = ScriptedBackends(a=ScriptedReply([HELLO]))
    handled(kept, make.request("Opening hours?"))
    handled(kept, make.request("Something else."))
    assert [outcome.moded and outcome.moded.scope for outcome in kept.outcomes] == [
        None,
        "defaults",
    ]
