"""What all requests together may spend on second attempts."""

from __future__ import annotations

from collections.abc import Callable


class Budget:
    """A bucket: every request puts a share of one in, every second attempt takes one out.

    So second attempts never exceed that share of the requests, but for `least_per_s` that are
    always there. `most` is what may be saved up. Source: Finagle's RetryBudget.
    """

    def __init__(
        self, clock: Callable[[], float], share: float, least_per_s: float = 0.0, most: float = 100
    ) -> None:
        self._clock = clock
        self._share = share
        self._least_per_s = least_per_s
        self._most = most
        self._left = most
        self._at = clock()

    def earn(self) -> None:
        """A request has come."""
        self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        """Takes one; False when there is none."""
        now = self._clock()
        earned = (now - self._at) * self._least_per_s
        self._at, self._left = now, min(self._most, self._left + earned)
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Budgets:
    """Those of one process: one request in five may be tried again, one in ten asked twice."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.retries = Budget(clock, 0.2, least_per_s=10)
        self.hedges = Budget(clock, 0.1, most=10)

    def earn(self) -> None:
        self.retries.earn()
        self.hedges.earn()
