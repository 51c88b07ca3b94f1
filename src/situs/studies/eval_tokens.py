"""How far estimated token counts are from real ones: `situs eval tokens`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from situs.analysis.token_families import UNKNOWN, family_of
from situs.errors import OperatorError

Row = Mapping[str, Any]


class _Counted(Struct, frozen=True):
    """One row: what its tokens are grouped by, how many there are, and the estimate."""

    kind: str
    family: str
    tokens: int
    estimate: float

    @property
    def error(self) -> float:
        """Above 0: estimated too high. As a part of the real count."""
        return (self.estimate - self.tokens) / self.tokens


def evaluate(
    rows: Sequence[Row],
    count: Callable[[bytes, str], float] | None,
    exact: Mapping[str, Callable[[str], int]] | None = None,
) -> dict[str, Any]:
    """The figures for rows `{text, family, tokens, kind?}`; fractions, None where none applies.

    A family is one of ours, or a model's or tokenizer's name. `exact` counts for the families
    whose tokenizer is at hand. Rows of no tokens are left out of errors and counted. `by_kind` is
    by the rows' kind, or by their family where no row has one. Raises OperatorError without
    `count`.
    """
    if count is None:
        raise OperatorError(
            "There is no artefact that estimates tokens.",
            do="Install the package again, or set analysis.artefacts to one that is there.",
        )
    known = exact or {}
    kinds = any(row.get("kind") for row in rows)
    counted = []
    for row in rows:
        family = str(row["family"])
        kind = str(row.get("kind") or "-") if kinds else family
        reckon = known.get(family) or known.get(family_of(family))
        text = str(row["text"])
        estimate = (
            float(reckon(text))
            if reckon is not None
            else count(text.encode("utf-8", "replace"), family)
        )
        counted.append(_Counted(kind, family, int(row["tokens"]), estimate))
    told = [one for one in counted if one.tokens]
    return {
        **_figures(told),
        "by_kind": _grouped(told, lambda one: one.kind),
        "by_family": _grouped(told, lambda one: one.family),
        "without_tokens": len(counted) - len(told),
        "unknown_families": sorted(
            {one.family for one in counted if family_of(one.family) == UNKNOWN}
        ),
    }


def _grouped(rows: Iterable[_Counted], key: Callable[[_Counted], str]) -> dict[str, Any]:
    groups: dict[str, list[_Counted]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: {"rows": len(group), **_figures(group)} for name, group in sorted(groups.items())}


def _figures(rows: Sequence[_Counted]) -> dict[str, float | None]:
    """`bias` is the mean error with its sign, `total_error` that of all rows' tokens together."""
    if not rows:
        return dict.fromkeys(
            ("mean_abs_pct_error", "p95_abs_pct_error", "bias", "total_error", "exact_share")
        )
    errors = np.array([row.error for row in rows])
    real = sum(row.tokens for row in rows)
    return {
        "mean_abs_pct_error": float(np.abs(errors).mean()),
        "p95_abs_pct_error": float(np.percentile(np.abs(errors), 95)),
        "bias": float(errors.mean()),
        "total_error": sum(row.estimate for row in rows) / real - 1.0,
        "exact_share": sum(round(row.estimate) == row.tokens for row in rows) / len(rows),
    }
