"""How well routes are found by their samples: `situs eval routes`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from situs.analysis.route_match import Match, closer, first
from situs.analysis.route_samples import Index, index, needed
from situs.core.heads import Encode, Ground, Heads
from situs.errors import OperatorError
from situs.studies.metrics import auroc, macro_f1, percentile

OUT_OF_SCOPE = "oos"


class _Told(Struct, frozen=True):
    match: Match
    ms: float
    deep: bool


def evaluate(
    train: Sequence[Mapping[str, Any]],
    test: Sequence[Mapping[str, Any]],
    heads: Heads,
    tier: str = "auto",
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """The figures over rows of `text` and `label` (none or `oos`: of no route).

    Routes are fitted on `train` alone; rows of no route there join the ordinary texts that must be
    rejected. `tier` is `fast`, `deep` (all rows are encoded) or `auto` (those that the fast tier is
    unsure of). Raises OperatorError without a sample, or for `deep` without an encoder.
    """
    samples, of_none = _samples(train)
    if not samples:
        raise OperatorError(
            "There is no row with a route to learn from.", do="Give --train rows with a label."
        )
    if tier == "deep" and heads.encode is None:
        raise OperatorError(
            "The deep tier needs an encoder, and there is none.",
            do="Install the extra local, or use --tier fast.",
        )
    ordinary = (*heads.routes.ordinary, *of_none)
    ground = Ground(heads.routes.gist, ordinary, heads.routes.vectors)
    encode = None if tier == "fast" else heads.encode
    began = clock()
    found = _index(samples, ground, encode)
    fitted = clock() - began
    if test:
        _tell(found, test[0]["text"], encode, tier, clock)
    told = [_tell(found, row["text"], encode, tier, clock) for row in test]
    return {**_figures([_label(row) for row in test], told), "fit_s": round(fitted, 3)}


def _samples(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    samples: dict[str, list[str]] = {}
    of_none = []
    for row in rows:
        label = _label(row)
        if label is None:
            of_none.append(row["text"])
        else:
            samples.setdefault(label, []).append(row["text"])
    return samples, tuple(of_none)


def _label(row: Mapping[str, Any]) -> str | None:
    label = row.get("label")
    return None if label is None or label == OUT_OF_SCOPE else str(label)


def _index(samples: Mapping[str, Sequence[str]], ground: Ground, encode: Encode | None) -> Index:
    if encode is None:
        return index(samples, ground)
    known = ground.vectors
    vectors = {
        text: known[text] if text in known else _vector(text, encode)
        for text in needed(samples, ground)
    }
    return index(samples, ground, vectors)


def _vector(text: str, encode: Encode) -> Any:
    """Within a budget an encoder may give None; for a sample it is asked again."""
    for _ in range(5):
        if (vectors := encode((text,))) is not None:
            return vectors[0]
    raise OperatorError(
        "The encoder does not encode a sample within the budget.",
        do="Give a larger --budget, or use --tier fast.",
    )


def _tell(
    routes: Index, text: str, encode: Encode | None, tier: str, clock: Callable[[], float]
) -> _Told:
    began = clock()
    look = first(routes, text, always=tier == "deep")
    match, deep = look.match, False
    if look.unsure and encode is not None and (vectors := encode(look.unsure)) is not None:
        match, deep = closer(routes, look.unsure, vectors), True
    return _Told(match, (clock() - began) * 1e3, deep)


def _figures(gold: Sequence[str | None], told: Sequence[_Told]) -> dict[str, Any]:
    pairs = list(zip(gold, told, strict=True))
    inside = [one for label, one in pairs if label is not None]
    labels = [label for label in gold if label is not None]
    right = [one.match.name == label for label, one in zip(labels, inside, strict=True)]
    nearest = [one.match.nearest == label for label, one in zip(labels, inside, strict=True)]
    outside = [one for label, one in pairs if label is None]
    rejected = [label for label, one in pairs if one.match.name is None]
    caught = sum(label is None for label in rejected)
    times = [one.ms for one in told]
    return {
        "overall_accuracy": _share(sum(right) + caught, len(told)),
        "in_scope_accuracy": _share(sum(right), len(inside)),
        "closed_set_accuracy": _share(sum(nearest), len(inside)),
        "oos_recall": _share(caught, len(outside)),
        "oos_precision": _share(caught, len(rejected)),
        "auroc": auroc([o.match.score for o in inside], [o.match.score for o in outside]),
        "macro_f1": macro_f1(
            [OUT_OF_SCOPE if label is None else label for label in gold],
            [OUT_OF_SCOPE if one.match.name is None else one.match.name for one in told],
        ),
        "p50_ms": percentile(times, 0.5),
        "p99_ms": percentile(times, 0.99),
        "deep_share": _share(sum(one.deep for one in told), len(told)),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
