"""Who is asked first in each mode, who is in the pilot, who gets a copy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests import make

from situs.core.aim import BASED, Aim, Cascade, Mode, Moded
from situs.core.fleet import LocusKind
from situs.core.request import Ask, Copy, Objective, Principal
from situs.decide import decide
from situs.placement.explain import explain
from situs.placement.modes import apply_mode, decided, drawn, moded

OWNED = make.deployment("owned", locus=make.locus("office", LocusKind.ON_PREM), price=(1.0, 1.0))
RENTED = make.deployment(
    "rented", locus=make.locus("us", LocusKind.PUBLIC_CLOUD, jurisdiction="US"), price=(5.0, 5.0)
)
OTHER = make.deployment(
    "other", locus=make.locus("eu", LocusKind.PUBLIC_CLOUD, jurisdiction="DE"), price=(9.0, 9.0)
)
NAMES = ["owned", "rented", "other"]


def placed(aim, *, request=None, allowed=NAMES, rolled_back=frozenset()):
    fleet = make.view(OWNED, RENTED, OTHER)
    snapshot = make.snapshot(fleet, aim=aim, rolled_back=rolled_back)
    verdict = make.verdict(*allowed)
    asked = request or make.request()
    return decide(asked, snapshot, 1.0, analysis=make.analysis(), verdict=verdict).placement


def order(placement):
    return [one.deployment for one in placement.ranked]


def piloted(aim, request):
    return drawn(aim, request).share == 1.0


def test_without_a_mode_the_objective_alone_decides():
    placement = placed(Aim())
    assert order(placement) == ["owned", "rented", "other"]
    assert (placement.mode, placement.pick, placement.copies) == (None, None, ())


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.SHADOW])
def test_the_baseline_serves_and_what_would_have_been_picked_is_on_record(mode):
    placement = placed(Aim(mode=mode, baseline="other"))
    assert order(placement) == ["other", "owned", "rented"]
    assert (placement.mode, placement.pick) == (mode, "owned")


def test_only_shadow_sends_a_copy_and_only_where_the_pick_is_another_place():
    assert placed(Aim(mode=Mode.SHADOW, baseline="rented")).copies == ("owned",)
    assert placed(Aim(mode=Mode.OBSERVE, baseline="rented")).copies == ()
    same = placed(Aim(mode=Mode.SHADOW, baseline="owned"))
    assert (same.pick, same.copies) == ("owned", ())


@pytest.mark.parametrize("mode", sorted(BASED))
def test_a_baseline_that_policy_denies_is_never_reached(mode):
    placement = placed(Aim(mode=mode, baseline="rented", share=0.0), allowed=["owned", "other"])
    assert order(placement) == ["owned", "other"]
    assert placement.copies == ()


@pytest.mark.parametrize("mode", sorted(BASED))
def test_a_copy_goes_nowhere_that_policy_denies(mode):
    placement = placed(Aim(mode=mode, baseline="rented"), allowed=["rented"])
    assert (order(placement), placement.copies) == (["rented"], ())


def test_in_the_pilot_the_pick_serves_and_the_baseline_is_next():
    inside = placed(Aim(mode=Mode.PILOT, baseline="other", share=1.0))
    outside = placed(Aim(mode=Mode.PILOT, baseline="other", share=0.0))
    assert order(inside) == ["owned", "other", "rented"]
    assert order(outside) == ["other", "owned", "rented"]


def test_the_groups_are_told_apart_where_the_pick_is_another_place_than_the_baseline():
    def group(baseline, share, **more):
        aim = Aim(mode=Mode.PILOT, baseline=baseline, share=share, scope="defaults")
        return moded(placed(aim, **more))

    assert group("other", 1.0) == Moded(Mode.PILOT, "defaults", "pick")
    assert group("other", 0.0) == Moded(Mode.PILOT, "defaults", "baseline")
    assert group("owned", 1.0) == Moded(Mode.PILOT, "defaults", "same")
    assert group("other", 1.0, allowed=["owned", "rented"]) == Moded(Mode.PILOT, "defaults", "same")
    assert moded(placed(Aim())) is None


def test_a_pilot_that_was_rolled_back_leaves_all_to_the_baseline():
    aim = Aim(mode=Mode.PILOT, baseline="other", share=1.0, scope="routes.help")
    assert order(placed(aim, rolled_back=frozenset({"routes.help"})))[0] == "other"
    assert order(placed(aim, rolled_back=frozenset({"defaults"})))[0] == "owned"


@given(session=st.text(min_size=1), tenant=st.text(), share=st.floats(0, 1))
def test_a_session_stays_in_its_group(session, tenant, share):
    aim = Aim(mode=Mode.PILOT, baseline="other", share=share)
    one, two = (
        make.request(id=id_, principal=Principal(tenant), ask=Ask(session=session))
        for id_ in ("req_1", "req_2")
    )
    assert piloted(aim, one) == piloted(aim, two)


@given(session=st.text(min_size=1), less=st.floats(0, 1), more=st.floats(0, 1))
def test_who_is_in_a_small_pilot_is_in_a_larger_one(session, less, more):
    less, more = sorted((less, more))
    request = make.request(ask=Ask(session=session))
    small, large = (Aim(mode=Mode.PILOT, baseline="other", share=s) for s in (less, more))
    assert not piloted(small, request) or piloted(large, request)


def test_about_the_share_of_the_sessions_is_in_the_pilot():
    aim = Aim(mode=Mode.PILOT, baseline="other", share=0.2)
    inside = sum(piloted(aim, make.request(ask=Ask(session=f"s{n}"))) for n in range(2000))
    assert 300 < inside < 500
    single = sum(piloted(aim, make.request(id=f"req_{n}")) for n in range(2000))
    assert 300 < single < 500


@given(share=st.floats(0, 1), id_=st.text(min_size=1))
def test_what_was_drawn_is_drawn_again_from_the_record(share, id_):
    aim = drawn(Aim(mode=Mode.PILOT, baseline="other", share=share), make.request(id=id_))
    another = make.request(id=id_, ask=Ask(session="a digest in place of the session"))
    assert drawn(aim, another) == aim


@given(
    order_=st.permutations(range(5)),
    baseline=st.sampled_from("abcdexyz"),
    mode=st.sampled_from([None, *Mode]),
    share=st.sampled_from([0.0, 1.0]),
)
def test_a_mode_neither_adds_nor_loses_a_place(order_, baseline, mode, share):
    aim = Aim(mode=mode, baseline=baseline, share=share)
    served = apply_mode(list(order_), range(5), list("abcde"), aim)
    assert sorted(served.order) == sorted(order_)
    assert set(served.copies) <= set("abcde") - {baseline}


def test_the_baselines_answers_are_neither_doubted_nor_raced():
    aim = Aim(mode=Mode.OBSERVE, baseline="other", cascade=Cascade(), hedge=True)
    placement = placed(aim)
    assert (placement.cascade, placement.hedge) == (None, False)
    assert placed(replace(aim, mode=None)).hedge is True


@pytest.mark.parametrize("model", ["auto", "rented-model", "a-route"])
def test_a_copy_goes_to_its_place_alone_whatever_it_asks_for_and_has_no_copy_itself(model):
    request = make.request(model=model, copy=Copy("req_0", "owned"))
    placement = placed(Aim(mode=Mode.SHADOW, baseline="rented"), request=request)
    assert order(placement) == ["owned"]
    assert (placement.mode, placement.copies) == (None, ())


def test_a_copy_and_its_original_are_told_apart_by_what_placement_remembers():
    fleet = make.view(OWNED, RENTED, OTHER)

    class Memory(dict[bytes, object]):
        def put(self, key, value):
            self[key] = value

    snapshot = make.snapshot(fleet, aim=Aim(), memory=Memory())
    asked = make.request(), make.request(copy=Copy("req_test", "other")), make.request()
    found = [order(decide(one, snapshot, 1.0, analysis=make.analysis()).placement) for one in asked]
    assert found == [["owned", "rented", "other"], ["other"], ["owned", "rented", "other"]]


@pytest.mark.parametrize(
    ("mode", "share", "allowed", "said"),
    [
        (Mode.OBSERVE, 0.0, NAMES, "observe"),
        (Mode.SHADOW, 0.0, ["owned", "rented"], "cheapest_adequate"),
        (Mode.PILOT, 1.0, NAMES, "pilot"),
        (Mode.PILOT, 0.0, NAMES, "pilot"),
        (Mode.PILOT, 0.0, ["owned", "rented"], "cheapest_adequate"),
        (Mode.CLOUD_DEFAULT, 0.0, NAMES, "cloud_default"),
        (Mode.CLOUD_DEFAULT, 0.0, ["owned"], "cheapest_adequate"),
        (Mode.LOCAL_DEFAULT, 0.0, NAMES, "local_default"),
        (Mode.LOCAL_DEFAULT, 0.0, ["rented", "other"], "cheapest_adequate"),
    ],
)
def test_the_mode_is_the_reason_only_where_it_puts_the_one_that_serves_first(
    mode, share, allowed, said
):
    placement = placed(Aim(mode=mode, baseline="other", share=share), allowed=allowed)
    serves = {one.name: one for one in (OWNED, RENTED, OTHER)}[order(placement)[0]]
    assert decided(placement, serves) == said


def told(aim, request=None):
    request = request or make.request()
    snapshot = make.snapshot(make.view(OWNED, RENTED, OTHER), aim=aim)
    decision = decide(
        request, snapshot, 1.0, analysis=make.analysis(), verdict=make.verdict(*NAMES)
    )
    return explain(request, decision, snapshot).why


def test_the_mode_is_told_where_it_alone_puts_one_first():
    assert told(Aim(mode=Mode.LOCAL_DEFAULT)) == "the mode local_default puts it before all others"


def test_of_a_pilot_the_share_is_told_and_who_is_in():
    texts = {
        told(
            Aim(mode=Mode.PILOT, baseline="other", share=0.5, scope="defaults"),
            make.request(ask=Ask(session=f"s{n}")),
        ).split(",")[0]
        for n in range(20)
    }
    assert texts == {"this request is in the pilot", "this request is not in the pilot"}


@pytest.mark.parametrize(
    ("aim", "asked", "idle"),
    [
        (
            Aim(mode=Mode.CLOUD_DEFAULT, scope="defaults"),
            Objective.PRIVATE,
            "the mode cloud_default has no effect here: no place that is not owned is left",
        ),
        (
            Aim(mode=Mode.OBSERVE, baseline="rented", scope="defaults"),
            Objective.PRIVATE,
            "the mode observe has no effect here: its baseline rented is out (not_owned)",
        ),
        (Aim(mode=Mode.OBSERVE, baseline="rented", scope="defaults"), Objective.FASTEST, None),
        (Aim(mode=Mode.CLOUD_DEFAULT, scope="defaults"), Objective.BEST, None),
        (Aim(), Objective.PRIVATE, None),
    ],
)
def test_a_mode_that_the_objective_of_a_request_leaves_nothing_to_do_is_told(aim, asked, idle):
    said = told(aim, make.request(ask=Ask(objective=asked)))
    assert said.endswith(idle) if idle else "no effect" not in said
