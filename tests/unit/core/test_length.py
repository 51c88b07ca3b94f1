"""What of a reported usage can be."""

from __future__ import annotations

import pytest

from situs.core.length import possible
from situs.core.record import Usage


@pytest.mark.parametrize(
    ("said", "most", "found"),
    [
        (Usage(30, 40, 10), None, Usage(30, 40, 10)),
        (Usage(30, 9_900_000), None, Usage(30, 500 + 40_000)),
        (Usage(30, 9_900_000), 100, Usage(30, 500 + 100)),
        (Usage(9_900_000, 40, 9_900_000), None, Usage(20_200, 40, 20_200)),
    ],
)
def test_what_cannot_be_is_bounded(said, most, found):
    assert possible(said, 200, 500, 2.0, most) == found


def test_what_was_thought_unseen_is_learned():
    said = Usage(30, 25_000, reasoning_tokens=24_990)
    assert possible(said, 200, 500, 10.0, None) == said
