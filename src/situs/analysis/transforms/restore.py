"""Gives originals back for pseudonyms, in a text that arrives in pieces."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from situs.analysis.transforms.swap import Pair, Swapper, Swaps

RESTORED = "restored"


class Restoration(Struct, frozen=True):
    """What each pseudonym of one request stands for. Never logged, never stored."""

    swaps: Swaps

    def __repr__(self) -> str:
        return f"Restoration({len(self.swaps)} texts)"

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> Restoration:
        """The way back from what `pairs` put in place."""
        back = (replace(one, there=one.here, here=one.there, why=RESTORED) for one in pairs)
        return cls(Swaps(back))

    @property
    def longest(self) -> int:
        """Characters of the longest pseudonym: more is never held back."""
        return self.swaps.longest

    def back(self, text: str, source: bool = False) -> str:
        """A whole text at once; `source` says that it is JSON source."""
        return self.swaps.swapped(text, source=source)


class Restorer:
    """One text on its way to the caller; see `dispatch.mend.Filter`.

    With `json` the text is JSON source: escapes in it are read, and originals are escaped.
    """

    def __init__(self, restoration: Restoration, *, json: bool = False) -> None:
        self._swapper = Swapper(restoration.swaps, source=json)

    def feed(self, text: str) -> str:
        return self._swapper.feed(text)

    def close(self) -> str:
        return self._swapper.close()

    @property
    def applied(self) -> dict[str, int]:
        return dict(self._swapper.counts)
