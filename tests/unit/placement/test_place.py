"""Placement: what is filtered, what wins, and that it can be replayed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.core.capability import CapabilityClass
from situs.core.fleet import DeploymentState, Health, LocusKind, Speed
from situs.core.record import Usage
from situs.core.request import Ask, Modality, Objective, Service, Wire
from situs.decide import decide
from situs.placement import place
from situs.placement.bill import bill
from situs.placement.objectives import OBJECTIVES
from situs.placement.scorers import SCORERS

CLOUD = make.locus("cloud", LocusKind.PUBLIC_CLOUD)
TEXT_AND_IMAGE = frozenset({Modality.TEXT, Modality.IMAGE})


def placed(*deployments, request=None, analysis=None, states=None, allowed=None):
    fleet = make.view(*deployments, states=states)
    names = [d.name for d in deployments] if allowed is None else allowed
    return place(
        request or make.request(),
        analysis or make.analysis(),
        make.verdict(*names),
        make.snapshot(fleet),
        {},
    )


def names(placement):
    return [candidate.deployment for candidate in placement.ranked]


@pytest.mark.parametrize(
    ("code", "deployment", "request_facts", "state"),
    [
        ("not_asked_for", {}, {"model": "another"}, {}),
        ("unhealthy", {}, {}, {"health": Health.UNHEALTHY}),
        ("starting", {}, {}, {"health": Health.STARTING}),
        ("context_too_small", {"context_tokens": 199}, {}, {}),
        ("context_too_small", {"context_tokens": 1000}, {"max_completion_tokens": 901}, {}),
        ("no_image", {}, {"modalities": TEXT_AND_IMAGE}, {}),
        ("no_tools", {}, {"tools": True}, {}),
        ("no_structured_output", {}, {"structured_output": True}, {}),
        ("too_expensive", {"price": (1e6, 1e6)}, {"ask": Ask(max_cost=0.01)}, {}),
        ("too_expensive", {"price": (0, 10)}, {"ask": Ask(max_cost=0.002), "choices": 3}, {}),
        ("price_unknown", {"price": None}, {"ask": Ask(max_cost=0.01)}, {}),
        ("ttft_too_long", {"speed": Speed(ttft_s=2)}, {"ask": Ask(slo_ttft_s=1)}, {}),
        (
            "deadline_too_short",
            {"speed": Speed(completion_tokens_per_s=1)},
            {"ask": Ask(deadline_s=10)},
            {},
        ),
        ("not_owned", {"locus": CLOUD}, {"ask": Ask(objective=Objective.PRIVATE)}, {}),
    ],
)
def test_a_filter_says_why_a_deployment_is_out(code, deployment, request_facts, state):
    placement = placed(
        make.deployment("one", **deployment),
        request=make.request(**request_facts),
        states={"one": DeploymentState(**state)},
    )
    assert placement.ranked == ()
    assert [e.code for e in placement.exclusions] == [code]


@pytest.mark.parametrize(
    ("deployment", "request_facts", "state"),
    [
        ({}, {"model": "one"}, {}),
        ({"model": "named"}, {"model": "named"}, {}),
        ({}, {}, {"health": Health.STALE}),
        ({"max_in_flight": 2}, {}, {"in_flight": 1}),
        ({"max_in_flight": 2}, {}, {"in_flight": 2}),
        ({"context_tokens": 200}, {}, {}),
        ({"modalities": TEXT_AND_IMAGE}, {"modalities": TEXT_AND_IMAGE}, {}),
        ({"tools": True}, {"tools": True}, {}),
        ({"structured_output": True}, {"structured_output": True}, {}),
        ({}, {"ask": Ask(max_cost=1)}, {}),
        ({"price": (0, 10)}, {"ask": Ask(max_cost=0.002), "choices": 2}, {}),
        ({}, {"ask": Ask(objective=Objective.PRIVATE)}, {}),
    ],
)
def test_what_fits_stays(deployment, request_facts, state):
    placement = placed(
        make.deployment("one", **deployment),
        request=make.request(**request_facts),
        states={"one": DeploymentState(**state)},
    )
    assert names(placement) == ["one"]


def test_who_is_full_is_out_where_another_is_free():
    full, down = DeploymentState(in_flight=2), DeploymentState(Health.UNHEALTHY, 2)
    one, two = make.deployment("one", max_in_flight=2), make.deployment("two", max_in_flight=2)
    placement = placed(one, two, states={"one": full})
    assert names(placement) == ["two"]
    assert [(e.deployment, e.code) for e in placement.exclusions] == [("one", "saturated")]
    placement = placed(one, two, states={"one": full, "two": down})
    assert names(placement) == ["one"]
    assert {e.deployment for e in placement.exclusions} == {"two"}


def test_what_is_ejected_is_asked_where_nobody_else_is_left():
    one, two = make.deployment("one"), make.deployment("two")
    ejected, down = DeploymentState(Health.EJECTED), DeploymentState(Health.UNHEALTHY)
    placement = placed(one, two, states={"one": ejected})
    assert names(placement) == ["two"]
    placement = placed(one, two, states={"one": ejected, "two": down})
    assert names(placement) == ["one"]
    assert [e.code for e in placement.exclusions] == ["unhealthy"]


@pytest.mark.parametrize(("longest", "fits"), [(None, False), (100, False), (50, True), (0, True)])
def test_of_a_batch_the_longest_prompt_must_fit(longest, fits):
    analysis = make.analysis(
        prompt_tokens=1000, longest_tokens=longest, completion_tokens=0, task="embedding"
    )
    placement = placed(make.deployment("one", context_tokens=60), analysis=analysis)
    assert (names(placement) == ["one"]) == fits


def test_what_is_saved_is_against_renting_what_serves_the_same():
    """A chat model in the cloud, however dear, is no measure for embeddings."""
    embeds = frozenset({Service.EMBEDDINGS})
    mine = make.deployment("mine", serves=embeds, price=(1, 0))
    rented = make.deployment("rented", serves=embeds, locus=CLOUD, price=(3, 0))
    chat = make.deployment("chat", locus=CLOUD, price=(0.5, 0.5))
    request = make.request(wire=Wire.OPENAI_EMBEDDINGS, size=0)
    usage = Usage(1_000_000, 0)
    for others, saved in (((rented, chat), 2.0), ((chat,), None)):
        known = make.snapshot(make.view(mine, *others))
        decision = decide(request, known, 0.0, analysis=make.analysis())
        assert bill([(mine, usage, 0)], request, decision, known).saved == saved


def test_every_lasting_reason_is_told_and_only_without_one_what_may_pass():
    small = make.deployment("one", context_tokens=10)
    full = {"one": DeploymentState(in_flight=64)}
    images = make.request(tools=True, modalities=TEXT_AND_IMAGE)
    told = placed(small, request=images, states=full).exclusions
    assert {e.rule for e in told} == {"modality", "tools"}
    told = placed(small, states=full).exclusions
    assert {e.rule for e in told} == {"capacity", "context_window"}


def test_cheapest_adequate_takes_the_cheapest_that_is_able():
    weak = make.deployment("weak", capability=CapabilityClass.TINY, price=(0.1, 0.1))
    able = make.deployment("able", capability=CapabilityClass.MEDIUM, price=(1, 1))
    dear = make.deployment("dear", capability=CapabilityClass.FRONTIER, price=(9, 9))
    analysis = make.analysis(needs=CapabilityClass.MEDIUM)
    assert names(placed(weak, able, dear, analysis=analysis)) == ["able", "dear", "weak"]


def test_when_nothing_is_adequate_the_more_able_comes_first():
    tiny = make.deployment("tiny", capability=CapabilityClass.TINY, price=(0.1, 0.1))
    medium = make.deployment("medium", capability=CapabilityClass.MEDIUM, price=(5, 5))
    analysis = make.analysis(needs=CapabilityClass.FRONTIER)
    assert names(placed(tiny, medium, analysis=analysis)) == ["medium", "tiny"]


@pytest.mark.parametrize(
    ("objective", "winner"),
    [
        (Objective.CHEAPEST_ADEQUATE, "cheap"),
        (Objective.FASTEST, "fast"),
        (Objective.BEST, "best"),
        (Objective.PRIVATE, "fast"),
    ],
)
def test_an_objective_decides_among_the_adequate(objective, winner):
    cheap = make.deployment("cheap", price=(0.1, 0.1), speed=Speed(ttft_s=5), locus=CLOUD)
    fast = make.deployment("fast", price=(1, 1), speed=Speed(ttft_s=0.1))
    best = make.deployment(
        "best", price=(2, 2), speed=Speed(ttft_s=4), capability=CapabilityClass.FRONTIER,
        locus=CLOUD,
    )  # fmt: skip
    request = make.request(ask=Ask(objective=objective))
    assert names(placed(cheap, fast, best, request=request))[0] == winner


def test_load_moves_requests_to_the_idle_twin():
    twins = [make.deployment(name) for name in ("a", "b")]
    placement = placed(*twins, states={"a": DeploymentState(in_flight=10)})
    assert names(placement)[0] == "b"


def test_ties_spread_over_equals_and_replay():
    twins = [make.deployment(name) for name in ("a", "b", "c", "d")]
    ids = [f"req_{i}" for i in range(400)]
    first = [names(placed(*twins, request=make.request(id=i)))[0] for i in ids]
    again = [names(placed(*twins, request=make.request(id=i)))[0] for i in ids]
    assert first == again
    assert all(60 < first.count(name) < 140 for name in "abcd")


def test_weights_name_scorers_and_sum_to_one():
    for profile in OBJECTIVES.values():
        assert set(profile.weights) <= set(SCORERS)
        assert sum(profile.weights.values()) == pytest.approx(1)


deployments = st.lists(
    st.builds(
        make.deployment,
        st.uuids().map(str),
        capability=st.sampled_from(CapabilityClass),
        price=st.none() | st.tuples(st.floats(0, 100), st.floats(0, 100)),
        context_tokens=st.integers(1, 10_000),
        speed=st.builds(Speed, st.floats(0.01, 10), st.floats(1, 1e4), st.floats(1, 1e3)),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda d: d.name,
)


@given(deployments, st.data())
def test_only_what_policy_allowed_is_ranked_or_excluded(fleet, data):
    allowed = data.draw(st.sets(st.sampled_from([d.name for d in fleet])))
    placement = placed(*fleet, allowed=sorted(allowed))
    ranked, excluded = set(names(placement)), {e.deployment for e in placement.exclusions}
    assert ranked | excluded == allowed
    assert not ranked & excluded


@given(deployments, st.sampled_from(Objective))
def test_scores_lie_between_zero_and_one(fleet, objective):
    placement = placed(*fleet, request=make.request(ask=Ask(objective=objective)))
    for candidate in placement.ranked:
        assert 0 <= candidate.score <= 1
        assert all(0 <= value <= 1 for value in candidate.scores.values())


@given(deployments, st.randoms())
def test_the_order_of_the_fleet_does_not_matter(fleet, random):
    shuffled = list(fleet)
    random.shuffle(shuffled)
    assert placed(*fleet).ranked == placed(*shuffled).ranked
