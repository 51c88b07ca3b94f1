"""Whether requests are decided in haste: the event loop has as much to do as a core can."""

from __future__ import annotations

FROM, UNTIL = 0.75, 0.4
"""Of a core: from so busy on rules stand in for learned heads, until it is so busy. The heads about
double what a request costs, so what ends the haste does not begin it again."""


class Haste:
    """Told once a second how busy the loop was, says whether there is time for learned heads."""

    def __init__(self) -> None:
        self._on = False

    def __call__(self) -> bool:
        return self._on

    def tell(self, busy: float) -> None:
        """The event loop used `busy` of a core lately."""
        self._on = busy >= (UNTIL if self._on else FROM)
