"""What was learned, made ready: artefacts in, functions out."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from situs.analysis.capability import capability_head, of_models
from situs.analysis.effort import complexity_head, length_head
from situs.analysis.route_features import ground
from situs.analysis.route_samples import needed
from situs.analysis.sensitivity.names import tagger
from situs.analysis.task_head import task_head
from situs.analysis.token_counts import counters
from situs.config.analysis import Analysis
from situs.core.capability import CapabilityClass
from situs.core.heads import Encode, Heads, Seen
from situs.core.route import Route
from situs.core.snapshot import Confidences
from situs.errors import OperatorError
from situs.learning.artefacts import Artefact, shipped
from situs.learning.confidence import HEAD, confidences_of
from situs.learning.versions import chosen, open_version
from situs.runtimes.encoder import load_encoder
from situs.runtimes.vectors import kept_vectors, vectors_file

_log = logging.getLogger(__name__)
_OF_VECTORS = ("deep_", "vectors")
"""How arrays begin that go with one encoder."""

LEARNED = frozenset({"task", "complexity", "length", "tokens"})
"""Heads that rules can stand in for."""

CACHE = "cache"
"""In the data directory: what may be deleted at any time."""

DEEP_PACKAGES = ("onnxruntime", "tokenizers")
"""What the deep tier needs besides its artefact: the extra `local` installs them."""


REQUEST = frozenset({"task", "complexity", "length", "names", "tokens", "encoder"})
"""The heads that every gateway asks; that of routes only where routes have samples."""


def load_heads(settings: Analysis, data: Path, heads: Collection[str] | None = None) -> Heads:
    """The heads that the configuration names, else those of the package: all, or only `heads`.

    Takes some tens of milliseconds; the deep tier's model is loaded when it is first asked.
    Raises OperatorError for an artefact that is not there, or not what its card says.
    """
    found = chosen(settings.artefacts, data, heads)
    if not settings.learned:
        found = {head: one for head, one in found.items() if head not in LEARNED}
    deep = found.pop("encoder")
    fitting = {head: _fitting(artefact, deep) for head, artefact in found.items()}
    made = {head: _made(make, fitting[head]) for head, make in _MAKERS.items() if head in fitting}
    if "names" in found:
        made["name_kinds"] = tuple(found["names"].card.settings["kinds"])
    if one := fitting.get("capability"):
        made["capable"] = _made(lambda one: capability_head(one.arrays, one.card.settings), one)
    encode = encoder(deep) if settings.deep else None
    if encode is not None:
        found["encoder"] = deep
    return Heads(
        **made,
        encode=encode,
        finds_names=settings.names,
        digests={head: artefact.digest for head, artefact in found.items()},
    )


def acceptable_head(
    settings: Analysis, data: Path, models: Mapping[str, CapabilityClass]
) -> Callable[[Seen], dict[str, float]] | None:
    """What says how probable an acceptable answer of these models is; None: nothing does.

    Raises OperatorError as `load_heads` does.
    """
    if not settings.learned or len(models) < 2:
        return None
    one = open_version("capability", settings.artefacts.get("capability"), data)
    return of_models(_made(lambda one: capability_head(one.arrays, one.card.settings), one), models)


def load_confidences(settings: Analysis, data: Path) -> Confidences:
    """What answers are judged by, where the configuration names a version. Raises OperatorError."""
    version = settings.artefacts.get(HEAD)
    return Confidences() if version is None else confidences_of(open_version(HEAD, version, data))


_MAKERS: dict[str, Callable[[Artefact], Any]] = {
    "task": lambda one: task_head(one.arrays, one.card.settings),
    "complexity": lambda one: complexity_head(one.arrays, one.card.settings),
    "length": lambda one: length_head(one.arrays, one.card.settings),
    "names": lambda one: tagger(one.arrays, one.card.settings),
    "tokens": lambda one: counters(one.arrays, one.card.settings),
    "routes": lambda one: ground(one.arrays, one.card.settings),
}
"""By head: from its artefact to its function."""


def _made(make: Callable[[Artefact], Any], artefact: Artefact) -> Any:
    try:
        return make(artefact)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise OperatorError(
            f"The artefact in {artefact.folder} is not what the head {artefact.card.head} expects: "
            f"{type(error).__name__}.",
            do="Use another version: name it under analysis.artefacts, or leave it out.",
        ) from error


def _fitting(artefact: Artefact, deep: Artefact) -> Artefact:
    """The artefact without what was learned from the vectors of another encoder."""
    if artefact.card.settings.get("encoder", deep.digest) == deep.digest:
        return artefact
    _log.warning("%s was fitted to another encoder; its deep tier is off", artefact.card.head)
    own = {name: kept for name, kept in artefact.arrays.items() if not name.startswith(_OF_VECTORS)}
    return replace(artefact, arrays=own)


def encoder(artefact: Artefact | None = None) -> Encode | None:
    """The deep tier, by default that of the package; None where what it needs is not installed."""
    if any(importlib.util.find_spec(one) is None for one in DEEP_PACKAGES):
        return None
    return load_encoder(shipped("encoder") if artefact is None else artefact.folder)


def sample_vectors(routes: Mapping[str, Route], heads: Heads, data: Path) -> dict[str, Any]:
    """The vectors that fitting routes takes, from the data directory where they are there.

    Nothing without a deep tier. Takes some 1.5 ms for a sample that was never seen.
    """
    samples = {name: route.samples for name, route in routes.items() if route.samples}
    if heads.encode is None or not samples:
        return {}
    texts = [one for one in needed(samples, heads.routes) if one not in heads.routes.vectors]
    return kept_vectors(texts, heads.encode, vectors_file(data / CACHE, heads.digests["encoder"]))
