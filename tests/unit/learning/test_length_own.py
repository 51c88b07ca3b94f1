"""The length head, adapted to own answers."""

from __future__ import annotations

import numpy as np
import pytest

from situs.analysis.effort import BITS, length_head
from situs.analysis.features import see
from situs.learning.length_own import LEAST, Length, adapt

ARRAYS = {
    "table": np.zeros((1 << BITS, 1), np.int8),
    "scale": np.ones(1, np.float32),
    "base": np.array([[3, 0.5, 0], [5, 0, 0]], np.float32),
    "spread": np.array([[-0.5, 0.5], [-1, 1]], np.float32),
}
SETTINGS = {"tasks": ["code"], "weights": {"code": 1.0}}
COUNTS = range(100, 200)


@pytest.mark.parametrize("text", ["write a function", None])
@pytest.mark.parametrize("task", ["code", "chat"])
def test_the_bounds_hold_four_out_of_five(task, text):
    head = length_head(*adapt(ARRAYS, SETTINGS, [Length(task, n, text) for n in COUNTS]))
    span = head(see(text or "anything"), task)
    assert span.expected == pytest.approx(np.median(COUNTS), rel=0.02)
    assert sum(span.low <= n <= span.high for n in COUNTS) == pytest.approx(80, abs=2)


def test_other_tasks_stay_and_few_answers_change_nothing():
    before, seen = length_head(ARRAYS, SETTINGS), see("write a function")
    few = length_head(*adapt(ARRAYS, SETTINGS, [Length("code", 100)] * (LEAST - 1)))
    other = length_head(*adapt(ARRAYS, SETTINGS, [Length("chat", n) for n in COUNTS]))
    assert few(seen, "code") == other(seen, "code") == before(seen, "code")
    assert other(seen, "advice") == before(seen, "advice")


def test_size_still_counts_where_prompts_are_known():
    lengths = [Length("code", 10 * n, "x" * n) for n in range(1, 100)]
    head = length_head(*adapt(ARRAYS, SETTINGS, lengths))
    assert head(see("x" * 90), "code").expected > head(see("x" * 9), "code").expected
