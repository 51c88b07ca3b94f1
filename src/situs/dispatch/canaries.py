"""Canary tokens in what is about to leave: found is stopped, whatever policy said."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from situs.dispatch.attempt import Step

_encode = msgspec.json.Encoder().encode


def canaries_in(body: bytes, tokens: Sequence[bytes]) -> bool:
    """Whether any token stands in the body as it would leave, in any case of its letters.

    Tokens are lower-case ASCII without quotes or escapes, so JSON leaves them as they are. What is
    encoded otherwise (base64, split over messages) is not found.
    """
    if not tokens:
        return False
    lowered = body.lower()
    return any(token in lowered for token in tokens)


def carry_canaries(steps: Sequence[Step], tokens: Sequence[bytes]) -> bool:
    """Whether any of the steps would carry a token to a place that is not owned."""
    if not tokens:
        return False
    leaving = {id(s.request): s.request for s in steps if not s.deployment.locus.owned}
    return any(canaries_in(_encode(one.document), tokens) for one in leaving.values())
