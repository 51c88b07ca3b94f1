"""When a deployment that fails is left alone, and how it comes back: a state table, pure.

    closed     requests go there. It opens after three failures in a row, when it cannot be reached
               at all, or when half of what it was lately asked failed (of twenty or more).
    open       nothing goes there until its time is up; then it is half open. The time doubles with
               each opening that follows another, up to a minute (ten seconds where it cannot be
               reached), and differs between processes.
    half_open  one request at a time goes there: if that is well it closes, if not it opens.

A deployment that says it is busy (429) is left alone for as long as it says; that is no failure.
So is one that is ejected (see `fleet.outliers`).
"""

from __future__ import annotations

from enum import StrEnum
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from situs.core.fleet import Health
from situs.core.record import NOT_ITS_FAULT, WELL, End

_AT_ONCE = frozenset({End.UNREACHABLE})
_IN_A_ROW = 3
_SHARE, _OF_AT_LEAST = 0.5, 20.0
_HALF_LIFE_S = 30.0
_OPEN_S, _LONGEST_S, _LONGEST_UNREACHABLE_S = 2.0, 60.0, 10.0
_EJECTED_S, _LONGEST_EJECTED_S = 30.0, 600.0
_LIMITED_S, _LONGEST_LIMITED_S = 1.0, 60.0
_JITTER = 0.25
_FORGIVEN_S = 10.0


class Phase(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker(Struct, frozen=True):
    """How one deployment has done. Times are those of a monotonic clock, in seconds.

    `health` is what it means for placement, `why` what it is due to. `failures` are those in a row,
    `tries` the openings in a row; `asked` and `failed` are counts that halve every half minute
    (`counted_at` says when they did last). `until` is when an open one may be tried again.
    """

    phase: Phase = Phase.CLOSED
    health: Health = Health.UNKNOWN
    why: str = ""
    since: float = 0.0
    until: float = 0.0
    failures: int = 0
    tries: int = 0
    asked: float = 0.0
    failed: float = 0.0
    counted_at: float = 0.0


def ended(
    breaker: Breaker, end: End, now: float, key: bytes, retry_after_s: float | None = None
) -> Breaker:
    """After one request. `key` names deployment and process: it spreads when they come again."""
    if end in NOT_ITS_FAULT:
        return breaker
    if end is End.RATE_LIMITED:
        return limited(breaker, now, key, retry_after_s)
    well = end in WELL
    asked, failed = _counts(breaker, now)
    counted = replace(
        breaker,
        asked=asked + 1.0,
        failed=failed + (not well),
        counted_at=now,
        failures=0 if well else breaker.failures + 1,
    )
    if breaker.phase is Phase.OPEN:  # it was sent before that
        return counted
    if well and breaker.phase is Phase.HALF_OPEN:
        return closed(counted, now)
    if well:
        return counted if breaker.health is Health.HEALTHY else _healthy(counted, now)
    why = _why(counted, end)
    return counted if why is None else opened(counted, why, now, key)


def opened(breaker: Breaker, why: str, now: float, key: bytes) -> Breaker:
    """Nothing goes there for a while; not for long where it costs little to look again."""
    longest_s = _LONGEST_UNREACHABLE_S if why == End.UNREACHABLE else _LONGEST_S
    return _shut(breaker, Health.UNHEALTHY, why, now, key, (_OPEN_S, longest_s))


def ejected(breaker: Breaker, why: str, now: float, key: bytes) -> Breaker:
    """Nothing goes there for a while: it answers, but others are far better."""
    return _shut(breaker, Health.EJECTED, why, now, key, (_EJECTED_S, _LONGEST_EJECTED_S))


def limited(breaker: Breaker, now: float, key: bytes, retry_after_s: float | None) -> Breaker:
    """Nothing goes there for as long as it says, or for a while that grows."""
    if breaker.phase is Phase.OPEN:  # it was sent before that
        if breaker.health is not Health.LIMITED or retry_after_s is None:
            return breaker
        return replace(breaker, until=max(breaker.until, now + retry_after_s))
    bounds = (_LIMITED_S, _LONGEST_LIMITED_S)
    shut = _shut(breaker, Health.LIMITED, End.RATE_LIMITED.value, now, key, bounds)
    return shut if retry_after_s is None else replace(shut, until=now + retry_after_s)


def closed(breaker: Breaker, now: float) -> Breaker:
    """It is well again; what failed before is forgotten, but for how often."""
    return replace(_healthy(breaker, now), asked=0.0, failed=0.0, failures=0)


def at(breaker: Breaker, now: float) -> Breaker:
    """As it is now: one whose time is up may be tried."""
    if breaker.phase is not Phase.OPEN or now < breaker.until:
        return breaker
    return replace(breaker, phase=Phase.HALF_OPEN, health=Health.STALE, since=now)


def probed(breaker: Breaker, well: bool, now: float, key: bytes) -> Breaker:
    """After a probe, which is no request: it may stand for the one that a half-open one is asked.

    One that could not be reached, by a request or since then by a probe, and now answers is well at
    once: it was started again. One that failed otherwise may fail again on real requests, so that
    its time must be up first.
    """
    if not well and breaker.phase is Phase.OPEN:
        down = breaker.health is Health.UNHEALTHY
        return replace(breaker, why=End.UNREACHABLE.value) if down else breaker
    if not well:
        return ended(breaker, End.UNREACHABLE, now, key)
    if breaker.phase is Phase.CLOSED:
        return breaker if breaker.health is Health.HEALTHY else _healthy(breaker, now)
    unreachable = breaker.health is Health.UNHEALTHY and breaker.why == End.UNREACHABLE
    return closed(breaker, now) if unreachable or breaker.phase is Phase.HALF_OPEN else breaker


def _healthy(breaker: Breaker, now: float) -> Breaker:
    return replace(breaker, phase=Phase.CLOSED, health=Health.HEALTHY, why="", since=now)


def _why(breaker: Breaker, end: End) -> str | None:
    """What it opens for, if it does."""
    if end in _AT_ONCE or breaker.phase is Phase.HALF_OPEN or breaker.failures >= _IN_A_ROW:
        return end.value
    often = breaker.asked >= _OF_AT_LEAST and breaker.failed >= _SHARE * breaker.asked
    return "error_rate" if often else None


def _shut(
    breaker: Breaker, health: Health, why: str, now: float, key: bytes, bounds: tuple[float, float]
) -> Breaker:
    """Open, for longer than the last time unless it was well for at least as long since then."""
    first_s, longest_s = bounds
    last_s = min(first_s * 2.0 ** (breaker.tries - 1), longest_s) if breaker.tries else 0.0
    well_s = now - max(breaker.since, breaker.until)
    again = breaker.tries and well_s < max(last_s, _FORGIVEN_S)
    tries = breaker.tries + 1 if again else 1
    shortest_s = min(first_s * 2.0 ** (tries - 1), longest_s)
    share = crc32(key, tries) / 2**32
    until = now + shortest_s * (1.0 + _JITTER * share)
    return replace(
        breaker,
        phase=Phase.OPEN,
        health=health,
        why=why,
        since=now,
        until=until,
        tries=tries,
        failures=0,
        asked=0.0,
        failed=0.0,
    )


def _counts(breaker: Breaker, now: float) -> tuple[float, float]:
    share = 0.5 ** ((now - breaker.counted_at) / _HALF_LIFE_S)
    return breaker.asked * share, breaker.failed * share
