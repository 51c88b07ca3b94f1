"""However workers, crashes, lost messages and clocks interleave: never more than the limit."""

from __future__ import annotations

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

    def deliver(self, place):
        if self.under_way:
            name, report = self.under_way.pop(place % len(self.under_way))
            if name in self.workers:
                now = max(0.0, self.true - self.step)
                self.granted.append((name, self.authority.settle(name, report, now)))

    def answer(self, place, lost):
        if self.granted:
            name, grant = self.granted.pop(place % len(self.granted))
            if name in self.workers and not lost:
                self.workers[name].granted(KEY, grant, self.true)

    def second(self, name, skew):
        for report in self.workers[name].due(self.true + skew):
            self.under_way.append((name, report))

    def crash(self, name):
        del self.workers[name]
        self.authority.gone(name, max(0.0, self.true - self.step))

    def most_in_a_window(self):
        return max(
            (
                sum(start <= at < start + WINDOW_S for at in self.admitted)
                for start in self.admitted
            ),
            default=0,
        )


PLACE = st.integers(0, 3)
SKEW = st.sampled_from([0.0, 0.0, -30.0, 30.0, 300.0])
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("request"), PLACE, SKEW),
        st.tuples(st.just("request"), PLACE, SKEW),
        st.tuples(st.just("deliver"), PLACE, SKEW),
        st.tuples(st.just("answer"), PLACE, st.booleans()),
        st.tuples(st.just("answer"), PLACE, st.just(False)),
        st.tuples(st.just("second"), PLACE, SKEW),
        st.tuples(st.just("crash"), PLACE, SKEW),
        st.tuples(st.just("pass"), st.sampled_from([0.01, 0.7, 5.0, 29.0, 59.9, 60.0]), SKEW),
        st.tuples(st.just("back"), st.sampled_from([0.5, 20.0, 100.0]), SKEW),
    ),
    max_size=200,
)


def play(world, events):
    for what, value, more in events:
        if what == "request":
            world.request(world.worker(value), more)
        elif what == "deliver":
            world.deliver(value)
        elif what == "answer":
            world.answer(value, more is True)
        elif what == "second":
            world.second(world.worker(value), more)
        elif what == "crash":
            world.crash(world.worker(value))
        elif what == "pass":
            world.true += value
        else:
            world.step += value


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 45), EVENTS)
def test_no_window_ever_sees_more_than_the_limit(limit, events):
    world = World(limit)
    play(world, events)
    assert world.most_in_a_window() <= limit


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), EVENTS)
def test_everything_comes_back_when_all_have_been_quiet(limit, events):
    """What was lost with a grant or a worker lapses; nothing is lost for ever."""
    world = World(limit)
    play(world, events)
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
