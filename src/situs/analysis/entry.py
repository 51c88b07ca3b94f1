"""The whole analysis of one request."""

from __future__ import annotations

from situs.analysis import task, tokens
from situs.analysis.labels import label
from situs.analysis.sensitivity import joined, scan, warm
from situs.core.decision import Analysis
from situs.core.request import Request, Text
from situs.core.snapshot import NO_ROUTES, Labels, Routes

__all__ = ["analyse", "warm"]


def analyse(request: Request, labels: Labels, routes: Routes = NO_ROUTES) -> Analysis:
    """Says what the request is, from its texts and its shape alone.

    The same request and labels give the same analysis. Call `warm()` once at start-up; otherwise
    the first call compiles the detectors (tens of milliseconds).
    """
    texts = [text.text for text in request.texts]
    data = joined(texts)
    found = scan(texts, labels.floors, data, _neighbours(request.texts))
    level, reasons = label(request, labels, found.counts)
    prompt_tokens = tokens.prompt_tokens(request, data)
    kind = task.classify(request)
    return Analysis(
        label=level,
        reasons=reasons,
        findings=found.findings,
        prompt_tokens=prompt_tokens,
        completion_tokens=tokens.completion_tokens(kind, request.max_completion_tokens),
        task=kind,
        needs=task.needs(kind, prompt_tokens),
        tier="baseline",
        routed=routes.find(request),
        longest_tokens=tokens.longest_tokens(request, prompt_tokens),
    )


def _neighbours(texts: tuple[Text, ...]) -> list[int]:
    """The parts in the order in which a model reads them: contents first, then everything else.

    The model's name is left out: it is replaced on the way. What follows a prompt comes after it.
    """
    contents: list[int] = []
    suffixes: list[int] = []
    others: list[int] = []
    for part, text in enumerate(texts):
        path = text.path
        if path.endswith((".content", ".text")) or path.partition("[")[0] in _INPUTS:
            contents.append(part)
        elif path == "suffix":
            suffixes.append(part)
        elif path != "model":
            others.append(part)
    return contents + suffixes + others


_INPUTS = frozenset({"prompt", "input"})
