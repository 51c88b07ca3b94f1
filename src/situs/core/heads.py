"""What was learned from data, as functions of a text, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from situs.core.label import Finding

Encode = Callable[[Sequence[str]], Any]
"""The deep tier: texts in, one unit vector each (float32, texts x dimensions) out."""


class FindsNames(StrEnum):
    """When the names tier runs: where its outcome can change the decision, always, or never."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Guess(Struct, frozen=True):
    """What a head says. `probability` is calibrated; below the head's threshold it is `unsure`."""

    name: str
    probability: float
    unsure: bool = False


class Span(Struct, frozen=True):
    """An expected number with the bounds between which it lies four times out of five."""

    low: float
    expected: float
    high: float


class Seen:
    """A text as heads see it; `analysis.features.see` makes it.

    `text` is what was read of it: all, or head, windows and tail of a long one (`whole` says
    which). The others are arrays of 32-bit hashes, computed when first asked for: `words` in
    order, `pairs` of neighbours, `pieces` all runs of 3, 4 and 5 bytes. `kept` is for what several
    heads compute from it.
    """

    def __init__(
        self, text: str, whole: bool, hashed: Callable[[str], tuple[Any, Any, Any]]
    ) -> None:
        self.text = text
        self.whole = whole
        self.kept: dict[str, Any] = {}
        self._hashed = hashed

    @cached_property
    def _hashes(self) -> tuple[Any, Any, Any]:
        return self._hashed(self.text)

    @property
    def words(self) -> Any:
        return self._hashes[0]

    @property
    def pairs(self) -> Any:
        return self._hashes[1]

    @property
    def pieces(self) -> tuple[Any, Any, Any]:
        found: tuple[Any, Any, Any] = self._hashes[2]
        return found


class Ground(Struct, frozen=True):
    """What comparing texts with samples stands on, whatever the routes are.

    `gist` gives a text's vector from a static table in microseconds: about where `encode` would
    point, in other dimensions. `ordinary` are texts of no route in particular, `vectors` those of
    them that are known already.
    """

    gist: Callable[[Seen], Any] | None = None
    ordinary: tuple[str, ...] = ()
    vectors: dict[str, Any] = {}


NO_GROUND = Ground()


class Heads(Struct, frozen=True):
    """The functions; None where there is none: then a rule answers, or nobody.

    `task` says a text's task, better with the text's vector. For a text and its task, `complexity`
    says the capability class that will do and `length` the tokens of the answer. `names` finds
    persons, addresses and organisations (`name_kinds`) in the texts of a request. `tokens` counts
    those of UTF-8 text for families of models, `capable` says how probable an acceptable answer of
    a model is; `acceptable` says so of the models of the fleet, or nothing where it is unsure.
    `encode` is the deep tier, `routes` what those stand on. `digests` names the artefacts.
    `hurried`: some are left out for want of time.
    """

    task: Callable[[Seen, Any | None], Guess] | None = None
    complexity: Callable[[Seen, str], Guess] | None = None
    length: Callable[[Seen, str], Span] | None = None
    names: Callable[[Sequence[str]], list[Finding]] | None = None
    tokens: Callable[[bytes, Sequence[str]], list[float]] | None = None
    capable: Callable[[Seen, str], Guess] | None = None
    acceptable: Callable[[Seen], dict[str, float]] | None = None
    encode: Encode | None = None
    routes: Ground = NO_GROUND
    finds_names: FindsNames = FindsNames.AUTO
    name_kinds: tuple[str, ...] = ("person", "address", "organisation")
    digests: dict[str, str] = {}
    hurried: bool = False

    def in_haste(self) -> Heads:
        """Without those that rules can stand in for: what a request costs is about halved."""
        known = self.task is not None
        return replace(
            self,
            task=None,
            complexity=None,
            length=None,
            tokens=None,
            acceptable=None,
            hurried=known,
        )


NO_HEADS = Heads()
