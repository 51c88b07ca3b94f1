"""How long an answer was, and what was learned of how long answers are."""

from __future__ import annotations

from msgspec import Struct


class Answered(Struct, frozen=True):
    """The tokens of one whole answer.

    `kind` is as `placement.quality.kind_of` has it. `by` is the key that asked; "": there are none.
    """

    model: str
    kind: str
    tokens: int
    by: str = ""


class Lengths(Struct, frozen=True):
    """`kinds` are the tokens of answers at a kind of request, and how much of that is known: 0
    (nothing) to 1. `models` say how many times as long those of a model are, by (model, kind); the
    kind may be `snapshot.ANY_KIND`.
    """

    kinds: dict[str, tuple[float, float]] = {}
    models: dict[tuple[str, str], float] = {}


NO_LENGTHS = Lengths()
