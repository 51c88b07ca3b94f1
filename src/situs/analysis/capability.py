"""How probable an acceptable answer of a model is: from words, shape and subject of a prompt.

What is learned from is who was right: results of models on the same questions. The encoder's vector
makes it surer. Where a prompt is unlike all of those questions, the head says unsure and only the
shape speaks: that carries over from one kind of question to another, words do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.analysis.capability_shape import Numbers, shape
from situs.core.capability import CapabilityClass
from situs.core.heads import Guess, Seen

_NOT_NAME = re.compile(r"[^a-z0-9]+")
_SHARP, _SHARP_BY_VECTOR = 60, 20
_LEAST, _STEP = 0.01, 0.75
_CLASSES = {str(one): one for one in CapabilityClass}


class Words(Struct, frozen=True):
    """The words and pairs that a table knows: their hashes, sorted, and how rare they are."""

    known: NDArray[np.uint32]
    rarity: Numbers

    def weigh(self, hashes: NDArray[np.uint32], counts: NDArray[np.intp]) -> Weighed:
        """Each weighs (1 + log of its count) x rarity; together they have length 1."""
        if not len(self.known):
            return Weighed(np.zeros(0, np.intp), np.zeros(0, np.float32))
        places = np.minimum(np.searchsorted(self.known, hashes), len(self.known) - 1)
        met = self.known[places] == hashes
        places = places[met]
        weights = (1 + np.log(counts[met])).astype(np.float32) * self.rarity[places]
        length = float(np.sqrt(weights @ weights)) or 1.0
        return Weighed(places, weights / np.float32(length))


class Weighed(Struct, frozen=True):
    """Rows of a table and what each weighs."""

    places: NDArray[np.intp]
    weights: Numbers

    def times(self, table: Numbers) -> Numbers:
        """The table may be of small integers; only its picked rows are multiplied."""
        found: Numbers = self.weights @ table[self.places].astype(np.float32)
        return found


class Subjects(Struct, frozen=True):
    """Tells the subject of a question, as shares of one."""

    words: Words
    table: Numbers
    scale: Numbers
    offset: Numbers

    def shares(self, hashes: NDArray[np.uint32], counts: NDArray[np.intp]) -> Numbers:
        scores = self.words.weigh(hashes, counts).times(self.table) * self.scale + self.offset
        return _shares(_SHARP * scores)


class VectorSubjects(Struct, frozen=True):
    """The same from the encoder's vector."""

    table: Numbers
    offset: Numbers

    def shares(self, vector: Numbers) -> Numbers:
        return _shares(_SHARP_BY_VECTOR * (vector @ self.table + self.offset))


def _shares(scores: Numbers) -> Numbers:
    powers = np.exp(scores - scores.max())
    found: Numbers = powers / powers.sum()
    return found


class Shapes(Struct, frozen=True):
    """Shapes seen before: mean and spread, typical ones, and how far from those is far."""

    mean: Numbers
    spread: Numbers
    typical: Numbers
    far: float

    def scaled(self, shaped: Numbers) -> Numbers:
        found: Numbers = np.clip((shaped - self.mean) / self.spread, -3, 3)
        return found

    def novelty(self, scaled: Numbers) -> float:
        """Above 1: farther from all typical shapes than those learned from, but for a few."""
        apart = self.typical - scaled
        return float(np.sqrt((apart * apart).sum(1).min())) / self.far


class Deep(Struct, frozen=True):
    """What the encoder's vector adds to a fit, and how much words, shape and subject then count."""

    mix: Numbers
    by_vector: Numbers
    by_subject: Numbers
    offset: Numbers

    def added(self, vector: Numbers, subjects: Numbers) -> Numbers:
        found: Numbers = self.offset + vector @ self.by_vector
        return found + subjects @ self.by_subject if len(self.by_subject) else found


class Fit(Struct, frozen=True):
    """What one set of results taught: P(right) of its models by words, by shape, by subject.

    Each is a regression of its own; they are added as `mix` says, which ranks better than one
    regression on all.
    """

    models: tuple[str, ...]
    words: Words
    strange: float
    shapes: Shapes
    directions: Numbers
    phases: Numbers
    table: Numbers
    scale: Numbers
    by_shape: Numbers
    by_subject: Numbers
    alone: Numbers
    offset: Numbers
    mix: Numbers
    deep: Deep | None = None

    def novelty(self, text: Text) -> float:
        """Above 1: of another shape than what was learned from, or in words not met there."""
        known = self.words.known
        places = np.minimum(np.searchsorted(known, text.words), len(known) - 1)
        unknown = float((known[places] != text.words).mean()) if len(known) * len(text.words) else 0
        return max(self.shapes.novelty(self.shapes.scaled(text.shape)), unknown / self.strange)

    def answers(self, text: Text, novelty: float) -> Numbers:
        """P(right) for each model; of a text unlike those learned from, linear in its shape."""
        scaled = self.shapes.scaled(text.shape)
        if novelty > 1:
            return self.offset + scaled @ self.alone
        by_shape = waves(scaled, self.directions, self.phases) @ self.by_shape
        by_words = self.words.weigh(text.hashes, text.counts).times(self.table) * self.scale
        deep = self.deep if len(text.vector) else None
        words, shaped, subject = self.mix if deep is None else deep.mix
        found: Numbers = self.offset + words * by_words + shaped * by_shape
        if len(self.by_subject):
            found = found + subject * (text.subjects @ self.by_subject)
        return found if deep is None else found + deep.added(text.vector, text.deep_subjects)


class Text(Struct, frozen=True):
    """A prompt as the head sees it."""

    words: NDArray[np.uint32]
    hashes: NDArray[np.uint32]
    counts: NDArray[np.intp]
    shape: Numbers
    subjects: Numbers
    vector: Numbers
    deep_subjects: Numbers


def waves(scaled: Numbers, directions: Numbers, phases: Numbers) -> Numbers:
    """Random Fourier features: products of them are near a Gaussian kernel (Rahimi, Recht 2007)."""
    found: Numbers = np.cos(scaled @ directions + phases) * np.float32(np.sqrt(2 / len(phases)))
    return found


class Capability(Struct, frozen=True):
    """The head: results of several sets, of which the one most like the prompt answers; all where
    none is like it.

    `models` are the names it knows; any other is answered as a capability class. A vector is of no
    use where it says unsure without one.
    """

    fits: tuple[Fit, ...]
    subjects: Subjects | None
    classes: Mapping[str, CapabilityClass]
    deep_subjects: VectorSubjects | None = None

    def __call__(self, seen: Seen, model: str, vector: Any | None = None) -> Guess:
        """P(acceptable answer) of a model by its name, or of a class by that of the class."""
        return self.answers(seen, (model,), vector)[0]

    @property
    def models(self) -> frozenset[str]:
        return frozenset(name for fit in self.fits for name in fit.models)

    @property
    def reads_vectors(self) -> bool:
        return any(fit.deep is not None for fit in self.fits)

    def answers(self, seen: Seen, models: Sequence[str], vector: Any | None = None) -> list[Guess]:
        """As for one model; several cost little more."""
        text = self.text(seen, vector)
        novelties = [fit.novelty(text) for fit in self.fits]
        found: dict[int, Numbers] = {}
        said = []
        for model in models:
            name = plain(model)
            able = [at for at, fit in enumerate(self.fits) if name in fit.models]
            able = able or list(range(len(self.fits)))
            nearest = min(able, key=novelties.__getitem__)
            unsure = novelties[nearest] > 1
            speak = able if unsure else [nearest]
            for at in speak:
                if at not in found:
                    found[at] = self.fits[at].answers(text, novelties[at])
            chances = [self._chance(self.fits[at], found[at], name) for at in speak]
            chance = sum(chances) / len(chances)
            said.append(Guess(model, min(max(chance, _LEAST), 1 - _LEAST), unsure))
        return said

    def text(self, seen: Seen, vector: Any | None = None) -> Text:
        hashes, counts = np.unique(np.concatenate([seen.words, seen.pairs]), return_counts=True)
        words, none = np.unique(seen.words), np.zeros(0, np.float32)
        shares = none if self.subjects is None else self.subjects.shares(hashes, counts)
        if vector is None:
            return Text(words, hashes, counts, shape(seen), shares, none, none)
        told = none if self.deep_subjects is None else self.deep_subjects.shares(vector)
        return Text(words, hashes, counts, shape(seen), shares, vector, told)

    def _chance(self, fit: Fit, chances: Numbers, name: str) -> float:
        if name in fit.models:
            return float(chances[fit.models.index(name)])
        given = self.classes.get(name) or _CLASSES.get(name, CapabilityClass.MEDIUM)
        by_class: dict[CapabilityClass, list[float]] = {}
        for model, chance in zip(fit.models, chances.tolist(), strict=True):
            by_class.setdefault(self.classes.get(model, CapabilityClass.MEDIUM), []).append(chance)
        return ladder({one: sum(all_) / len(all_) for one, all_ in by_class.items()})[given]


def of_models(
    head: Capability, models: Mapping[str, CapabilityClass]
) -> Callable[[Seen], dict[str, float]] | None:
    """What the head says of these models (by name, with their classes); None: it knows none.

    Those that it does not know are asked for as their class, so that all are measured alike: what
    exams say of one, and a class of another, cannot be compared. Of a prompt that is unlike what
    the models were seen at, it says nothing.
    """
    known = {name for name in models if plain(name) in head.models}
    if not known or len(models) < 2:
        return None
    asked = [name if name in known else str(able) for name, able in models.items()]

    def acceptable(seen: Seen) -> dict[str, float]:
        said = dict(zip(models, head.answers(seen, asked), strict=True))
        if all(said[name].unsure for name in known):
            return {}
        return {name: round(one.probability, 4) for name, one in said.items() if not one.unsure}

    return acceptable


def ladder(known: Mapping[CapabilityClass, float]) -> dict[CapabilityClass, float]:
    """A chance for every class, never less for a higher one.

    One without results has those of the nearest one below it, else `_STEP` of the one above it.
    """
    found: dict[CapabilityClass, float] = {}
    below = 0.0
    for one in CapabilityClass:
        if one in known:
            below = max(below, known[one])
        found[one] = below
    lowest = next((one for one in CapabilityClass if one in known), None)
    above = 0.5 if lowest is None else found[lowest]
    for one in reversed(CapabilityClass):
        if lowest is None or one < lowest:
            above *= _STEP
            found[one] = above
    return {**found, CapabilityClass.RULE: 0.0}


def plain(name: str) -> str:
    """A model's name as results are kept under: without publisher, case and punctuation."""
    return _NOT_NAME.sub("-", name.rpartition("/")[2].casefold()).strip("-")


def capability_head(arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> Capability:
    """The head from an artefact: settings `fits` (each with `models`) and `classes`."""
    fits = tuple(_fit(arrays, at, one["models"]) for at, one in enumerate(settings["fits"]))
    classes = {name: CapabilityClass(one) for name, one in settings["classes"].items()}
    return Capability(fits, subjects_of(arrays), classes, vector_subjects_of(arrays))


def subjects_of(arrays: Mapping[str, Any]) -> Subjects | None:
    """What tells subjects, where an artefact has it."""
    if "subjects.table" not in arrays:
        return None
    return Subjects(
        Words(arrays["subjects.known"], _floats(arrays["subjects.rarity"])),
        arrays["subjects.table"],
        arrays["subjects.scale"],
        arrays["subjects.offset"],
    )


def vector_subjects_of(arrays: Mapping[str, Any]) -> VectorSubjects | None:
    """What tells them from vectors, likewise."""
    if "deep_subjects.table" not in arrays:
        return None
    return VectorSubjects(_floats(arrays["deep_subjects.table"]), arrays["deep_subjects.offset"])


def _fit(arrays: Mapping[str, Any], at: int, models: Sequence[str]) -> Fit:
    def part(name: str) -> Any:
        return arrays[f"{at}.{name}"]

    typical = _floats(part("typical"))
    return Fit(
        models=tuple(models),
        words=Words(part("known"), _floats(part("rarity"))),
        strange=float(part("strange")),
        shapes=Shapes(part("mean"), part("spread"), typical, float(part("far"))),
        directions=_floats(part("directions")),
        phases=part("phases"),
        table=part("table"),
        scale=part("scale"),
        by_shape=part("by_shape"),
        by_subject=part("by_subject"),
        alone=part("alone"),
        offset=part("offset"),
        mix=part("mix"),
        deep=_deep(arrays, f"deep_{at}."),
    )


def _deep(arrays: Mapping[str, Any], start: str) -> Deep | None:
    names = [start + name for name in ("mix", "by_vector", "by_subject", "offset")]
    return Deep(*(_floats(arrays[name]) for name in names)) if names[0] in arrays else None


def _floats(values: Any) -> Numbers:
    """Kept in half the space, computed in full."""
    found: Numbers = values.astype(np.float32)
    return found
