"""The whole analysis of one request: a first look, and two closer ones where they are worth it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from situs.analysis import task, task_head, tokens
from situs.analysis.features import see
from situs.analysis.labels import label
from situs.analysis.language import UNKNOWN, language
from situs.analysis.sensitivity import Scan, joined, merged, scan, warm
from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis
from situs.core.heads import NO_HEADS, FindsNames, Guess, Heads, Seen
from situs.core.request import Request, Text
from situs.core.route import Routed, RoutedBy
from situs.core.snapshot import NO_ROUTES, Labels, Routes

__all__ = ["Look", "analyse", "deepen", "find_names", "look", "warm"]


LEAST = 0.4
"""A guess at the task that is less probable, and unsure, is none."""

LIKELY = 0.5
"""A name that is less probable than this decides nothing: `situs eval sensitivity` shows it."""


class Look(Struct, frozen=True):
    """What is known so far. `unsure` are texts whose vectors would help to know better.

    First those of the route, then `asked`, if the task is unsure. `counts` is the number of
    findings by kind, `seen` the features of what was last asked where a head is to read them.
    """

    analysis: Analysis
    counts: dict[str, int]
    seen: Seen | None = None
    unsure: tuple[str, ...] = ()
    asked: str | None = None


def analyse(
    request: Request,
    labels: Labels,
    routes: Routes = NO_ROUTES,
    heads: Heads = NO_HEADS,
    families: Sequence[str] = (),
) -> Analysis:
    """Everything that can be found out, without regard to time.

    The same request, labels, routes and heads give the same analysis. Call `warm()` once at
    start-up; otherwise the first call compiles the detectors (tens of milliseconds).
    """
    found = look(request, labels, routes, heads, families)
    if found.unsure and heads.encode is not None:
        found = deepen(request, found, heads.encode(found.unsure), routes, heads, labels)
    if heads.finds_names is not FindsNames.NEVER:
        found = find_names(request, found, labels, heads)
    return found.analysis


def look(
    request: Request, labels: Labels, routes: Routes, heads: Heads, families: Sequence[str] = ()
) -> Look:
    """The first look: structured findings, the fast tier of every head, rules where there is none.

    `families` are those of the fleet's models, whose tokens are counted. Takes tens to hundreds of
    microseconds; grows with the request's size.
    """
    texts = [text.text for text in request.texts]
    data = joined(texts)
    found = scanned(request, labels, data)
    tokens_by = tokens.tokens_by(request, heads.tokens, families)
    prompt_tokens = max(tokens_by.values(), default=0) or tokens.prompt_tokens(request, data)
    seen, guess = _task(request, heads)
    routed, unsure = routes.look(request, seen)
    kind = task.classify(request) if guess is None else guess.name
    drawn = _drawn(request, routed)
    level, reasons = label(request, labels, found.counts, drawn)
    analysis = Analysis(
        label=level,
        reasons=reasons,
        findings=found.findings,
        prompt_tokens=prompt_tokens,
        completion_tokens=tokens.completion_tokens(kind, request.max_completion_tokens),
        task=kind,
        needs=task.needs(kind, prompt_tokens),
        tiers=_tiers(request, guess, routed, heads),
        routed=routed,
        longest_tokens=tokens.longest_tokens(request, prompt_tokens),
        language=UNKNOWN if seen is None else language(seen.text),
        tokens_by=tokens_by if len(tokens_by) > 1 else {},
        data=drawn,
        acceptable={} if seen is None or heads.acceptable is None else heads.acceptable(seen),
    )
    first = Look(analysis, found.counts, seen, unsure)
    if guess is None or seen is None:
        return first
    deeper = guess.unsure and getattr(heads.task, "reads_vectors", True)
    asked = task_head.asking(seen) if deeper else None
    if asked is not None:
        first = replace(first, unsure=(*unsure, asked), asked=asked)
    return _of_task(request, first, guess, heads)


def scanned(request: Request, labels: Labels, data: bytes | None = None) -> Scan:
    """What is found in its texts with its tenant's detectors; `data` is `joined(texts)`."""
    texts = [text.text for text in request.texts]
    table = labels.table_of(request.principal.tenant)
    return scan(texts, labels.floors, data, _neighbours(request.texts), table)


def _drawn(request: Request, routed: Routed | None) -> tuple[str, ...]:
    """The data sets that it names, and those of its route."""
    if routed is None or not routed.data:
        return request.data
    return tuple(sorted({*request.data, *routed.data}))


def _task(request: Request, heads: Heads) -> tuple[Seen | None, Guess | None]:
    """What the fast tier says of the last message; nothing where the request's form says all."""
    if heads.task is None or task.by_shape(request) is not None:
        return None, None
    seen = see(task.last_asked(request))
    return seen, heads.task(seen, None)


def _tiers(
    request: Request, guess: Guess | None, routed: Routed | None, heads: Heads
) -> dict[str, str]:
    without = "shed" if heads.hurried and task.by_shape(request) is None else "rule"
    tiers = {"task": without if guess is None else "fast"}
    if routed is not None:
        tiers["route"] = "fast" if routed.by is RoutedBy.SAMPLES else "rule"
    return tiers


def deepen(
    request: Request,
    found: Look,
    vectors: Any | None,
    routes: Routes,
    heads: Heads,
    labels: Labels,
) -> Look:
    """A closer look with the vectors of what was unsure; with None, the deep tier was shed."""
    of_route = len(found.unsure) - (found.asked is not None)
    deeper = {"route": of_route > 0, "task": found.asked is not None}
    word = "shed" if vectors is None else "deep"
    tiers = {**found.analysis.tiers, **{part: word for part, unsure in deeper.items() if unsure}}
    analysis = replace(found.analysis, tiers=tiers)
    if vectors is not None and of_route:
        routed = routes.find(request, found.seen, vectors[:of_route])
        # What the first look saw of data counts still: a label never falls by looking closer.
        drawn = tuple(sorted({*analysis.data, *_drawn(request, routed)}))
        level, reasons = label(request, labels, found.counts, drawn)
        analysis = replace(analysis, routed=routed, data=drawn, label=level, reasons=reasons)
    found = replace(found, unsure=(), analysis=analysis)
    if vectors is None or found.asked is None or found.seen is None or heads.task is None:
        return found
    return _of_task(request, found, heads.task(found.seen, vectors[-1]), heads)


def find_names(request: Request, found: Look, labels: Labels, heads: Heads) -> Look:
    """Adds persons, addresses and organisations, and the label that they ask for."""
    if heads.names is None:
        return found
    names = heads.names([text.text for text in request.texts])
    likely = [one for one in names if one.score >= LIKELY]
    findings, added = merged(found.analysis.findings, likely)
    counts = dict(Counter(found.counts) + Counter(added))
    level, reasons = label(request, labels, counts, found.analysis.data)
    analysis = replace(
        found.analysis,
        label=level,
        reasons=reasons,
        findings=findings,
        tiers={**found.analysis.tiers, "names": "fast"},
    )
    return replace(found, analysis=analysis, counts=counts)


def _of_task(request: Request, found: Look, guess: Guess, heads: Heads) -> Look:
    """What follows from a task: how demanding the request is, and how long its answer will be.

    Where the head knows next to nothing, rules say the task.
    """
    analysis, seen = found.analysis, found.seen
    guessed = guess.unsure and guess.probability < LEAST
    name = task.classify(request) if guessed else guess.name
    tiers = {**analysis.tiers, "task": "rule"} if guessed else analysis.tiers
    needs, sure = task.needs(name, analysis.prompt_tokens), None
    expected = tokens.completion_tokens(name, request.max_completion_tokens)
    bounds = None
    if seen is not None and heads.complexity is not None:
        effort = heads.complexity(seen, name)
        if not effort.unsure:
            least, sure = CapabilityClass(effort.name), round(effort.probability, 4)
            needs = task.stepped(least, analysis.prompt_tokens)
    if seen is not None and heads.length is not None:
        span = heads.length(seen, name)
        most = request.max_completion_tokens
        low, expected, high = (
            round(one) if most is None else min(most, round(one))
            for one in (span.low, span.expected, span.high)
        )
        bounds = (low, high)
    analysis = replace(
        analysis,
        task=name,
        tiers=tiers,
        task_probability=None if guessed else round(guess.probability, 4),
        needs=needs,
        needs_probability=sure,
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
