"""Requests per minute of a key, shared by several processes and never exceeded by all together.

An authority (the parent) leases portions of each key's limit; a worker takes from its portion
with no more than a subtraction. What a worker holds counts as used until it says otherwise or is
gone, so no clock of a worker matters. What it used counts for a whole window from when it said so.
Hence in any window of the authority's clock no more than the limit is admitted, whatever was lost
or late. The price: near the limit a worker may refuse while another still holds some, for about a
second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from msgspec import Struct

WINDOW_S = 60.0
IDLE_S = 1.0
"""A portion that nothing was taken from for so long is handed back."""

_PORTIONS = 20
"""A portion is at most this part of the limit, so that no worker holds much that another lacks."""


class Report(Struct, frozen=True):
    """From a worker: since its last report it used this many of what it holds, gives back these."""

    key: str
    used: int
    back: int = 0
    more: bool = False


class Grant(Struct, frozen=True):
    """From the authority: `portion` more may be used, `left` are still to be had.

    `retry_after_s` is when there is something again, if `portion` is 0; `reset_s` is when the whole
    limit is free again if nobody asks meanwhile.
    """

    portion: int = 0
    left: int = 0
    retry_after_s: float = 0.0
    reset_s: float = 0.0


class _Shared:
    """One key at the authority: who holds how much, and what was used when."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self.used: deque[tuple[float, int]] = deque()

    def lapse(self, now: float) -> None:
        while self.used and self.used[0][0] + WINDOW_S <= now:
            self.used.popleft()

    def charge(self, count: int, now: float) -> None:
        if count <= 0:
            return
        if self.used and self.used[-1][0] == now:
            count += self.used.pop()[1]
        self.used.append((now, count))

    def give_up(self, worker: str, count: int) -> int:
        """Takes so many from what the worker holds, at most all of it; how many those were."""
        held = self.held.get(worker, 0)
        count = min(count, held)
        if held - count:
            self.held[worker] = held - count
        else:
            self.held.pop(worker, None)
        return count

    def free(self, limit: int) -> int:
        return max(0, limit - sum(self.held.values()) - sum(count for _, count in self.used))


class Authority:
    """Owns the limits and what is leased of them.

    `now` is monotonic seconds; should it run back, what was used before counts longer.
    """

    def __init__(self, limits: Mapping[str, int] | None = None) -> None:
        self._limits = dict(limits or {})
        self._keys: dict[str, _Shared] = {}

    def publish(self, limits: Mapping[str, int]) -> None:
        """From now on these hold. What is used and held already stays so."""
        self._limits = dict(limits)
        for key, shared in list(self._keys.items()):
            if key not in limits and not (shared.held or shared.used):
                del self._keys[key]

    def settle(self, worker: str, report: Report, now: float) -> Grant:
        """Takes a report and, where it asks for more, leases what is free.

        A worker is named by a word that no other has had since the authority began.
        """
        limit = self._limits.get(report.key, 0)
        if limit == 0 and report.key not in self._keys:
            return Grant(retry_after_s=WINDOW_S)
        shared = self._keys.setdefault(report.key, _Shared())
        shared.lapse(now)
        shared.charge(shared.give_up(worker, report.used), now)
        shared.give_up(worker, report.back)
        free = shared.free(limit)
        portion = min(free, max(1, limit // _PORTIONS)) if report.more else 0
        if portion:
            shared.held[worker] = shared.held.get(worker, 0) + portion
        reset_s = shared.used[-1][0] + WINDOW_S - now if shared.used else 0.0
        retry_after_s = shared.used[0][0] + WINDOW_S - now if shared.used else IDLE_S
        if shared.held:
            reset_s = WINDOW_S
            retry_after_s = min(retry_after_s, IDLE_S) if free == 0 else retry_after_s
        return Grant(portion, free - portion, 0.0 if portion else retry_after_s, reset_s)

    def gone(self, worker: str, now: float) -> None:
        """The worker's process has ended: all that it held may have been used up to now."""
        for shared in self._keys.values():
            shared.lapse(now)
            shared.charge(shared.held.pop(worker, 0), now)


class _Portion:
    """One key at a worker."""

    def __init__(self) -> None:
        self.held = 0
        self.used = 0
        self.touched = 0.0
        self.none_until = 0.0
        self.grant = Grant()
        self.granted_at = 0.0


class Left(Struct, frozen=True):
    """What a caller may be told: still to be had, and in how many seconds all of it."""

    remaining: int
    reset_s: float
    retry_after_s: float


class Allowance:
    """Owns what one worker holds of every key. `now` is the worker's monotonic seconds.

    A report that was made must arrive, or the worker be gone: what it says is forgotten here.
    """

    def __init__(self) -> None:
        self._keys: dict[str, _Portion] = {}

    def take(self, key: str, now: float) -> bool:
        """One request, from what is held. False: ask the authority for more."""
        portion = self._keys.get(key)
        if portion is None or portion.held == 0:
            return False
        portion.held -= 1
        portion.used += 1
        portion.touched = now
        return True

    def exhausted(self, key: str, now: float) -> bool:
        """The authority had nothing a moment ago; it need not be asked again yet."""
        portion = self._keys.get(key)
        return portion is not None and portion.none_until - IDLE_S <= now < portion.none_until

    def ask(self, key: str) -> Report:
        """The report that asks for more of one key."""
        portion = self._keys.setdefault(key, _Portion())
        used, portion.used = portion.used, 0
        return Report(key, used, more=True)

    def granted(self, key: str, grant: Grant, now: float) -> None:
        portion = self._keys.setdefault(key, _Portion())
        portion.held += grant.portion
        portion.touched = portion.granted_at = now
        portion.grant = grant
        portion.none_until = 0.0 if grant.portion else now + min(grant.retry_after_s, IDLE_S)

    def due(self, now: float) -> list[Report]:
        """What to report every second: what was used, and what idles. Forgets idle keys."""
        reports = []
        for key, portion in list(self._keys.items()):
            idle = not 0 <= now - portion.touched < IDLE_S
            back = portion.held if idle else 0
            if portion.used or back:
                reports.append(Report(key, portion.used, back))
            portion.used = 0
            portion.held -= back
            if idle and now >= portion.none_until:
                del self._keys[key]
        return reports

    @property
    def empty(self) -> bool:
        """Nothing is held and nothing is to be reported."""
        return not self._keys

    def left(self, key: str, now: float) -> Left:
        portion = self._keys.get(key) or _Portion()
        passed = max(0.0, now - portion.granted_at)
        return Left(
            remaining=portion.held + portion.grant.left,
            reset_s=max(0.0, portion.grant.reset_s - passed),
            retry_after_s=max(0.0, portion.grant.retry_after_s - passed),
        )
