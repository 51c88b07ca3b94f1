"""The confidence in answers, taught by answers that are known to be right or wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from situs.core.aim import Cascade
from situs.core.snapshot import ANY_KIND, Confidences
from situs.dispatch.answer import said_in
from situs.errors import ConfigError
from situs.learning.artefacts import Artefact
from situs.learning.confidence import HEAD, Sample, confidences_of, fit, table_of
from situs.placement.confidence import bar_for
from situs.placement.signals import TOP, Said, same, wanted_in
from situs.studies.compare import Figure, compare
from situs.studies.metrics import Picks
from situs.studies.training import Learnt, divided

RATES = (0.05, 0.1, 0.2, 0.3)
"""The error rates that are compared on the rows held back."""

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")
_LETTER = re.compile(r"\b[A-Z]\b")


def learn_confidence(
    rows: Sequence[Mapping[str, Any]],
    models: Collection[str],
    task_of: Callable[[str], str],
    active: Artefact | None,
    file: Path,
) -> Learnt:
    """From rows of `model`, `response` (an answer of the wire), `correct`.

    They may also have the `prompt`, its `task` (else what `task_of` says of it), and the `document`
    of the request, where a form was asked for. Raises ConfigError for too few rows, a model that is
    not configured, and an answer that is none.
    """
    samples = [_sample(row, models, task_of) for row in rows]
    learnt, held = divided(samples, [one.key for one in samples], file)
    settings = fit(learnt)
    before = None if active is None else _figures(held, confidences_of(active))
    after = _figures(held, Confidences(table_of(settings)))
    figures = compare(len(held), before, after)
    return Learnt(HEAD, {}, settings, len(learnt), len(held), figures)


def question(prompt: str, model: str, votes: int) -> dict[str, Any]:
    """The request that asks it."""
    message = {"role": "user", "content": prompt}
    asked: dict[str, Any] = {"model": model, "messages": [message]}
    asked |= {"logprobs": True, "top_logprobs": TOP}
    return asked | {"n": votes} if votes > 1 else asked


def right(response: Mapping[str, Any], gold: str) -> bool:
    """Whether the first choice says so; see `correct`."""
    said = said_in(dict(response))
    return correct(said[0].text if said else "", gold)


def correct(text: str, gold: str) -> bool:
    """Whether an answer says so.

    Its last line is the same but for case and marks; or its last number is, where that is asked
    for; or its last capital letter that stands alone, as in tests with choices.
    """
    text = text.strip()
    if same(text) == same(gold):
        return True
    for form in (_NUMBER, _LETTER):
        if form.fullmatch(gold.strip()):
            found = form.findall(text)
            return bool(found) and found[-1] == gold.strip()
    return False


def _sample(
    row: Mapping[str, Any], models: Collection[str], task_of: Callable[[str], str]
) -> Sample:
    at, model, correct, prompt = row["at"], row["model"], row["correct"], row["prompt"]
    if model not in models:
        raise ConfigError(
            f"{at}: the model is not configured.",
            do=f"Use the names of your situs.yaml: {', '.join(sorted(models))}.",
        )
    if correct not in (0, 1):
        raise ConfigError(f"{at}: correct is neither true nor false.", do="Correct the file.")
    answers = tuple(said_in(row["response"]))
    if not answers:
        raise ConfigError(
            f"{at}: the response has no choices.", do="Give the answer as the server gave it."
        )
    key = prompt if prompt is not None else answers[0].text
    task = row["task"] or (ANY_KIND if prompt is None else task_of(prompt))
    return Sample(model, task, key, answers, bool(correct), wanted_in(row["document"] or {}))


def _figures(held: Sequence[Sample], confidences: Confidences) -> dict[str, Figure]:
    """Of whole answers: the share kept at each error rate, and the share wrong of these."""
    wrong = np.array([not one.correct for one in held], bool)
    figures: dict[str, Figure] = {}
    for rate in RATES:
        kept = np.array([_kept(one, confidences, rate) for one in held], bool)
        figures[f"kept at {rate:g}"] = _share(kept, np.ones_like(kept))
        figures[f"wrong at {rate:g}"] = _share(wrong, kept)
    return figures


def _share(what: Any, among: Any) -> Figure:
    def share(picks: Picks) -> float | None:
        mine = among[picks]
        return float(what[picks][mine].mean()) if mine.any() else None

    return share


def _kept(one: Sample, confidences: Confidences, rate: float) -> bool:
    bar = bar_for(confidences, one.model, one.task, Cascade(error_rate=rate), False)
    first: list[Said] = [one.answers[0]]
    return bar is not None and bar.confidence(first, one.wanted) >= bar.least
