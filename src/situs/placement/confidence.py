"""How probable it is that an answer is right, and which answers may be kept; all of it learned.

Whoever keeps the answers from `Bar.least` on is wrong in at most the share of them that was chosen:
see docs/explanation/confidence.md for what that promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from msgspec import Struct

from situs.core.aim import Cascade
from situs.core.snapshot import ANY_KIND, Confidences
from situs.placement.signals import Said, Wanted, signals

WHOLE = 0
"""The window of an answer that is judged when it is over."""

STARTS = (1, 4, 9)
"""The places among the levels where runs for the least that may be kept start; see `least`."""


class View(Struct, frozen=True):
    """What was learned of answers of which this much is seen: the first `window` tokens, or all.

    `votes` answers were compared. The probability is logistic in the signals. At each of `levels`,
    falling, no more than `errors` of those kept are wrong, and `kept` of all are kept.
    """

    window: int
    votes: int
    weights: tuple[float, ...]
    bias: float
    levels: tuple[float, ...]
    errors: tuple[float, ...]
    kept: tuple[float, ...]


class Calibration(Struct, frozen=True):
    """What is known of a model's answers at a task, learned from so many `rows`.

    `tokens`: they come with log-probabilities; one that comes without is not to be trusted.
    """

    tokens: bool
    rows: int
    views: tuple[View, ...]


class Bar(Struct, frozen=True):
    """What an answer must reach to be kept: at `least` this probability to be right."""

    view: View
    tokens: bool
    least: float

    def confidence(self, answers: Sequence[Said], wanted: Wanted) -> float:
        """The probability that all of these choices are right, as that of the worst."""
        return min((self._one(one, wanted) for one in answers), default=0.0)

    def _one(self, said: Said, wanted: Wanted) -> float:
        if bool(said.tokens) is not self.tokens:
            return 0.0
        return probability(self.view, signals(said, wanted))


def probability(view: View, found: Sequence[float] | None) -> float:
    """0 for what is no answer."""
    if found is None:
        return 0.0
    logit = view.bias + sum(w * s for w, s in zip(view.weights, found, strict=True))
    return 1.0 / (1.0 + exp(-max(-30.0, min(30.0, logit))))


def calibration_of(confidences: Confidences, model: str, task: str) -> Calibration | None:
    """That of the model at this task, or else at any."""
    table = confidences.table
    return table.get((model, task)) or table.get((model, ANY_KIND))


def bar_for(
    confidences: Confidences, model: str, task: str, cascade: Cascade, stream: bool
) -> Bar | None:
    """What its answer must reach; None where nothing was learned, or no answer could be kept."""
    known = calibration_of(confidences, model, task)
    view = None if known is None else view_of(known, cascade, stream)
    if known is None or view is None:
        return None
    level = least(view, cascade.error_rate)
    return None if level is None else Bar(view, known.tokens, level)


def view_of(known: Calibration, cascade: Cascade, stream: bool) -> View | None:
    """Of a stream, the largest window that was learned and is no longer than the one wanted."""
    votes = 1 if stream else cascade.votes
    mine = [view for view in known.views if view.votes == votes]
    if not stream:
        return next((view for view in mine if view.window == WHOLE), None)
    fit = [view for view in mine if WHOLE < view.window <= cascade.window_tokens]
    return max(fit, key=lambda view: view.window, default=None)


def least(view: View, error_rate: float) -> float | None:
    """The lowest level down to which answers may be kept; None where there is none.

    Each of `errors` is a bound that fails with a small probability (`learning.confidence`). Those
    that count here hold together with `1 - DELTA`: runs start at places fixed before, and each goes
    down only until a level has too many. Source: Angelopoulos et al., "Learn then Test", fixed
    sequences.
    """
    found = None
    for start in STARTS:
        for at in range(start, len(view.levels)):
            if view.errors[at] > error_rate:
                break
            found = at if found is None else max(found, at)
    return None if found is None else view.levels[found]
