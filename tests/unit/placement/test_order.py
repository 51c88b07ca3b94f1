"""The order of tries: it is as plainly defined, whatever is remembered, and what it promises."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests import make

from situs.core.aim import Aim, Cascade, Mode
from situs.core.capability import CapabilityClass
from situs.core.decision import Obligation
from situs.core.fleet import DeploymentState, Health, LocusKind, Pace, Price, Role, Speed
from situs.core.length import Lengths
from situs.core.request import Ask, Modality, Objective, Principal
from situs.core.route import Routed, RoutedBy
from situs.core.snapshot import ANY_KIND, Belief, Beliefs, Confidences
from situs.placement import place
from situs.placement.aims import aim_for
from situs.placement.confidence import WHOLE, Calibration, View
from situs.placement.estimates import estimate
from situs.placement.filters import FILTERS, LASTING, Context, Option, owed_by, refusals
from situs.placement.objectives import INADEQUATE_WITHIN, OBJECTIVES
from situs.placement.order import TRIES
from situs.placement.quality import full_costs, on_the_whole, quality
from situs.placement.scorers import SCORERS, Field
from situs.policy.memory import Memory

TEXT, TEXT_AND_IMAGE = frozenset({Modality.TEXT}), frozenset({Modality.TEXT, Modality.IMAGE})
LOCI = [make.locus(f"l{kind}", kind) for kind in LocusKind]


def plain(request, analysis, verdict, snapshot, warm, aim):
    """What `place` says, a deployment at a time, as docs/reference/placement.md has it."""
    owed = owed_by(verdict)
    context = Context(request, analysis, aim.objective, owed)
    lasting, passing, left, busy = [], [], [], []
    for deployment, state in zip(snapshot.fleet.deployments, snapshot.fleet.states, strict=True):
        if deployment.name not in verdict.allowed:
            continue
        cached = warm.get(deployment.name, 0)
        figures = estimate(deployment, state, request, analysis, snapshot, cached)
        option = Option(deployment, state, figures)
        if reasons := refusals(option, context, LASTING):
            lasting += reasons
        else:
            busy.append(
                (option, refusals(option, context, [n for n in FILTERS if n not in LASTING]))
            )
    here = {"health", "capacity", "context_window"}
    nobody_free = all(here & {one.rule for one in reasons} for _, reasons in busy)
    for option, reasons in busy:
        passes = {one.code for one in reasons} <= {"saturated", "ejected"}
        if not reasons or (nobody_free and passes):
            left.append(option)
        else:
            passing += reasons
    if not left:
        return [], lasting + passing
    tokens = [
        analysis.tokens_by.get(o.deployment.model.family, analysis.prompt_tokens) for o in left
    ]
    field = Field(
        at=list(range(len(left))),
        cost=[o.estimate.cost for o in left],
        ttft_s=[o.estimate.ttft_s for o in left],
        e2e_s=[o.estimate.e2e_s for o in left],
        quality=[quality(o.deployment.model, analysis, snapshot.beliefs).mean for o in left],
        load=[o.state.in_flight / o.deployment.max_in_flight for o in left],
        health=[o.state.health for o in left],
        prompt_tokens=tokens,
        cached_tokens=[
            min(warm.get(o.deployment.name, 0), most) for o, most in zip(left, tokens, strict=True)
        ],
        prompt_s=[
            1 / o.deployment.speed.prompt_tokens_per_s
            if o.state.pace is None
            else o.state.pace.prompt_s
            for o in left
        ],
        read=[snapshot.read.get(o.deployment.name, 0) for o in left],
    )
    return _in_order(left, field, request, analysis, snapshot, aim), lasting + passing


def _weighing(profile, scores):
    """The weighted sum; first of all scorers that say the same of everybody."""
    alike = {name for name, column in scores.items() if set(column) == {1.0}}

    def weigh(k):
        total = sum(weight for name, weight in profile.weights.items() if name in alike)
        for name, weight in profile.weights.items():
            total += 0 if name in alike else weight * scores[name][k]
        return total

    return weigh


def _steps(members, goals, within):
    while members:
        least = min(goals[k] for k in members)
        step = [k for k in members if goals[k] <= least * (1 + within)]
        yield step
        members = [k for k in members if k not in step]


def _in_order(left, field, request, analysis, snapshot, aim):
    profile = OBJECTIVES[aim.objective]
    scores = {name: score(field) for name, score in SCORERS.items()}
    owned_first = {Mode.LOCAL_DEFAULT: True, Mode.CLOUD_DEFAULT: False}.get(aim.mode)

    def rank(k):
        there = left[k].deployment
        behind = owned_first is not None and there.locus.owned is not owned_first
        return list(Role).index(there.role), behind

    every = range(len(left))
    foremost = min(rank(k) for k in every)
    best = max(field.quality[k] for k in every if rank(k) == foremost)
    bounded = [min(one, best) for one in field.quality]
    enough = [one >= aim.quality * best - 1e-9 for one in bounded]
    flaws = [1 / one if one > 0 else float("inf") for one in field.quality]
    usual = 0.0
    if snapshot.beliefs.table or analysis.acceptable:
        prompt, answer = snapshot.beliefs.usual
        whole = [on_the_whole(one.deployment.model, snapshot.beliefs) for one in left]
        prices = [
            one.deployment.price
            for one, own in zip(left, whole, strict=True)
            if own == max(whole) and one.deployment.price
        ]
        costs = [round(prompt) * one.prompt + round(answer) * one.completion for one in prices]
        usual = min(costs, default=0.0) / 1e6
    costs = full_costs(field.cost, bounded, aim.quality, usual)
    goal = {
        "cost": [float("inf") if cost is None else cost for cost in costs],
        "e2e_s": field.e2e_s,
        "flaws": flaws,
    }[profile.goal]
    weigh = _weighing(profile, scores)
    seed = crc32(request.id.encode())

    def by_steps(members, goals, within):
        own = []
        for step in _steps(members, goals, within):
            own += sorted(
                step, key=lambda k: (-weigh(k), crc32(left[k].deployment.name.encode(), seed))
            )
        return own

    def locus(k):
        return left[k].deployment.locus.name

    found = []
    for group in sorted({(rank(k), not enough[k]) for k in every}):
        members = [k for k in every if (rank(k), not enough[k]) == group]
        if group[1]:
            for equals in _steps(members, flaws, INADEQUATE_WITHIN):
                found += by_steps(equals, goal, profile.within)
        elif found:
            found += by_steps(members, goal, profile.within)
        else:
            first = by_steps(members, goal, profile.within)[0]
            near = [k for k in members if locus(k) == locus(first) and k != first]
            far = [k for k in members if locus(k) != locus(first)]
            found.append(first)
            found += by_steps(near, goal, profile.within) + by_steps(far, goal, profile.within)
    return [left[k].deployment.name for k in found]


paces = st.none() | st.builds(
    Pace,
    *[st.sampled_from([0.001, 0.01, 0.2]) for _ in range(6)],
    st.just(2.0),
)
states = st.builds(
    DeploymentState,
    st.sampled_from([Health.HEALTHY, Health.UNKNOWN, Health.STALE, Health.UNHEALTHY]),
    st.integers(0, 4),
    paces,
)


@st.composite
def fleets(draw, most=10):
    made = [
        make.deployment(
            f"d{number}",
            model=draw(st.sampled_from(["m1", "m2", "m3"])),
            capability=draw(st.sampled_from(CapabilityClass)),
            price=draw(st.sampled_from([None, (0, 0), (1, 2), (1.01, 2), (9, 30)])),
            context_tokens=draw(st.sampled_from([150, 250, 8000])),
            modalities=draw(st.sampled_from([TEXT, TEXT_AND_IMAGE])),
            locus=draw(st.sampled_from(LOCI)),
            role=draw(st.sampled_from([Role.ACTIVE, Role.ACTIVE, *Role])),
            max_in_flight=draw(st.sampled_from([3, 64])),
            speed=draw(st.sampled_from([Speed(), Speed(0.1, 900.0, 90.0)])),
        )
        for number in range(draw(st.integers(1, most)))
    ]
    return make.view(*made, states={one.name: draw(states) for one in made})


asks = st.builds(
    Ask,
    objective=st.none() | st.sampled_from(Objective),
    max_cost=st.sampled_from([None, None, 0.0003, 0.01]),
    slo_ttft_s=st.sampled_from([None, None, 0.3]),
    deadline_s=st.sampled_from([None, None, 2.0]),
)
requests = st.builds(
    lambda ask, id_, **facts: make.request(ask=ask, id=id_, **facts),
    asks,
    st.sampled_from(["req_1", "req_2"]),
    model=st.sampled_from(["auto", "auto", "m1", "d0"]),
    modalities=st.sampled_from([TEXT, TEXT_AND_IMAGE]),
    max_completion_tokens=st.sampled_from([None, 20]),
    choices=st.sampled_from([1, 1, 3]),
)
analyses = st.builds(
    make.analysis,
    needs=st.sampled_from(CapabilityClass),
    prompt_tokens=st.sampled_from([100, 200]),
    longest_tokens=st.sampled_from([None, 60]),
    acceptable=st.sampled_from([{}, {}, {"m1": 0.4, "m3": 0.97}]),
    routed=st.sampled_from(
        [None, None, Routed("r", RoutedBy.RULE, deployments=("d0", "d1", "d2", "d3"))]
    ),
)
aims = st.builds(
    Aim,
    st.sampled_from(Objective),
    st.sampled_from([0.5, 0.95, 1.0]),
    st.sampled_from([None, None, Mode.LOCAL_DEFAULT, Mode.CLOUD_DEFAULT]),
)
warmths = st.dictionaries(st.sampled_from(["d0", "d1", "d2"]), st.sampled_from([0, 40, 5000]))
LEARNED = Beliefs(
    {("m2", ANY_KIND, "tiny"): Belief(0.3, 9.0)},
    digest="learned",
    lengths=Lengths(
        {"chat": (90.0, 0.6), "route:r": (900.0, 1.0)},
        {("m1", ANY_KIND): 3.0, ("m2", "chat"): 0.2, ("m3", "route:r"): 0.05},
    ),
)


def names(placement):
    return [one.deployment for one in placement.ranked]


@settings(max_examples=300, deadline=None)
@given(fleets(), requests, analyses, aims, warmths, st.data())
def test_it_is_as_its_plain_definition_whatever_is_remembered(
    fleet, request, analysis, aim, warm, data
):
    memory = data.draw(st.sampled_from([None, Memory(1)]))
    beliefs = data.draw(st.sampled_from([Beliefs(), LEARNED]))
    read = data.draw(st.sampled_from([{}, {"d0": 900.2, "d1": 5.0}]))
    everyone = [one.name for one in fleet.deployments]
    for _ in range(3):
        allowed = data.draw(st.sets(st.sampled_from(everyone)))
        owed = tuple(
            Obligation("require_owned", name) for name in sorted(allowed) if "d1" <= name <= "d2"
        )
        verdict = replace(make.verdict(*sorted(allowed)), obligations=owed)
        snapshot = make.snapshot(fleet, memory=memory, aim=aim, beliefs=beliefs, read=read)
        asked = request.ask.objective
        meant = aim
        if asked is not None and aim.objective is not Objective.PRIVATE:
            meant = replace(aim, objective=asked)
        order, exclusions = plain(request, analysis, verdict, snapshot, warm, meant)
        placement = place(request, analysis, verdict, snapshot, warm)
        assert names(placement) == order
        assert sorted(placement.exclusions, key=str) == sorted(exclusions, key=str)
        for one in placement.ranked:
            there = everyone.index(one.deployment)
            figures = estimate(
                fleet.deployments[there],
                fleet.states[there],
                request,
                analysis,
                snapshot,
                warm.get(one.deployment, 0),
            )
            assert (one.cost, one.ttft_s, one.e2e_s) == (
                figures.cost,
                figures.ttft_s,
                figures.e2e_s,
            )
        position = data.draw(st.integers(0, len(everyone) - 1))
        changed = list(fleet.states)
        changed[position] = data.draw(states)
        fleet = replace(fleet, states=tuple(changed))


@given(fleets(), aims, analyses)
def test_a_standby_is_never_before_an_active_one_nor_a_last_resort_before_these(
    fleet, aim, analysis
):
    everyone = {one.name: one for one in fleet.deployments}
    snapshot = make.snapshot(fleet, aim=aim, confidences=SURE)
    placement = place(make.request(), analysis, make.verdict(*everyone), snapshot, {})
    roles = [list(Role).index(everyone[name].role) for name in names(placement)]
    assert roles == sorted(roles)


def tried(*deployments, aim=Aim(), analysis=None, states=None, warm=None, **fields):  # noqa: B008
    fleet = make.view(*deployments, states=states)
    verdict = make.verdict(*[one.name for one in deployments])
    snapshot = make.snapshot(fleet, aim=aim, **fields)
    return place(make.request(), analysis or make.analysis(), verdict, snapshot, warm or {})


def test_the_cheapest_by_far_comes_first_however_slow_and_busy():
    slow = make.deployment("slow", price=(1, 1), speed=Speed(9.0, 50.0, 5.0))
    quick = make.deployment("quick", price=(1.1, 1.1), speed=Speed(0.1, 9000.0, 900.0))
    busy = {"slow": DeploymentState(in_flight=60)}
    assert names(tried(slow, quick, states=busy)) == ["slow", "quick"]


def test_among_those_that_cost_nearly_the_same_the_quicker_and_idler_comes_first():
    slow = make.deployment("slow", price=(1, 1), speed=Speed(9.0, 50.0, 5.0))
    quick = make.deployment("quick", price=(1.01, 1.01), speed=Speed(0.1, 9000.0, 900.0))
    assert names(tried(slow, quick)) == ["quick", "slow"]


def test_quality_that_is_not_enough_comes_last_the_best_of_it_first():
    made = [
        make.deployment(name, capability=able, price=(cost, cost))
        for name, able, cost in (
            ("tiny", CapabilityClass.TINY, 0.1),
            ("small", CapabilityClass.SMALL, 0.2),
            ("medium", CapabilityClass.MEDIUM, 3.0),
            ("large", CapabilityClass.FRONTIER, 2.0),
        )
    ]
    analysis = make.analysis(needs=CapabilityClass.MEDIUM)
    assert names(tried(*made, analysis=analysis)) == ["large", "medium", "small", "tiny"]
    less = tried(*made, analysis=analysis, aim=Aim(quality=0.6))
    assert names(less) == ["small", "large", "medium", "tiny"]
    assert [one.adequate for one in less.ranked] == [True, True, True, False]


@pytest.mark.parametrize("id_", [f"req_{number}" for number in range(8)])
def test_of_equal_quality_that_is_not_enough_the_cheapest_comes_first(id_):
    best = make.deployment("best", capability=CapabilityClass.FRONTIER, price=(9, 9))
    twice = make.deployment("twice", capability=CapabilityClass.TINY, price=(2, 2))
    once = make.deployment("once", capability=CapabilityClass.TINY, price=(1, 1))
    free = make.deployment("unpriced", capability=CapabilityClass.TINY, price=None)
    fleet = make.view(best, twice, free, once)
    allowed = make.verdict(*[one.name for one in fleet.deployments])
    needs = make.analysis(needs=CapabilityClass.MEDIUM)
    placement = place(make.request(id=id_), needs, allowed, make.snapshot(fleet), {})
    assert names(placement) == ["best", "once", "twice", "unpriced"]


def test_a_last_resort_is_no_measure_of_quality():
    """Else the places that are meant to serve would be ranked as if none of them were enough."""
    cheap = make.deployment("cheap", capability=CapabilityClass.TINY, price=(1, 1))
    dear = make.deployment("dear", capability=CapabilityClass.SMALL, price=(9, 9))
    far = make.deployment(
        "far", capability=CapabilityClass.FRONTIER, price=(30, 30), role=Role.LAST_RESORT
    )
    analysis = make.analysis(needs=CapabilityClass.MEDIUM)
    aim = Aim(quality=0.4)
    assert names(tried(cheap, dear, far, analysis=analysis, aim=aim)) == ["cheap", "dear", "far"]
    meant = replace(far, role=Role.ACTIVE)
    with_it = tried(cheap, dear, meant, analysis=analysis, aim=aim)
    assert names(with_it) == ["dear", "far", "cheap"]


def test_after_the_first_come_others_at_its_locus():
    made = [
        make.deployment(f"{locus.name}-{cost}", locus=locus, price=(cost, cost))
        for locus, cost in ((LOCI[0], 1), (LOCI[0], 4), (LOCI[1], 2), (LOCI[1], 3))
    ]
    assert names(tried(*made)) == ["ldevice-1", "ldevice-4", "ledge-2", "ledge-3"]


def test_of_many_the_first_are_kept_and_one_of_every_locus_and_role():
    rack = [make.deployment(f"rack-{i}", price=(1, 1), locus=LOCI[0]) for i in range(30)]
    far = make.deployment("far", price=(50, 50), locus=LOCI[4])
    spare = make.deployment("spare", price=(1, 1), locus=LOCI[0], role=Role.STANDBY)
    kept = names(tried(*rack, far, spare))
    assert len(kept) == TRIES
    assert kept[-2:] == ["far", "spare"]


def test_what_is_in_a_cache_is_read_and_paid_for_as_such():
    made = make.deployment("one", price=None)
    made = replace(made, price=Price("USD", 10.0, 0.0, 1.0))
    cold, warm = (tried(made, warm={"one": tokens}).ranked[0] for tokens in (0, 1000))
    assert (cold.prompt_tokens, cold.cached_tokens) == (100, 0)
    assert (warm.prompt_tokens, warm.cached_tokens) == (100, 100)
    assert cold.cost == pytest.approx(10 * warm.cost)
    assert warm.ttft_s < cold.ttft_s


KNOWN = Calibration(
    False, 99, (View(WHOLE, 1, (), 0.0, (0.5,) * 100, (0.01,) * 100, (0.9,) * 100),)
)
SURE = Confidences({("lesser-model", ANY_KIND): KNOWN})


@pytest.mark.parametrize(
    ("cost", "confidences", "first", "cascades"),
    [
        (0.5, SURE, "lesser", True),
        (0.5, Confidences(), "better", False),
        (9.0, SURE, "better", False),
        (0.5, Confidences({("better-model", "chat"): KNOWN}), "better", False),
    ],
)
def test_a_lesser_place_is_asked_first_where_that_saves_and_its_answer_can_be_judged(
    cost, confidences, first, cascades
):
    lesser = make.deployment("lesser", capability=CapabilityClass.SMALL, price=(cost, cost))
    better = make.deployment("better", capability=CapabilityClass.MEDIUM, price=(10, 10))
    analysis = make.analysis(needs=CapabilityClass.MEDIUM)
    aim = Aim(cascade=Cascade(error_rate=0.05))
    placement = tried(lesser, better, aim=aim, analysis=analysis, confidences=confidences)
    assert names(placement)[0] == first
    assert placement.cascade == (aim.cascade if cascades else None)


@pytest.mark.parametrize(("mode", "first"), [("local_default", "own"), ("cloud_default", "far")])
def test_a_mode_says_who_comes_first(mode, first):
    own = make.deployment("own", price=(5, 5), capability=CapabilityClass.TINY)
    far = make.deployment("far", price=(9, 9), capability=CapabilityClass.FRONTIER, locus=LOCI[4])
    placement = tried(own, far, aim=Aim(mode=Mode(mode)))
    assert names(placement)[0] == first
    assert placement.mode == mode


@pytest.mark.parametrize("said", [None, Objective.BEST])
def test_what_a_tenant_keeps_private_no_route_and_no_header_lifts(said):
    known = make.snapshot(
        make.view(make.deployment("own")),
        tenants={"clinic": {"objective": Objective.PRIVATE}},
        aims={"proof": {"objective": Objective.BEST, "hedge": True}},
    )
    asked = make.request(ask=Ask(objective=said), principal=Principal("clinic"))
    aim = aim_for(asked, make.analysis(routed=Routed("proof", RoutedBy.ASKED)), known)
    assert (aim.objective, aim.hedge) == (Objective.PRIVATE, True)
