"""What is believed of the models of a configuration: of feedback, and of what was used."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from situs.config.tree import Config
from situs.core.snapshot import Beliefs
from situs.errors import StoreError
from situs.learning.beliefs import believe
from situs.learning.lengths import measure
from situs.stores.feedback import ratings, state
from situs.stores.usual import answer_lengths, usual_tokens

_log = logging.getLogger(__name__)
_ANEW_S = 600.0


def beliefs_of(config: Config, data: Path, now: float) -> Beliefs:
    """May take a second, where there is much feedback. Raises StoreError."""
    classes = {name: model.capability for name, model in config.models.items()}
    usual = usual_tokens(data, now) or Beliefs().usual
    lengths = measure(answer_lengths(data, now), classes)
    return believe(ratings(data), classes, now, usual, lengths)


class Believing:
    """Owns what was believed last, so that it is worked out again only where it may differ."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._seen: tuple[Any, ...] = ()
        self._problem: str | None = None

    def look(self, config: Config) -> Beliefs | None:
        """What is believed from now on; None: as before. Blocks; never raises.

        Without new feedback it is looked at every ten minutes: old feedback fades, and answers
        were given meanwhile, whose lengths count.
        """
        now = time.time()
        try:
            seen = (state(self._data), config.models, int(now // _ANEW_S))
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
