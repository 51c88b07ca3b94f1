"""A route restricts: what it lists is where it may go, and never more than policy allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.core.request import Wire
from situs.core.route import Route, Routed, RoutedBy
from situs.core.snapshot import Routes
from situs.placement.filters import known_name
from situs.placement.place import place

NAMES = ("a", "b", "c", "d")
VIEW = make.view(*(make.deployment(name) for name in NAMES))


def placed(routed: Routed | None, allowed=NAMES, model: str = "auto"):
    analysis = make.analysis(routed=routed)
    request = make.request(model=model)
    return place(request, analysis, make.verdict(*allowed), make.snapshot(VIEW), {})


def ranked(placement) -> set[str]:
    return {candidate.deployment for candidate in placement.ranked}


@given(
    st.sets(st.sampled_from(NAMES)),
    st.sets(st.sampled_from(NAMES)),
    st.sampled_from(RoutedBy),
)
def test_a_route_never_widens_what_policy_allows(allowed, listed, by):
    model = "r" if by is RoutedBy.ASKED else "auto"
    placement = placed(Routed("r", by, deployments=tuple(sorted(listed))), allowed, model)
    assert ranked(placement) == (allowed & listed if listed else allowed)


def test_what_is_not_on_the_route_says_so():
    placement = placed(Routed("r", RoutedBy.SAMPLES, 0.5, deployments=("a", "b")))
    told = {(e.deployment, e.rule, e.code) for e in placement.exclusions}
    assert told == {("c", "route", "not_on_route"), ("d", "route", "not_on_route")}


def test_a_concrete_name_still_pins():
    assert ranked(placed(None, model="c")) == {"c"}


@pytest.mark.parametrize(
    ("model", "wire", "known"),
    [
        ("auto", Wire.OPENAI_CHAT, True),
        ("a", Wire.OPENAI_CHAT, True),
        ("a-model", Wire.OPENAI_CHAT, True),
        ("r", Wire.OPENAI_CHAT, True),
        ("r", Wire.OPENAI_COMPLETIONS, True),
        ("r", Wire.OPENAI_EMBEDDINGS, False),
        ("nobody", Wire.OPENAI_CHAT, False),
    ],
)
def test_a_route_s_name_is_a_model_s_name_but_not_for_embeddings(model, wire, known):
    snapshot = make.snapshot(VIEW, routes=Routes({"r": Route("r")}))
    assert known_name(make.request(model=model, wire=wire), snapshot) is known
