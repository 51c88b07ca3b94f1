"""Figures of token counts, on rows small enough to count by hand."""

import pytest

from situs.errors import OperatorError
from situs.studies.eval_tokens import evaluate


def row(text, family, tokens, kind=None):
    return {"text": text, "family": family, "tokens": tokens, "kind": kind}


def by_bytes(data, family):
    return float(len(data))


def test_errors_are_parts_of_the_real_count():
    seen = evaluate([row("aaaa", "x", 5), row("aaaaaa", "x", 4), row("aa", "x", 2)], by_bytes)
    assert seen["mean_abs_pct_error"] == pytest.approx((0.2 + 0.5 + 0) / 3)
    assert seen["bias"] == pytest.approx((-0.2 + 0.5) / 3)
    assert seen["total_error"] == pytest.approx(12 / 11 - 1)
    assert seen["exact_share"] == pytest.approx(1 / 3)


def test_kinds_are_the_rows_own_or_else_their_families():
    named = evaluate([row("a", "x", 1, "code"), row("a", "y", 2)], by_bytes)
    assert {name: kind["rows"] for name, kind in named["by_kind"].items()} == {"code": 1, "-": 1}
    without = evaluate([row("a", "x", 1), row("a", "y", 2)], by_bytes)
    assert without["by_kind"] == without["by_family"]
    assert without["by_kind"]["y"]["mean_abs_pct_error"] == 0.5


def test_rows_of_no_tokens_have_no_error():
    seen = evaluate([row("", "x", 0)], by_bytes)
    assert seen["without_tokens"] == 1
    assert seen["mean_abs_pct_error"] is None
    assert seen["by_kind"] == {}


def test_a_tokenizer_at_hand_counts_instead_of_the_estimate():
    rows = [row("aaaa", "smollm2", 2), row("aaaa", "SmolLM2-135M", 2), row("aa", "qwen", 1)]
    seen = evaluate(rows, by_bytes, {"smollm2": lambda text: len(text) // 2})
    assert [seen["by_family"][name]["bias"] for name in ("smollm2", "SmolLM2-135M", "qwen")] == [
        0,
        0,
        1,
    ]


def test_families_that_nobody_knows_are_named():
    assert evaluate([row("a", "x9", 1), row("a", "qwen", 1)], by_bytes)["unknown_families"] == [
        "x9"
    ]


def test_without_an_artefact_there_is_nothing_to_measure():
    with pytest.raises(OperatorError, match="no artefact that estimates tokens"):
        evaluate([row("a", "x", 1)], None)
