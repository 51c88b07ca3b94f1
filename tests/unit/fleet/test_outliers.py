"""Who is ejected: far worse than the others of its model, and never too many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.fleet.outliers import Standing, outliers


def rate(failed, slowness=None):
    return Standing(20.0, failed, slowness)


def slow(slowness, **more):
    return Standing(0.0, 0.0, slowness, **more)


SHUT, OUT = Standing(0.0, 0.0, shut=True), Standing(0.0, 0.0, shut=True, ejected=True)


@pytest.mark.parametrize(
    ("group", "out"),
    [
        ([rate(0), rate(8)], []),
        ([rate(0), rate(0), rate(8)], [(2, "error_rate")]),
        ([rate(0), rate(0), rate(2)], []),
        ([rate(6), rate(9), rate(10)], []),
        ([rate(0), rate(0), Standing(5.0, 5.0)], []),
        ([slow(1.0), slow(1.2), slow(3.5)], [(2, "latency")]),
        ([slow(1.0), slow(1.2), slow(3.0)], []),
        ([slow(9.0), slow(9.0), slow(9.0)], []),
        ([slow(0.1), slow(9.0), slow(9.0)], []),
        ([slow(1.0), slow(9.0), slow(None)], []),
        ([rate(0), rate(8), OUT], []),
        ([rate(0), rate(0), rate(8), SHUT], []),
        ([rate(0), rate(0), rate(0), rate(8), SHUT], [(3, "error_rate")]),
        ([rate(8), *[rate(0)] * 5, rate(10)], [(6, "error_rate"), (0, "error_rate")]),
        ([rate(9), rate(10), *[rate(0)] * 8], [(1, "error_rate"), (0, "error_rate")]),
        ([rate(8, 9.0), rate(0, 1.0), rate(0, 1.0)], [(0, "error_rate")]),
    ],
)  # fmt: skip
def test_who_is_an_outlier(group, out):
    assert outliers(group) == out


standings = st.builds(
    lambda asked, share, slowness, shut, ejected: Standing(
        asked, asked * share, slowness, shut or ejected, ejected
    ),
    st.floats(0, 100),
    st.floats(0, 1),
    st.none() | st.floats(0.01, 100),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(standings, max_size=12))
def test_most_stay(group):
    found = outliers(group)
    places = [place for place, _ in found]
    assert len(set(places)) == len(places)
    assert not any(group[place].shut for place in places)
    if found:
        out = len(found) + sum(one.ejected for one in group)
        assert out <= max(1, 0.3 * len(group))
        assert sum(not one.shut for one in group) - len(found) > len(group) / 2
