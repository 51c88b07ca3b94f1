"""What is believed of the models of a configuration: of ratings, and of what was used."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from situs.config.tree import Config
from situs.core.capability import CapabilityClass
from situs.core.rating import Rating
from situs.core.snapshot import Beliefs
from situs.errors import StoreError
from situs.learning.beliefs import SHORT_TOKENS, believe, compared
from situs.learning.lengths import measure
from situs.stores import comparisons, feedback, judged
from situs.stores.usual import answer_lengths, usual_tokens

_log = logging.getLogger(__name__)
_ANEW_S = 600.0
_MOST_COPIES = 10_000


def beliefs_of(config: Config, data: Path, now: float) -> Beliefs:
    """May take a second, where there is much feedback. Raises StoreError."""
    usual = usual_tokens(data, now) or Beliefs().usual
    lengths = measure(answer_lengths(data, now), config.models)
    return believe(ratings_of(config, data, now), _classes(config), now, usual, lengths)


def ratings_of(config: Config, data: Path, now: float) -> list[Rating]:
    """What people said of answers; and what machines did, of those that nobody spoke of.

    A copy is compared with what is believed of the model that served, without any copies. Raises
    StoreError.
    """
    classes, said = _classes(config), feedback.words(data)
    rated = {(one.id, one.model) for one in said}
    found = [feedback.rating(one) for one in said]
    found += [judged.rating(one) for one in judged.judged(data) if (one.id, one.model) not in rated]
    ids = {one.id for one in said}
    rows = comparisons.short(data, SHORT_TOKENS, _MOST_COPIES)
    copies = [comparisons.likeness(one) for one in rows if one.id not in ids and one.of not in ids]
    return found + (compared(copies, classes, believe(found, classes, now)) if copies else [])


def _classes(config: Config) -> dict[str, CapabilityClass]:
    return {name: model.capability for name, model in config.models.items()}


class Believing:
    """Owns what was believed last, so that it is worked out again only where it may differ."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._seen: tuple[Any, ...] = ()
        self._problem: str | None = None

    def look(self, config: Config) -> Beliefs | None:
        """What is believed from now on; None: as before. Blocks; never raises.

        Without new feedback it is looked at every ten minutes: old feedback fades, and answers
        were given meanwhile, whose lengths count, and what machines said of them.
        """
        now = time.time()
        try:
            seen = (feedback.state(self._data), config.models, int(now // _ANEW_S))
            if seen == self._seen:
                return None
            found = beliefs_of(config, self._data, now)
        except StoreError as error:
            if error.message != self._problem:
                _log.warning("feedback is not read: %s %s", error.message, error.advice)
            self._problem = error.message
            return None
        self._seen, self._problem = seen, None
        return found
