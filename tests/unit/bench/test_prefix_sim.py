"""The simulation of prefix affinity counts what it says."""

import argparse
import random

import pytest
from bench.prefix_sim import RULES, Asked, Node, ideal, simulate


def conversations(count: int = 40, turns: int = 5) -> list[Asked]:
    """All begin with block 0; each turn adds two blocks, and waits for the others'."""
    source, at, trace = random.Random(1), 0.0, []
    for turn in range(1, turns + 1):
        for one in source.sample(range(count), count):
            blocks = (0, *(1000 * (one + 1) + k for k in range(2 * turn)))
            at += 1.0
            trace.append(Asked(at, 512 * len(blocks), 10, blocks))
    return trace


def given(blocks: int) -> argparse.Namespace:
    return argparse.Namespace(nodes=4, blocks=blocks, speed=500.0)


def test_a_node_forgets_what_was_used_longest_ago_and_the_end_first():
    node = Node(4)
    node.read([1, 2, 3])
    node.read([1, 7, 8])
    assert node.matched([1, 7, 8]) == 3
    assert node.matched([1, 2, 3]) == 2
    assert node.matched([9]) == 0


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_finds_more_than_there_is(rule):
    trace = conversations()
    row = simulate(trace, RULES[rule](), given(10_000))
    assert 0.0 < row["hit"] <= ideal(trace, 1 << 30)
    assert row["max_over_mean"] >= 1.0


def test_situs_finds_nearly_all_of_it_and_round_robin_does_not():
    trace = conversations()
    rows = {
        name: simulate(trace, RULES[name](), given(10_000)) for name in ("situs", "round_robin")
    }
    assert rows["situs"]["hit"] > 0.95 * ideal(trace, 1 << 30)
    assert rows["round_robin"]["hit"] < 0.7 * rows["situs"]["hit"]
    assert rows["situs"]["max_over_mean"] < 1.3
