"""However workers, crashes, lost messages and clocks interleave: never more than the limit."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.trust.allowance import IDLE_S, WINDOW_S, Allowance, Authority, Grant, Report

KEY = "k"


class World:
    """Workers around an authority; `true` is real time, what anyone reads may differ."""

    def __init__(self, limit):
        self.limit = limit
        self.authority = Authority({KEY: limit})
        self.true = 0.0
        self.step = 0.0  # of the authority's clock, backwards
        self.born = 0
        self.workers: dict[str, Allowance] = {}
        self.admitted: list[float] = []
        self.under_way: list[tuple[str, Report]] = []
        self.granted: list[tuple[str, Grant]] = []

    def worker(self, place):
        names = list(self.workers)
        if len(names) <= place:
            self.born += 1
            names.append(f"w{self.born}")
            self.workers[names[-1]] = Allowance()
        return names[min(place, len(names) - 1)]

    def request(self, name, skew):
        allowance = self.workers[name]
        if allowance.take(KEY, self.true + skew):
            self.admitted.append(self.true)
        else:
            self.under_way.append((name, allowance.ask(KEY)))

    def serve(self, name, skew):
        """A request that waits for more, if it must, and gets it at once."""
        allowance = self.workers[name]
        if not allowance.take(KEY, self.true + skew):
            grant = self.authority.settle(name, allowance.ask(KEY), self.reading())
            allowance.granted(KEY, grant, self.true + skew)
            if not allowance.take(KEY, self.true + skew):
                return
        self.admitted.append(self.true)

    def reading(self):
        """The authority's clock, which is set back from time to time."""
        return self.true - self.step

    def deliver(self, place):
        if self.under_way:
            name, report = self.under_way.pop(place % len(self.under_way))
            if name in self.workers:
                grant = self.authority.settle(name, report, self.reading())
                self.granted.append((name, grant))

    def answer(self, place, lost):
        if self.granted:
            name, grant = self.granted.pop(place % len(self.granted))
            if name in self.workers and not lost:
                self.workers[name].granted(KEY, grant, self.true)

    def second(self, name, skew):
        for report in self.workers[name].due(self.true + skew):
            self.under_way.append((name, report))

    def tell(self, name, skew):
        """A second that passes at a worker, and what it reports arrives at once."""
        for report in self.workers[name].due(self.true + skew):
            self.authority.settle(name, report, self.reading())

    def crash(self, name):
        del self.workers[name]
        self.authority.gone(name, self.reading())

    def most_in_a_window(self):
        return max(
            (
                sum(start <= at < start + WINDOW_S for at in self.admitted)
                for start in self.admitted
            ),
            default=0,
        )


LIMITS = st.integers(1, 8) | st.integers(20, 45)
SKEWS = (0.0, 0.0, 0.0, 0.0, -30.0, 30.0, 300.0)
PAUSES = (0.01, 0.7, 5.0, 29.0, 59.9, 60.0)
WEIGHTS = {
    "serve": 20,
    "tell": 6,
    "pass": 6,
    "answer": 3,
    "request": 2,
    "deliver": 2,
    "second": 1,
    "crash": 1,
    "back": 1,
}


@st.composite
def histories(draw):
    """Long ones, which lists of Hypothesis seldom are."""
    random = Random(draw(st.integers(0, 1 << 32)))
    kinds = random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=200)
    return [(kind, random.randrange(3), random.choice(SKEWS)) for kind in kinds]


def play(world, history):
    for what, number, skew in history:
        if what == "request":
            world.request(world.worker(number), skew)
        elif what == "serve":
            world.serve(world.worker(number), skew)
        elif what == "deliver":
            world.deliver(number)
        elif what == "answer":
            world.answer(number, lost=skew == 300.0)
        elif what == "tell":
            world.tell(world.worker(number), skew)
        elif what == "second":
            world.second(world.worker(number), skew)
        elif what == "crash":
            world.crash(world.worker(number))
        elif what == "pass":
            world.true += PAUSES[number * 2 + (skew != 0.0)]
        else:
            world.step += (0.5, 5.0, 30.0)[number]


@settings(max_examples=300, deadline=None)
@given(LIMITS, histories())
def test_no_window_ever_sees_more_than_the_limit(limit, history):
    world = World(limit)
    play(world, history)
    assert world.most_in_a_window() <= limit


@settings(max_examples=60, deadline=None)
@given(LIMITS, histories())
def test_everything_comes_back_when_all_have_been_quiet(limit, history):
    """What was lost with a grant or a worker lapses; nothing is lost for ever."""
    world = World(limit)
    play(world, history)
    for name in list(world.workers):
        world.crash(name)
    world.true += world.step + 2 * WINDOW_S
    world.under_way.clear()
    served = 0
    allowance = Allowance()
    for _ in range(4 * limit):
        if allowance.take(KEY, world.true):
            served += 1
        else:
            grant = world.authority.settle("last", allowance.ask(KEY), world.true - world.step)
            allowance.granted(KEY, grant, world.true)
    assert served == limit


def ask(authority, allowance, now, worker="w"):
    grant = authority.settle(worker, allowance.ask(KEY), now)
    allowance.granted(KEY, grant, now)
    return grant


def admit(authority, allowance, now, worker="w"):
    if allowance.take(KEY, now):
        return True
    ask(authority, allowance, now, worker)
    return allowance.take(KEY, now)


@pytest.mark.parametrize("limit", [1, 2, 19, 60, 600])
def test_one_worker_gets_the_whole_limit_and_no_more(limit):
    authority, allowance = Authority({KEY: limit}), Allowance()
    assert sum(admit(authority, allowance, 0.0) for _ in range(limit + 50)) == limit


def test_a_refusal_says_when_there_is_something_again():
    authority, allowance = Authority({KEY: 2}), Allowance()
    assert admit(authority, allowance, 0.0)
    assert admit(authority, allowance, 10.0)
    assert not admit(authority, allowance, 20.0)
    left = allowance.left(KEY, 20.0)
    assert left.remaining == 0
    assert left.retry_after_s == pytest.approx(50.0)  # the first was told of at 10
    assert admit(authority, allowance, 70.0)


def test_what_is_left_counts_down():
    authority, allowance = Authority({KEY: 3}), Allowance()
    said = []
    for _ in range(3):
        assert admit(authority, allowance, 0.0)
        said.append(allowance.left(KEY, 0.0).remaining)
    assert said == [2, 1, 0]


def test_after_a_refusal_the_authority_is_left_alone_for_a_moment():
    authority, allowance = Authority({KEY: 1}), Allowance()
    assert admit(authority, allowance, 0.0)
    assert not admit(authority, allowance, 1.0)
    assert allowance.exhausted(KEY, 1.5)
    assert not allowance.exhausted(KEY, 1.0 + IDLE_S)
    assert not allowance.exhausted(KEY, 0.0 - 100)  # a clock that was set back refuses nobody


def test_what_idles_goes_to_the_worker_that_needs_it():
    authority, idle, busy = Authority({KEY: 100}), Allowance(), Allowance()
    assert admit(authority, idle, 0.0, "idle")  # holds four more
    for report in idle.due(2.0):
        authority.settle("idle", report, 2.0)
    assert idle.empty
    assert sum(admit(authority, busy, 2.0, "busy") for _ in range(200)) == 99


def test_what_a_worker_held_when_it_ended_counts_for_one_window():
    authority, dead, other = Authority({KEY: 1}), Allowance(), Allowance()
    assert admit(authority, dead, 0.0, "dead")
    authority.gone("dead", 5.0)
    assert not admit(authority, other, 64.9, "other")
    assert admit(authority, other, 66.0, "other")


def test_a_smaller_limit_holds_at_once():
    authority, allowance = Authority({KEY: 100}), Allowance()
    for _ in range(10):
        assert admit(authority, allowance, 0.0)
    authority.publish({KEY: 12})
    assert sum(admit(authority, allowance, 1.0) for _ in range(50)) == 2


def test_a_key_that_has_no_limit_leases_nothing():
    authority = Authority({KEY: 1})
    assert authority.settle("w", Report("other", 0, more=True), 0.0).portion == 0


def test_a_report_of_more_than_is_held_gives_nothing_back():
    authority = Authority({KEY: 5})
    authority.settle("w", Report(KEY, used=0, back=1000), 0.0)
    authority.settle("w", Report(KEY, used=0, back=1000), 0.0)
    allowance = Allowance()
    assert sum(admit(authority, allowance, 0.0) for _ in range(20)) == 5


def test_idle_keys_are_forgotten():
    authority, allowance = Authority({f"k{n}": 5 for n in range(50)}), Allowance()
    for n in range(50):
        grant = authority.settle("w", allowance.ask(f"k{n}"), 0.0)
        allowance.granted(f"k{n}", grant, 0.0)
    for report in allowance.due(5.0):
        authority.settle("w", report, 5.0)
    assert allowance.empty
