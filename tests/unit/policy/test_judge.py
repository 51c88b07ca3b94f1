"""Judging: what is allowed, what is remembered, what passes through."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.core.decision import Exclusion, Obligation
from situs.core.fleet import DeploymentState, FleetView
from situs.core.label import Label
from situs.core.request import Ask, Principal
from situs.core.snapshot import Policy
from situs.policy import judge
from situs.policy.input import FIELDS
from situs.policy.judge import Denial, Owed, Verdict, conclude
from situs.policy.memory import Memory

NAMES = ["a", "b", "c"]
some_names = st.lists(st.sampled_from(NAMES), max_size=4)
denials = st.lists(
    st.builds(Denial, deployment=st.sampled_from(NAMES), code=st.sampled_from(["x", "y"])),
    max_size=4,
)
owed = st.lists(
    st.builds(
        Owed, kind=st.sampled_from(["redact", "warn"]), deployment=st.sampled_from([*NAMES, "*"])
    ),
    max_size=3,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["allow", "deny", "obligations", "deployment", "code", "kind"]), inner
        )
    ),
    max_leaves=8,
)


def fleet(digest: str = "fleet-1", names: list[str] = NAMES) -> FleetView:
    return FleetView(
        tuple(make.deployment(name) for name in names),
        tuple(DeploymentState() for _ in names),
        digest,
    )


class Recorder:
    """An engine that allows `a` and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def policy(self, *reads: str, memory: Memory | None = None) -> Policy:
        return Policy(self.evaluate, "digest", frozenset(reads), memory)

    def evaluate(self, document: bytes) -> Any:
        self.asked.append(msgspec.json.decode(document))
        return {"allow": ["a"], "deny": []}


@given(allow=some_names, deny=denials, obligations=owed)
def test_allowed_is_what_allow_has_and_deny_has_not_and_owes_nothing_unknown(
    allow, deny, obligations
):
    decision = conclude(Verdict(allow, deny, obligations), NAMES, "digest", frozenset({"redact"}))
    denied = {one.deployment for one in deny}
    burdened = {
        name
        for one in obligations
        if one.kind == "warn"
        for name in (NAMES if one.deployment == "*" else [one.deployment])
    }
    assert set(decision.allowed) == set(allow) - denied - burdened
    excluded = {one.deployment for one in decision.exclusions}
    assert excluded.isdisjoint(decision.allowed)
    assert excluded | set(decision.allowed) == set(NAMES)
    assert all(one.deployment in decision.allowed for one in decision.obligations)


@given(allow=some_names, deny=denials, obligations=owed)
def test_the_order_of_a_verdict_does_not_matter(allow, deny, obligations):
    one = conclude(Verdict(allow, deny, obligations), NAMES, "digest")
    other = conclude(Verdict(allow[::-1], deny[::-1], obligations[::-1]), NAMES, "digest")
    assert one == other


@given(answer=json_values)
def test_whatever_an_engine_says_judging_answers(answer):
    policy = Policy(lambda _: answer, "digest", frozenset({"label"}))
    decision = judge(make.request(), make.analysis(), make.snapshot(fleet(), policy), 0.0)
    named = {one.deployment for one in decision.exclusions} | set(decision.allowed)
    assert named == set(NAMES)
    if decision.error:
        assert decision.allowed == ()


def test_a_supported_obligation_is_kept_with_its_deployment():
    verdict = Verdict(["a", "b"], [], [Owed("redact", "b")])
    decision = conclude(verdict, NAMES, "digest", frozenset({"redact"}))
    assert decision.allowed == ("a", "b")
    assert decision.obligations == (Obligation("redact", "b"),)
    assert decision.exclusions == (Exclusion("c", "policy", "not_allowed"),)


def test_a_limit_of_no_tokens_excludes_because_some_servers_take_it_for_none():
    owed = [Owed("max_output_tokens", "a"), Owed("max_output_tokens", "b", limit=1)]
    decision = conclude(Verdict(["a", "b"], [], owed), ["a", "b"], "digest")
    code = "obligation_unsupported:max_output_tokens"
    assert decision.exclusions == (Exclusion("a", "policy", code),)
    assert decision.allowed == ("b",)


def test_an_unsupported_obligation_excludes_only_where_it_is_owed():
    decision = conclude(Verdict(["a", "b"], [], [Owed("launder", "b")]), ["a", "b"], "digest")
    assert decision.allowed == ("a",)
    assert decision.exclusions == (Exclusion("b", "policy", "obligation_unsupported:launder"),)


@pytest.mark.parametrize(
    "leaving", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit]
)
def test_cancellation_and_exit_pass_through(leaving):
    def evaluate(_: bytes) -> Any:
        raise leaving

    policy = Policy(evaluate, "digest", frozenset({"label"}))
    with pytest.raises(leaving):
        judge(make.request(), make.analysis(), make.snapshot(fleet(), policy), 0.0)


def test_an_error_says_nothing_of_what_was_judged():
    def evaluate(document: bytes) -> Any:
        raise ValueError(document.decode())

    policy = Policy(evaluate, "digest", frozenset({"principal"}))
    request = make.request(principal=Principal(key="canary-7"))
    decision = judge(request, make.analysis(), make.snapshot(fleet(), policy), 0.0)
    assert decision.error == "engine_failed"
    assert "canary" not in repr(decision)


def test_the_engine_is_given_only_what_the_policy_reads():
    engine = Recorder()
    snapshot = make.snapshot(fleet(), engine.policy("label", "session"))
    judge(make.request(ask=Ask(session="s")), make.analysis(), snapshot, 0.0)
    assert engine.asked == [{"label": "public", "session": True}]


def test_equal_questions_are_asked_once():
    engine = Recorder()
    snapshot = make.snapshot(fleet(), engine.policy("label", "deployments", memory=Memory()))
    first = judge(make.request("one"), make.analysis(), snapshot, 1.0)
    second = judge(make.request("two"), make.analysis(prompt_tokens=7), snapshot, 2.0)
    assert first == second
    assert len(engine.asked) == 1


@pytest.mark.parametrize(
    ("field", "request_", "analysis"),
    [
        ("label", {}, {"label": Label.INTERNAL}),
        ("prompt_tokens", {}, {"prompt_tokens": 101}),
        ("principal", {"principal": Principal(tenant="other")}, {}),
        ("data", {}, {"data": ("ledgers",)}),
        ("session_label", {"session_label": Label.INTERNAL}, {}),
    ],
)
def test_a_change_in_what_is_read_is_asked_again(field, request_, analysis):
    engine = Recorder()
    snapshot = make.snapshot(fleet(), engine.policy(field, memory=Memory()))
    judge(make.request(), make.analysis(), snapshot, 0.0)
    judge(make.request(**request_), make.analysis(**analysis), snapshot, 0.0)
    assert len(engine.asked) == 2


def test_another_fleet_is_asked_again_even_if_the_policy_does_not_look_at_it():
    engine = Recorder()
    policy = engine.policy("label", memory=Memory())
    judge(make.request(), make.analysis(), make.snapshot(fleet("one"), policy), 0.0)
    other = fleet("two", ["b", "c"])
    decision = judge(make.request(), make.analysis(), make.snapshot(other, policy), 0.0)
    assert decision.error == "unknown_deployment"


@pytest.mark.parametrize("field", ["time", "time_unix"])
def test_a_policy_that_reads_the_clock_is_asked_each_time(field):
    engine, memory = Recorder(), Memory()
    snapshot = make.snapshot(fleet(), engine.policy("label", field, memory=memory))
    for now in (0.0, 0.0, 5.0):
        judge(make.request(), make.analysis(), snapshot, now)
    assert len(engine.asked) == 3
    assert len(memory) == 1  # when the fleet's evidence ends


def test_failures_are_not_remembered():
    answers = iter(["<undefined>", {"allow": ["a"], "deny": []}])
    policy = Policy(lambda _: next(answers), "digest", frozenset({"label"}), Memory())
    snapshot = make.snapshot(fleet(), policy)
    assert judge(make.request(), make.analysis(), snapshot, 0.0).error == "verdict_malformed"
    assert judge(make.request(), make.analysis(), snapshot, 0.0).allowed == ("a",)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), 1e20])
def test_an_impossible_time_denies(now):
    snapshot = make.snapshot(fleet(), Recorder().policy("time"))
    assert judge(make.request(), make.analysis(), snapshot, now).error == "input_failed"


def test_a_policy_that_reads_a_field_there_is_not_denies():
    snapshot = make.snapshot(fleet(), Recorder().policy("lable", memory=Memory()))
    assert judge(make.request(), make.analysis(), snapshot, 0.0).error == "input_failed"


@given(
    labels=st.lists(st.sampled_from(list(Label)), min_size=1, max_size=12),
    reads=st.sets(st.sampled_from(sorted(FIELDS))),
)
def test_memory_never_changes_an_answer(labels, reads):
    def evaluate(document: bytes) -> Any:
        label = msgspec.json.decode(document).get("label", "public")
        return {"allow": ["a"] if label == "public" else ["b", "c"], "deny": []}

    plain = Policy(evaluate, "digest", frozenset(reads))
    remembering = Policy(evaluate, "digest", frozenset(reads), Memory(limit=3))
    for at, label in enumerate(labels):
        decisions = [
            judge(make.request(), make.analysis(label=label), make.snapshot(fleet(), one), at)
            for one in (plain, remembering)
        ]
        assert decisions[0] == decisions[1]
