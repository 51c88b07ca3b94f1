"""What a usual request is like."""

from __future__ import annotations

import pytest
from tests.unit.stores.writing import indexed

from situs.stores.usual import usual_tokens

AT = 1.75e9
"""About when the requests of `serve` ended."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return indexed(tmp_path_factory.mktemp("usual") / "data", *range(120))


def test_it_is_the_mean_of_a_week(data):
    assert usual_tokens(data, AT) == (512.0, 200.0)


def test_of_requests_that_are_older_nothing_is_said(data):
    assert usual_tokens(data, AT + 8 * 86_400) is None


def test_without_an_index_nothing_is_said(tmp_path):
    assert usual_tokens(tmp_path, AT) is None
