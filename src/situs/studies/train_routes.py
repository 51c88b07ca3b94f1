"""Samples for routes, chosen from labelled rows: routes are known by what stands in situs.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from msgspec import Struct

from situs.analysis.features import see
from situs.analysis.route_match import first
from situs.analysis.route_samples import index
from situs.config.routing import Route
from situs.core.heads import Ground
from situs.errors import ConfigError
from situs.studies.compare import Compared, Figure, compare
from situs.studies.metrics import accuracy
from situs.studies.training import divided

OUT_OF_SCOPE = "oos"
LONGEST = 1000
"""Characters of a sample in a configuration."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")

Samples = Mapping[str, Sequence[str]]


class Chosen(Struct, frozen=True):
    """Samples by route, and their figures on the rows held back, by the fast tier."""

    samples: dict[str, list[str]]
    learnt: int
    held: int
    figures: list[Compared]


def choose(
    rows: Sequence[Mapping[str, Any]],
    most: int,
    configured: Mapping[str, Route],
    ground: Ground,
    file: Path,
) -> Chosen:
    """At most `most` samples a route, as unlike each other as can be; rows of no route only test.

    Compared with the samples that are `configured`, if there are any. Raises ConfigError.
    """
    for row in rows:
        if (name := _route(row)) is not None and not _NAME.fullmatch(name):
            raise ConfigError(
                f"{row['at']}: its label cannot be the name of a route.",
                do="Use at most 64 letters, digits and . _ : / -; first a letter or digit.",
            )
    learnt, held = divided(rows, [row["text"] for row in rows], file)
    texts: dict[str, list[str]] = {}
    for row in learnt:
        if (name := _route(row)) is not None and 0 < len(row["text"].strip()) <= LONGEST:
            texts.setdefault(name, []).append(row["text"].strip())
    if len(texts) < 2:
        raise ConfigError(
            f"{file}: all rows to learn from are of one route, or of none.",
            do="Add rows of at least one other route.",
        )
    samples = {name: spread(found, most, ground) for name, found in sorted(texts.items())}
    known = {name: route.samples for name, route in configured.items() if route.samples}
    before = _figures(known, held, ground) if known else None
    figures = compare(len(held), before, _figures(samples, held, ground))
    return Chosen(samples, len(learnt), len(held), figures)


def as_yaml_text(samples: Samples, configured: Mapping[str, Route]) -> str:
    """The section `routes`: these samples, and what the configured routes of these names have."""
    routes = {}
    for name in (*samples, *(name for name in configured if name not in samples)):
        kept = msgspec.to_builtins(configured.get(name, Route()))
        settings = {key: value for key, value in kept.items() if value}
        routes[name] = {**settings, **({"samples": samples[name]} if name in samples else {})}
    return yaml.safe_dump({"routes": routes}, sort_keys=False, allow_unicode=True, width=1000)


def spread(texts: Sequence[str], most: int, ground: Ground) -> list[str]:
    """The first text, then always the one that is least like those chosen (Gonzalez 1985)."""
    known = list(dict.fromkeys(texts))
    if len(known) <= most or ground.gist is None:
        return known[:most]
    vectors = np.stack([ground.gist(see(text)) for text in known])
    picks, nearest = [0], vectors @ vectors[0]
    while len(picks) < most:
        nearest[picks[-1]] = np.inf
        picks.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, vectors @ vectors[picks[-1]])
    return [known[pick] for pick in sorted(picks)]


def _route(row: Mapping[str, Any]) -> str | None:
    label: str | None = row["label"]
    return None if label == OUT_OF_SCOPE else label


def _figures(
    samples: Samples, held: Sequence[Mapping[str, Any]], ground: Ground
) -> dict[str, Figure]:
    found = index(samples, ground)
    said = [first(found, row["text"]).match.name for row in held]
    gold = [_route(row) for row in held]
    inside = np.array([one is not None for one in gold])

    def over(mask: Any) -> Figure:
        def share(picks: Any) -> float | None:
            mine = picks[mask[picks]]
            return accuracy([gold[one] for one in mine], [said[one] for one in mine])

        return share

    return {
        "overall_accuracy": over(np.ones(len(held), bool)),
        "in_scope_accuracy": over(inside),
        "oos_recall": over(~inside),
    }
