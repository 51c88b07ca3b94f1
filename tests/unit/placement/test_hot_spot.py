"""What a place has in its cache never makes it a hot spot, whatever it saves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests import make

from situs.core.fleet import Price, Speed
from situs.core.request import Ask, Objective
from situs.placement.objectives import OBJECTIVES
from situs.placement.place import place, rank
from situs.placement.prefix import BOUND, FREE_S
from situs.placement.why import why

SPEED = Speed(0.1, 1000.0, 50.0)
TOKEN_S = 1 / SPEED.prompt_tokens_per_s
CHEAP_CACHE = Price("USD", 10.0, 10.0, cached_prompt=0.1)


def fleet(count, prices=(CHEAP_CACHE,)):
    places = [
        make.deployment(name, speed=SPEED, model="m", context_tokens=10**6)
        for name in "abcdefgh"[:count]
    ]
    priced = [
        replace(one, price=prices[k % len(prices)], max_in_flight=1000)
        for k, one in enumerate(places)
    ]
    return make.view(*priced)


def analysis_of(prompt):
    return make.analysis(prompt_tokens=prompt, completion_tokens=1)


def placed(view, prompt, warm, read, objective=Objective.CHEAPEST_ADEQUATE, id_="req"):
    request = make.request(id=id_, ask=Ask(objective=objective))
    analysis = analysis_of(prompt)
    snapshot = make.snapshot(view, read=read)
    verdict = make.verdict(*[one.name for one in view.deployments])
    return place(request, analysis, verdict, snapshot, warm)


def told(view, prompt, warm, read):
    placement = placed(view, prompt, warm, read)
    request, analysis, snapshot = (
        make.request(),
        analysis_of(prompt),
        make.snapshot(view, read=read),
    )
    names = [one.name for one in view.deployments]
    verdict = make.verdict(*names)
    ranking = rank(request, analysis, verdict, snapshot, warm, placement.given.aim)
    return why(placement, ranking, names)


def first(*given, **named):
    return placed(*given, **named).ranked[0].deployment


def test_a_cache_is_worth_its_price_within_the_bound():
    assert first(fleet(3), 1000, {"b": 900}, {"b": 5000.0}) == "b"


def test_beyond_the_bound_its_price_does_not_count():
    read = {"a": 100.0, "b": 2 * FREE_S / TOKEN_S, "c": 9000.0}
    assert first(fleet(3), 1000, {"b": 900}, read) == "a"


@pytest.mark.parametrize("objective", list(Objective))
def test_beyond_the_bound_another_comes_first_under_every_objective(objective):
    read = {"b": 2 * FREE_S / TOKEN_S}
    ids = [f"req_{k}" for k in range(60)]
    chosen = [first(fleet(3), 1000, {"b": 900}, read, objective, id_) for id_ in ids]
    assert chosen.count("b") <= len(ids) / 2


def test_what_costs_less_without_a_cache_does_so_beyond_the_bound():
    view = fleet(3, [Price("USD", 20.0, 20.0), Price("USD", 10.0, 10.0, cached_prompt=0.1)])
    read = {"b": 2 * FREE_S / TOKEN_S}
    assert first(view, 1000, {"b": 900}, read) == "b"


def test_what_is_expected_of_it_is_told_as_it_is():
    read = {"b": 2 * FREE_S / TOKEN_S}
    ranked = placed(fleet(3), 1000, {"b": 900}, read).ranked
    there = next(one for one in ranked if one.deployment == "b")
    other = next(one for one in ranked if one.deployment == "a")
    assert there.cached_tokens == 900
    assert there.cost < other.cost / 3
    assert there.ttft_s < other.ttft_s / 3


def test_it_is_said_why_a_cache_did_not_count():
    read = {"a": 100.0, "b": 2 * FREE_S / TOKEN_S, "c": 9000.0}
    said = told(fleet(3), 1000, {"b": 900}, read)
    assert "b has 900 of the prompt's tokens in its cache, which do not count" in said
    assert "cache" not in told(fleet(3), 1000, {"b": 900}, {"b": 5000.0})


@given(
    st.integers(2, 6),
    st.sampled_from([one for one in Objective if "prefix" in OBJECTIVES[one].weights]),
    st.integers(100, 20_000),
    st.lists(st.integers(1, 20_000), min_size=20, max_size=60),
)
def test_prompts_that_begin_alike_are_shared_out(count, objective, beginning, rests):
    view = fleet(count)
    read = dict.fromkeys([one.name for one in view.deployments], 0.0)
    warm: dict[str, int] = {}
    for number, rest in enumerate(rests):
        whole = beginning + rest
        name = first(view, whole, warm, read, objective, f"req_{number}")
        read[name] += whole - warm.get(name, 0)
        warm[name] = beginning
        longest = beginning + max(rests[: number + 1])
        mean = sum(read.values()) / count
        most = max(FREE_S / TOKEN_S, BOUND * (mean + longest / count), mean + longest)
        assert max(read.values()) <= most
