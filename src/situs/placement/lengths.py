"""How long an answer of a model is expected to be, in tokens."""

from __future__ import annotations

from collections.abc import Sequence

from situs.core.decision import Analysis
from situs.core.request import Request
from situs.core.snapshot import ANY_KIND, Beliefs
from situs.placement.quality import kind_of


def answer_tokens(model: str, request: Request, analysis: Analysis, beliefs: Beliefs) -> int:
    """Of all choices together.

    What is usual at the kind of request, times what is usual of the model, and no more than the
    request allows; before anything was learned, and where no answer is expected, what the analysis
    expects.
    """
    said = beliefs.answers.get(model)
    if said is not None:
        return said * request.choices
    if not beliefs.lengths.kinds:
        return analysis.completion_tokens * request.choices
    usual = usual_tokens(analysis, beliefs)
    return bounded(usual, [factor(model, kind_of(analysis), beliefs)], request)[0]


def usual_tokens(analysis: Analysis, beliefs: Beliefs) -> float:
    """Of an answer of any model: what answers at this kind of request had, as far as that is known;
    as far as it is not, what the analysis expects.
    """
    usual, known = beliefs.lengths.kinds.get(kind_of(analysis), (0.0, 0.0))
    expected = analysis.completion_tokens
    return expected + known * (usual - expected) if expected else 0.0


def factor(model: str, kind: str, beliefs: Beliefs) -> float:
    """How many times as long as usual the model's answers are."""
    models = beliefs.lengths.models
    return models.get((model, kind)) or models.get((model, ANY_KIND), 1.0)


def bounded(usual: float, factors: Sequence[float], request: Request) -> list[int]:
    """So many times the usual: of all choices together, each no longer than the request allows."""
    most, choices = request.max_completion_tokens, request.choices
    found = [round(usual * one) for one in factors]
    if most is not None:
        found = [min(one, most) for one in found]
    return found if choices == 1 else [one * choices for one in found]
