"""What was learned, made ready: artefacts in, functions out."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from situs.analysis.capability import capability_head
from situs.analysis.effort import complexity_head, length_head
from situs.analysis.route_features import ground
from situs.analysis.sensitivity.names import tagger
from situs.analysis.task_head import task_head
from situs.analysis.token_counts import counters
from situs.config.analysis import Analysis
from situs.core.heads import Encode, Heads
from situs.learning.artefacts import Artefact, shipped
from situs.learning.versions import chosen
from situs.runtimes.encoder import load_encoder

DEEP_PACKAGES = ("onnxruntime", "tokenizers")
"""What the deep tier needs besides its artefact: the extra `local` installs them."""


def load_heads(settings: Analysis, data: Path) -> Heads:
    """The heads that the configuration names, else those of the package.

    Takes some tens of milliseconds; the deep tier's model is loaded when it is first asked.
    Raises OperatorError for an artefact that is not there, or not what its card says.
    """
    found = chosen(settings.artefacts, data)
    made = {head: make(found[head]) for head, make in _MAKERS.items() if head in found}
    if "names" in found:
        made["name_kinds"] = tuple(found["names"].card.settings["kinds"])
    if one := found.get("capability"):
        made["capable"] = capability_head(one.arrays, one.card.settings)
    deep = found.pop("encoder")
    encode = encoder(deep) if settings.deep else None
    if encode is not None:
        found["encoder"] = deep
    return Heads(
        **made,
        encode=encode,
        finds_names=settings.names,
        digests={head: artefact.digest for head, artefact in found.items()},
    )


_MAKERS: dict[str, Callable[[Artefact], Any]] = {
    "task": lambda one: task_head(one.arrays, one.card.settings),
    "complexity": lambda one: complexity_head(one.arrays, one.card.settings),
    "length": lambda one: length_head(one.arrays, one.card.settings),
    "names": lambda one: tagger(one.arrays, one.card.settings),
    "tokens": lambda one: counters(one.arrays, one.card.settings),
    "routes": lambda one: ground(one.arrays, one.card.settings),
}
"""By head: from its artefact to its function."""


def encoder(artefact: Artefact | None = None) -> Encode | None:
    """The deep tier, by default that of the package; None where what it needs is not installed."""
    if any(importlib.util.find_spec(one) is None for one in DEEP_PACKAGES):
        return None
    return load_encoder(shipped("encoder") if artefact is None else artefact.folder)
