"""The capability head, taught by results of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from situs.analysis.capability import Capability, capability_head, plain
from situs.analysis.features import see
from situs.errors import ConfigError
from situs.learning.artefacts import Artefact
from situs.learning.capability import fit, join
from situs.studies.compare import Figure, compare
from situs.studies.metrics import Picks, auroc, ece
from situs.studies.training import Learnt, divided

Rows = Sequence[Mapping[str, Any]]


def learn_capability(
    rows: Rows,
    classes: Mapping[str, str],
    package: Artefact | None,
    active: Artefact | None,
    file: Path,
) -> Learnt:
    """What the package knows and, beside it, these results: rows of `prompt`, `model`, `correct`.

    `classes` are the capability classes of the models that are configured. Compared with the
    `active` version. Raises ConfigError for too few rows, for a score outside 0 to 1 and for a
    model that is not configured, OperatorError as `fit` does.
    """
    _check(rows, classes, file)
    learnt, held = divided(rows, [row["prompt"] for row in rows], file)
    subjects = None if package is None else package.arrays
    arrays, settings = fit(learnt, subjects, classes)
    if package is not None:
        arrays, settings = join([(package.arrays, package.card.settings), (arrays, settings)])
    after = _figures(capability_head(arrays, settings), held)
    before = None
    if active is not None:
        before = _figures(capability_head(active.arrays, active.card.settings), held)
    prompts = len({row["prompt"] for row in held})
    figures = compare(prompts, before, after)
    return Learnt("capability", arrays, settings, len(learnt), len(held), figures)


def _check(rows: Rows, classes: Mapping[str, str], file: Path) -> None:
    """A model that nobody configured is never asked for, and its class would be a guess."""
    for row in rows:
        if not 0 <= row["correct"] <= 1:
            raise ConfigError(
                f"{row['at']}: correct: expected true, false or a score from 0 to 1.",
                do="Bring scores of another range to 0 to 1: 7 of 10 is 0.7.",
            )
    known = {plain(name) for name in classes}
    for row in rows:
        if plain(row["model"]) not in known:
            raise ConfigError(
                f"{row['at']}: the model {row['model']!r} is not in the configuration.",
                do=f"Add it under `models` with its `capability` class, name it as there "
                f"({', '.join(sorted(classes)) or 'none is configured'}), "
                f"or leave its rows out of {file.name}.",
            )


def _figures(head: Capability, held: Rows) -> dict[str, Figure]:
    """Over all results of the prompts picked. `brier`: mean square of probability minus score."""
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(held):
        groups.setdefault(row["prompt"], []).append(place)
    said = np.zeros(len(held))
    for prompt, places in groups.items():
        guesses = head.answers(see(prompt), [held[place]["model"] for place in places])
        said[places] = [one.probability for one in guesses]
    gold = np.array([float(row["correct"]) for row in held])
    places_of = [np.array(places) for places in groups.values()]

    def over(figure: Any) -> Figure:
        def of(picks: Picks) -> float | None:
            places = np.concatenate([places_of[pick] for pick in picks])
            value: float | None = figure(said[places], gold[places])
            return value

        return of

    return {
        "auroc": over(lambda said, gold: auroc(said[gold >= 0.5], said[gold < 0.5])),
        "brier": over(lambda said, gold: float(((said - gold) ** 2).mean())),
        "ece": over(ece),
    }
