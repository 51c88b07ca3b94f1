"""Work that may take long is given out, and names are looked for only where they matter."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from msgspec.structs import replace
from tests import make

from situs.analysis import DEFAULT_FLOORS
from situs.app.deep import WAITING, DeepTier
from situs.core.decision import PolicyDecision
from situs.core.fleet import LocusKind, TrainingUse
from situs.core.heads import FindsNames, Guess, Heads
from situs.core.label import Finding, Label
from situs.core.snapshot import Labels, Policy, Snapshot
from situs.decide import decide, deciding
from situs.rego.embedded import load
from situs.rego.library import shipped

SHIPPED = load((shipped(),))
TRAINS = make.locus("cloud", LocusKind.PUBLIC_CLOUD, training_use=TrainingUse.UNKNOWN)
CLOUD = make.view(
    make.deployment("home", locus=make.locus("home", LocusKind.ON_PREM)),
    make.deployment("cloud", locus=TRAINS),
)
HOME = replace(
    make.view(make.deployment("home", locus=make.locus("home", LocusKind.ON_PREM))), digest="home"
)


class Names:
    """Finds Ada, and remembers how often it was asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self, texts):
        self.asked += 1
        return [
            Finding("person", part, text.index("Ada"), text.index("Ada") + 3, 0.9, "names")
            for part, text in enumerate(texts)
            if "Ada" in text
        ]


def snapshot(fleet=CLOUD, policy=SHIPPED, floors=DEFAULT_FLOORS, **heads):
    return Snapshot(fleet, policy, Labels(dict(floors)), home="AU", heads=Heads(**heads))


def reading(*fields):
    """A policy that allows all, and reads these fields."""
    names = [deployment.name for deployment in CLOUD.deployments]
    return Policy(lambda _: {"allow": names, "deny": []}, "p", frozenset(fields))


def test_names_are_found_where_they_close_a_place():
    names = Names()
    found = decide(make.request("Write to Ada."), snapshot(names=names), 0.0)
    assert found.analysis.label is Label.INTERNAL
    assert found.policy.allowed == ("home",)
    assert [one.kind for one in found.analysis.findings] == ["person"]
    assert found.analysis.tiers["names"] == "fast"


@pytest.mark.parametrize(
    ("text", "fleet", "policy"),
    [
        ("Write to Ada.", HOME, SHIPPED),  # every place is equal
        ("Write to Ada. Card 4111 1111 1111 1111.", CLOUD, SHIPPED),  # the label is higher anyway
        ("Write to Ada.", CLOUD, reading("deployments")),  # the policy does not ask
    ],
)
def test_names_are_not_looked_for_where_they_change_nothing(text, fleet, policy):
    names = Names()
    found = decide(make.request(text), snapshot(fleet, policy, names=names), 0.0)
    assert names.asked == 0
    assert found.analysis.tiers["names"] == "skipped"
    looked = snapshot(fleet, policy, names=names, finds_names=FindsNames.ALWAYS)
    everything = decide(make.request(text), looked, 0.0)
    assert names.asked == 1
    assert everything.policy == found.policy
    assert everything.placement == found.placement


@pytest.mark.parametrize("field", ["findings", "label_reasons"])
def test_a_policy_that_would_see_the_names_gets_them(field):
    names = Names()
    decide(make.request("Write to Ada."), snapshot(policy=reading(field), names=names), 0.0)
    assert names.asked == 1


def test_names_are_never_looked_for_where_they_are_switched_off():
    names = Names()
    off = snapshot(names=names, finds_names=FindsNames.NEVER)
    found = decide(make.request("Write to Ada."), off, 0.0)
    assert (names.asked, found.analysis.label) == (0, Label.PUBLIC)
    assert "names" not in found.analysis.tiers


def test_a_name_within_a_finding_of_the_first_tier_is_none():
    text = "Write to Ada@example.org."
    found = decide(
        make.request(text), snapshot(HOME, names=Names(), finds_names=FindsNames.ALWAYS), 0.0
    )
    assert [one.kind for one in found.analysis.findings] == ["email"]


def test_a_given_verdict_is_not_asked_for_again():
    names = Names()
    verdict = PolicyDecision(("home",), (), (), "p")
    found = decide(make.request("Ada"), snapshot(names=names), 0.0, verdict=verdict)
    assert found.policy is verdict
    assert names.asked == 0


# The deep tier


def task(seen, vector):
    return Guess("code", 0.9) if vector is not None else Guess("chat", 0.3, unsure=True)


def test_what_is_unsure_is_asked_of_the_deep_tier():
    found = decide(make.request("Hm."), snapshot(task=task, encode=lambda texts: [[1.0]]), 0.0)
    assert (found.analysis.task, found.analysis.task_probability) == ("code", 0.9)
    assert found.analysis.tiers["task"] == "deep"


def test_without_the_deep_tier_the_fast_answer_stands():
    work = deciding(make.request("Hm."), snapshot(task=task, encode=lambda texts: [[1.0]]), 0.0)
    first = next(work)
    deep = work.send(first.run())
    assert (first.deep, deep.deep) == (False, True)
    with pytest.raises(StopIteration) as done:
        work.send(None)
    analysis = done.value.value.analysis
    assert (analysis.task, analysis.tiers["task"]) == ("chat", "shed")


def test_the_deep_tier_keeps_no_more_waiting_than_it_says():
    gate = threading.Event()

    async def story():
        tier = DeepTier()
        tier.budget_s = 30.0
        kept = [asyncio.create_task(tier(lambda: gate.wait(30))) for _ in range(1 + WAITING)]
        await asyncio.sleep(0)
        refused = await tier(lambda: "one too many")
        gate.set()
        served = await asyncio.gather(*kept)
        tier.close()
        return refused, served

    assert asyncio.run(story()) == (None, [True] * (1 + WAITING))


def test_the_deep_tier_gives_up_on_what_is_late_and_what_has_begun_goes_on():
    gate, ended = threading.Event(), threading.Event()

    def load():
        gate.wait(30)
        ended.set()

    async def story():
        tier = DeepTier()
        tier.budget_s = 0.01
        late = await tier(load)
        gate.set()
        await asyncio.to_thread(ended.wait, 30)
        tier.budget_s = 30.0
        served = await tier(lambda: "served")
        tier.close()
        return late, served

    assert asyncio.run(story()) == (None, "served")
    assert ended.is_set()


def test_the_deep_tier_uses_what_the_event_loop_leaves():
    """Each piece of work takes a tenth of a second of the processor; the clock is ours."""
    now = [100.0]

    def work():
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        return True

    async def served(tier, seconds):
        now[0] += seconds
        return sum([await tier(work) is not None for _ in range(20)])

    async def story():
        tier = DeepTier(lambda: now[0])
        tier.budget_s = 30.0
        at_first, at_once = await served(tier, 0), await served(tier, 0)
        tier.leave_room(0.1)
        idle = await served(tier, 100)
        tier.leave_room(5.0)
        busy = await served(tier, 1)
        tier.close()
        return at_first, at_once, idle, busy

    at_first, at_once, idle, busy = asyncio.run(story())
    assert 1 <= at_first <= 3  # a burst
    assert (at_once, busy) == (0, 0)
    assert 1 <= idle <= 3  # no more is saved than a burst


def test_a_failure_of_the_deep_tier_is_no_failure_of_the_request(caplog):
    def fails():
        raise RuntimeError("canary of the text")

    async def story():
        tier = DeepTier()
        tier.budget_s = 30.0
        found = await tier(fails), await tier(lambda: 2)
        tier.close()
        return found

    assert asyncio.run(story()) == (None, 2)
    assert "RuntimeError" in caplog.text
    assert "canary" not in caplog.text


# In haste


def through(work):
    """What `deciding` comes to with all its work done."""
    try:
        given = next(work)
        while True:
            given = work.send(given.run())
    except StopIteration as done:
        return done.value


def test_in_haste_a_rule_says_the_task_and_names_are_still_looked_for():
    names = Names()
    heads = snapshot(HOME, names=names, task=task, finds_names=FindsNames.ALWAYS)
    analysis = through(deciding(make.request("Ask Ada."), heads, 0.0, hurried=True)).analysis
    assert (analysis.tiers["task"], analysis.task_probability) == ("shed", None)
    assert (names.asked, analysis.tiers["names"]) == (1, "fast")


def test_where_a_rule_says_the_task_anyway_haste_leaves_nothing_out():
    without = through(deciding(make.request("Hm."), snapshot(), 0.0, hurried=True)).analysis
    assert without.tiers["task"] == "rule"
    asked = make.request("Hm.", tools=True)
    shaped = through(deciding(asked, snapshot(task=task), 0.0, hurried=True)).analysis
    assert shaped.tiers["task"] == "rule"
