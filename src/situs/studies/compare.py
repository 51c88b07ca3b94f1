"""Before and after: the figures of two heads on the same rows, and how sure the difference is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from msgspec import Struct

from situs.studies.metrics import Picks, bootstrap_interval

Figure = Callable[[Picks], float | None]
"""A figure over some of the rows held back."""

ROUNDS = 400


class Compared(Struct, frozen=True):
    """One figure. Intervals are 95 % of bootstrap samples; that of the difference is paired.

    `before` is None where nothing answered before.
    """

    name: str
    before: float | None
    after: float | None
    before_interval: tuple[float, float] | None
    after_interval: tuple[float, float] | None
    difference: tuple[float, float] | None


def compare(
    size: int, before: Mapping[str, Figure] | None, after: Mapping[str, Figure]
) -> list[Compared]:
    """Each figure of `after` over `size` rows, beside that of `before`."""
    every = np.arange(size)
    return [
        _one(name, size, None if before is None else before[name], figure, every)
        for name, figure in after.items()
    ]


def _one(name: str, size: int, before: Figure | None, after: Figure, every: Picks) -> Compared:
    def gain(picks: Picks) -> float | None:
        old = None if before is None else before(picks)
        new = after(picks)
        return None if old is None or new is None else new - old

    return Compared(
        name=name,
        before=None if before is None else before(every),
        after=after(every),
        before_interval=None if before is None else _interval(size, before),
        after_interval=_interval(size, after),
        difference=None if before is None else _interval(size, gain),
    )


def _interval(size: int, figure: Figure) -> tuple[float, float] | None:
    return bootstrap_interval(size, figure, rounds=ROUNDS)
