"""How long an answer was, and what was learned of how long answers are."""

from __future__ import annotations

from msgspec import Struct

from situs.core.record import Usage

HIDDEN_A_SECOND = 20_000
"""No place thinks so many tokens a second; what it thinks need not be shown."""

UNSENT = 20_000
"""Tokens of a prompt that a place may add to what was sent: templates, images by their address."""


def possible(usage: Usage, sent: int, came: int, took_s: float, most: int | None) -> Usage:
    """What of a reported usage can be: that is learned from, while what was reported is paid.

    A token is a byte at least. Of the prompt `sent` bytes and `UNSENT`; of the answer the bytes
    that `came`, and what was thought meanwhile, which is `most` tokens where the request says so.
    """
    hidden = int(took_s * HIDDEN_A_SECOND)
    hidden = hidden if most is None else min(hidden, most)
    prompt = min(usage.prompt_tokens, sent + UNSENT)
    completion = min(usage.completion_tokens, came + hidden)
    if prompt == usage.prompt_tokens and completion == usage.completion_tokens:
        return usage
    return Usage(prompt, completion, min(usage.cached_prompt_tokens, prompt))


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
