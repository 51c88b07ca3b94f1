"""The state table of a breaker: what opens it, for how long, and how it closes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.core.fleet import Health
from situs.core.record import End
from situs.fleet.breaker import Breaker, Phase, at, closed, ejected, ended, limited, opened, probed

KEY = b"a"
ENDS = st.sampled_from(End)


def after(*ends, breaker=None, now=0.0):
    breaker = breaker or Breaker()
    for end in ends:
        breaker = ended(breaker, end, now, KEY)
    return breaker


@pytest.mark.parametrize(
    ("ends", "phase", "health", "why"),
    [
        ((), "closed", "unknown", ""),
        (("complete",), "closed", "healthy", ""),
        (("refused",), "closed", "healthy", ""),
        (("unsure",), "closed", "healthy", ""),
        (("client_gone",) * 5, "closed", "unknown", ""),
        (("outrun",) * 5, "closed", "unknown", ""),
        (("deadline",) * 5, "closed", "unknown", ""),
        (("truncated",) * 5, "closed", "unknown", ""),
        (("server_error",) * 2, "closed", "unknown", ""),
        (("server_error",) * 3, "open", "unhealthy", "server_error"),
        (("stalled", "cut", "timeout"), "open", "unhealthy", "timeout"),
        (("timeout", "timeout", "complete", "timeout", "timeout"), "closed", "healthy", ""),
        (("unreachable",), "open", "unhealthy", "unreachable"),
        (("rate_limited",), "open", "limited", "rate_limited"),
        (("complete", "server_error") * 10, "open", "unhealthy", "error_rate"),
        (("complete", "complete", "server_error") * 10, "closed", "healthy", ""),
        (("unreachable", "complete"), "open", "unhealthy", "unreachable"),
        (("unreachable", "rate_limited"), "open", "unhealthy", "unreachable"),
    ],
)
def test_what_requests_do_to_a_breaker(ends, phase, health, why):
    breaker = after(*map(End, ends))
    assert (breaker.phase, breaker.health) == (Phase(phase), Health(health))
    if phase == "open":
        assert breaker.why == why


@pytest.mark.parametrize(
    ("end", "phase"),
    [("complete", "closed"), ("server_error", "open"), ("client_gone", "half_open")],
)
def test_one_request_decides_what_becomes_of_a_half_open_one(end, phase):
    breaker = after(End.UNREACHABLE)
    half = at(breaker, breaker.until)
    assert (half.phase, half.health) == (Phase.HALF_OPEN, Health.STALE)
    assert ended(half, End(end), breaker.until, KEY).phase is Phase(phase)


def open_for(times, well_s=None, end=End.TIMEOUT):
    """How long it is open each time it fails: as soon as it may be tried, or `well_s` later."""
    breaker, now = Breaker(), 0.0
    for _ in range(times):
        for _ in range(3 if breaker.phase is Phase.CLOSED else 1):
            breaker = ended(at(breaker, now), end, now, KEY)
        yield breaker.until - now
        now = breaker.until
        if well_s is not None:
            breaker = ended(at(breaker, now), End.COMPLETE, now, KEY)
            now += well_s


def test_the_time_doubles_up_to_a_minute():
    for place, seconds in enumerate(open_for(12)):
        least = min(2.0 * 2**place, 60.0)
        assert least <= seconds <= 1.25 * least


def test_what_cannot_be_reached_is_looked_at_again_soon():
    assert max(open_for(12, end=End.UNREACHABLE)) <= 12.5


@pytest.mark.parametrize(("well_s", "most"), [(11.0, 2.5), (9.0, 40.0)])
def test_only_who_is_well_for_a_while_is_forgiven(well_s, most):
    assert most / 2 < max(open_for(5, well_s)) <= most


@pytest.mark.parametrize(("well_s", "again"), [(31.0, True), (33.0, False)])
def test_who_was_shut_for_long_must_be_well_for_as_long(well_s, again):
    breaker, now = Breaker(), 0.0
    for _ in range(5):  # 2, 4, 8, 16, 32 seconds
        for _ in range(3 if breaker.phase is Phase.CLOSED else 1):
            breaker = ended(at(breaker, now), End.TIMEOUT, now, KEY)
        now = breaker.until
    breaker = ended(at(breaker, now), End.COMPLETE, now, KEY)
    for _ in range(3):
        breaker = ended(breaker, End.TIMEOUT, now + well_s, KEY)
    assert (breaker.until - now - well_s > 32.0) is again


def test_processes_do_not_come_again_at_once():
    breakers = [ended(Breaker(), End.UNREACHABLE, 0.0, key) for key in (b"a\x000", b"a\x001")]
    assert breakers[0].until != breakers[1].until


def test_errors_of_long_ago_do_not_count():
    breaker = after(*[End.SERVER_ERROR, End.COMPLETE] * 9)
    assert after(End.COMPLETE, End.SERVER_ERROR, breaker=breaker).phase is Phase.OPEN
    later = after(End.COMPLETE, End.SERVER_ERROR, breaker=breaker, now=300.0)
    assert later.phase is Phase.CLOSED


def test_a_limit_holds_as_long_as_it_says_and_is_no_failure():
    breaker = limited(after(End.COMPLETE), 5.0, KEY, 30.0)
    assert (breaker.health, breaker.until, breaker.failures) == (Health.LIMITED, 35.0, 0)
    assert limited(breaker, 6.0, KEY, 10.0).until == 35.0
    assert limited(breaker, 6.0, KEY, 60.0).until == 66.0
    assert at(breaker, 35.0).health is Health.STALE


def test_limits_that_say_nothing_grow():
    breaker = after(End.RATE_LIMITED)
    assert 1.0 <= breaker.until <= 1.25
    again = ended(at(breaker, breaker.until), End.RATE_LIMITED, breaker.until, KEY)
    assert 2.0 <= again.until - breaker.until <= 2.5


@pytest.mark.parametrize(
    ("breaker", "well", "phase"),
    [
        (Breaker(), True, "closed"),
        (Breaker(), False, "open"),
        (after(End.UNREACHABLE), True, "closed"),
        (after(End.UNREACHABLE), False, "open"),
        (after(*[End.SERVER_ERROR] * 3), True, "open"),
        (at(after(*[End.SERVER_ERROR] * 3), 9.0), True, "closed"),
        (at(after(*[End.SERVER_ERROR] * 3), 9.0), False, "open"),
        (ejected(Breaker(), "latency", 0.0, KEY), True, "open"),
        (after(End.RATE_LIMITED), True, "open"),
    ],
)
def test_what_probes_do_to_a_breaker(breaker, well, phase):
    assert probed(breaker, well, 9.0, KEY).phase is Phase(phase)


def test_what_broke_off_and_then_cannot_be_reached_is_well_when_it_answers_again():
    """A server that was killed: what was on its way is cut, then nobody is there, then it is."""
    killed = after(*[End.CUT] * 3)
    assert probed(killed, True, 1.0, KEY).phase is Phase.OPEN
    gone = probed(killed, False, 1.0, KEY)
    assert (gone.phase, gone.until) == (Phase.OPEN, killed.until)
    assert probed(gone, True, 1.5, KEY).health is Health.HEALTHY
    limited_ = after(End.RATE_LIMITED)
    assert probed(limited_, False, 0.5, KEY) == limited_


def test_a_probe_makes_what_was_never_tried_healthy():
    assert probed(Breaker(), True, 1.0, KEY).health is Health.HEALTHY


@given(st.lists(st.tuples(ENDS | st.none(), st.floats(0, 200)), max_size=40))
def test_any_story_keeps_the_table_sound(story):
    """An open one is never passed before its time, and phase and health say the same."""
    breaker, now = Breaker(), 0.0
    for end, pause_s in story:
        now += pause_s
        former, breaker = breaker, at(breaker, now)
        if former.phase is Phase.OPEN and now < former.until:
            assert breaker is former
        breaker = closed(breaker, now) if end is None else ended(breaker, end, now, KEY)
        shut = {Health.UNHEALTHY, Health.EJECTED, Health.LIMITED}
        assert (breaker.phase is Phase.OPEN) == (breaker.health in shut)
        assert (breaker.phase is Phase.HALF_OPEN) == (breaker.health is Health.STALE)
        assert breaker.phase is not Phase.OPEN or breaker.until <= now + 75.0
        assert 0 <= breaker.failed <= breaker.asked + 1e-9


def test_opening_names_its_reason():
    assert opened(Breaker(), "error_rate", 0.0, KEY).why == "error_rate"
