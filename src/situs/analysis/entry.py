"""The whole analysis of one request: a first look, and two closer ones where they are worth it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from situs.analysis import task, tokens
from situs.analysis.features import see
from situs.analysis.labels import label
from situs.analysis.sensitivity import joined, merged, scan, warm
from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis
from situs.core.heads import NO_HEADS, FindsNames, Guess, Heads, Seen
from situs.core.request import Request, Text
from situs.core.snapshot import NO_ROUTES, Labels, Routes

__all__ = ["Look", "analyse", "deepen", "find_names", "look", "warm"]

WINDOW = 600
"""Characters of the last message that the deep tier reads: about 128 tokens."""


class Look(Struct, frozen=True):
    """What is known so far. `unsure` are texts whose vectors would help to know better.

    `counts` is the number of findings by kind; `shape` is a task that the request's form gives.
    """

    analysis: Analysis
    counts: dict[str, int]
    shape: str | None
    seen: Seen | None = None
    unsure: tuple[str, ...] = ()


def analyse(
    request: Request, labels: Labels, routes: Routes = NO_ROUTES, heads: Heads = NO_HEADS
) -> Analysis:
    """Everything that can be found out, without regard to time.

    The same request, labels, routes and heads give the same analysis. Call `warm()` once at
    start-up; otherwise the first call compiles the detectors (tens of milliseconds).
    """
    found = look(request, labels, routes, heads)
    if found.unsure and heads.encode is not None:
        found = deepen(request, found, heads.encode(found.unsure), heads)
    if heads.finds_names is not FindsNames.NEVER:
        found = find_names(request, found, labels, heads)
    return found.analysis


def look(request: Request, labels: Labels, routes: Routes, heads: Heads) -> Look:
    """The first look: structured findings, the fast tier of every head, rules where there is none.

    Tens to hundreds of microseconds; grows with the request's size.
    """
    texts = [text.text for text in request.texts]
    data = joined(texts)
    found = scan(texts, labels.floors, data, _neighbours(request.texts))
    level, reasons = label(request, labels, found.counts)
    prompt_tokens = tokens.prompt_tokens(request, data)
    shape = task.by_shape(request)
    seen = None if shape is not None or heads.task is None else see(task.last_asked(request))
    guess = None if seen is None or heads.task is None else heads.task(seen, None)
    kind = task.classify(request) if guess is None else guess.name
    analysis = Analysis(
        label=level,
        reasons=reasons,
        findings=found.findings,
        prompt_tokens=prompt_tokens,
        completion_tokens=tokens.completion_tokens(kind, request.max_completion_tokens),
        task=kind,
        needs=task.needs(kind, prompt_tokens),
        tiers={"task": "rule" if guess is None else "fast"},
        routed=routes.find(request),
        longest_tokens=tokens.longest_tokens(request, prompt_tokens),
    )
    first = Look(analysis, found.counts, shape, seen)
    if guess is not None:
        first = _of_task(request, first, guess, heads)
        if guess.unsure and heads.encode is not None and seen is not None:
            first = replace(first, unsure=(seen.text[:WINDOW],))
    return first


def deepen(request: Request, found: Look, vectors: Any | None, heads: Heads) -> Look:
    """A closer look with the vectors of what was unsure; with None, the deep tier was shed."""
    if vectors is None:
        tiers = {**found.analysis.tiers, "task": "shed"}
        return replace(found, unsure=(), analysis=replace(found.analysis, tiers=tiers))
    if heads.task is None or found.seen is None:
        return found
    guess = heads.task(found.seen, vectors[0])
    tiers = {**found.analysis.tiers, "task": "deep"}
    found = replace(found, unsure=(), analysis=replace(found.analysis, tiers=tiers))
    return _of_task(request, found, guess, heads)


def find_names(request: Request, found: Look, labels: Labels, heads: Heads) -> Look:
    """Adds persons, addresses and organisations, and the label that they ask for."""
    if heads.names is None:
        return found
    names = heads.names([text.text for text in request.texts])
    findings, added = merged(found.analysis.findings, names)
    counts = dict(Counter(found.counts) + Counter(added))
    level, reasons = label(request, labels, counts)
    analysis = replace(
        found.analysis,
        label=level,
        reasons=reasons,
        findings=findings,
        tiers={**found.analysis.tiers, "names": "fast"},
    )
    return replace(found, analysis=analysis, counts=counts)


def _of_task(request: Request, found: Look, guess: Guess, heads: Heads) -> Look:
    """What follows from a task: how demanding the request is, and how long its answer will be."""
    analysis, seen = found.analysis, found.seen
    needs, needs_probability = task.needs(guess.name, analysis.prompt_tokens), None
    expected = tokens.completion_tokens(guess.name, request.max_completion_tokens)
    bounds = None
    if seen is not None and heads.complexity is not None:
        effort = heads.complexity(seen, guess.name)
        needs, needs_probability = CapabilityClass(effort.name), effort.probability
    if seen is not None and heads.length is not None:
        span = heads.length(seen, guess.name)
        most = request.max_completion_tokens
        low, expected, high = (
            round(one) if most is None else min(most, round(one))
            for one in (span.low, span.expected, span.high)
        )
        bounds = (low, high)
    analysis = replace(
        analysis,
        task=guess.name,
        task_probability=round(guess.probability, 4),
        needs=needs,
        needs_probability=None if needs_probability is None else round(needs_probability, 4),
        completion_tokens=expected,
        completion_range=bounds,
    )
    return replace(found, analysis=analysis)


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
