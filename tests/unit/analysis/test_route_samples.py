"""Samples of routes: the nearest route, and none rather than a forced one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.analysis.route_samples import HEAD, features, index, nearest

SAMPLES = {
    "billing": (
        "why is my invoice higher than last month",
        "I was charged twice, please refund one of them",
        "can I pay the bill in two parts",
        "there is a charge on my invoice that I do not know",
        "when is the bill due",
        "send me a copy of the invoice for May",
    ),
    "shipping": (
        "where is my parcel",
        "the package has not arrived yet",
        "can you deliver the parcel to another address",
        "how long does delivery take",
        "track my shipment please",
        "my parcel arrived damaged",
    ),
}
INDEX = index(SAMPLES)


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("My invoice is higher than it was, why?", "billing"),
        ("please refund the charge on the bill", "billing"),
        ("has my parcel been delivered?", "shipping"),
        ("WHERE IS THE PACKAGE", "shipping"),
        *((sample, route) for route, samples in SAMPLES.items() for sample in samples),
    ],
)
def test_a_text_like_the_samples_is_of_the_route(text, route):
    found = nearest(INDEX, text)
    assert found is not None
    assert found[0] == route
    assert 0 < found[1] <= 1


@pytest.mark.parametrize(
    "text",
    [
        "write a poem about the sea in autumn",
        "def f(x): return x + 1",
        "什么是爱",
        "?!",
        "",
        "qq",
    ],
)
def test_a_text_like_none_of_them_is_of_no_route(text):
    assert nearest(INDEX, text) is None


def test_a_sample_itself_scores_higher_than_a_part_of_it():
    whole, part = "send me a copy of the invoice for May", "a copy of the invoice"
    scores = [nearest(INDEX, text) for text in (whole, part)]
    assert scores[0] is not None
    assert scores[1] is not None
    assert scores[0][1] > scores[1][1]


def test_one_route_with_one_sample_is_enough_and_rejects_the_rest():
    alone = index({"billing": ("why is my invoice so high",)})
    assert nearest(alone, "why is my invoice so high") is not None
    assert nearest(alone, "tell me a story about dragons") is None


def test_only_the_head_of_a_text_is_looked_at():
    text = "where is my parcel " + "x" * HEAD
    assert nearest(INDEX, text) == nearest(INDEX, text + "why is my invoice so high")


@given(st.text())
def test_any_text_has_an_answer_and_twice_the_same(text):
    found = nearest(INDEX, text)
    assert found == nearest(INDEX, text)
    assert found is None or (found[0] in SAMPLES and 0 <= found[1] <= 1)


@given(st.text(min_size=1))
def test_what_is_looked_at_is_bounded(text):
    """At most one number for each of four bytes a character, and a word for each two."""
    assert features(text * HEAD) == features((text * HEAD)[:HEAD])
    assert len(features("\ufdfa" + text * HEAD)) <= 5 * HEAD


@given(st.lists(st.text(min_size=1), min_size=1), st.lists(st.text(min_size=1), min_size=1))
def test_any_samples_make_an_index(one, other):
    found = index({"one": one, "other": other})
    assert all(0 <= threshold <= 1.001 for threshold in found.thresholds)
    for text in (*one, *other):
        nearest(found, text)


def test_another_process_scores_the_same():
    """Words are hashed with another seed there; no order of a set may show."""
    script = (
        "from tests.unit.analysis.test_route_samples import INDEX, nearest\n"
        "print(INDEX.thresholds, nearest(INDEX, 'please refund my invoice for the parcel'))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert "billing" in said.pop()
