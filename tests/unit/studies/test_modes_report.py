"""What copies say of a place, in figures and in a sentence."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.stores.test_comparisons import ROW

from situs.studies.modes_report import FEW, report

DEAR = 140 * (ROW.cost or 0.0)

ALIKE = replace(ROW, same=True, similarity=1.0)


def rows(count, one=ALIKE, **fields):
    return [replace(one, id=f"req_{n}", **fields) for n in range(count)]


def test_the_figures_are_ratios_of_the_copies_to_what_was_served():
    (group,) = report(rows(40))
    assert (group.copies, group.failed) == (40, 0)
    assert (group.route, group.task, group.served) == ("help", "chat", "us-llm")
    assert group.same is not None
    assert group.same.value == 1.0
    assert group.ttft_ratio is not None
    assert group.e2e_ratio is not None
    assert group.cost_ratio is not None
    assert group.tokens_ratio is not None
    figures = (group.ttft_ratio, group.e2e_ratio, group.cost_ratio, group.tokens_ratio)
    assert [one.value for one in figures] == pytest.approx([2.0, 2.0, 0.1, 1.1])
    for one in figures:
        assert one.interval == pytest.approx((one.value, one.value))


def test_intervals_hold_what_varies():
    mixed = [*rows(50), *[replace(one, id=f"x{n}", similarity=0.0, same=False)
                          for n, one in enumerate(rows(50))]]  # fmt: skip
    (group,) = report(mixed)
    assert group.similarity is not None
    assert group.similarity.value == 0.5
    low, high = group.similarity.interval or (0.5, 0.5)
    assert 0.3 < low < 0.5 < high < 0.7


def test_a_line_for_each_kind_of_request_and_place_the_most_copies_first():
    found = report([*rows(3, route=None), *rows(5, ROW, task="code"), *rows(4, copied="other")])
    assert [(one.route, one.task, one.copied, one.copies) for one in found] == [
        ("help", "code", "office-llm", 5),
        ("help", "chat", "other", 4),
        (None, "chat", "office-llm", 3),
    ]


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (rows(FEW - 1), "Wait"),
        ([*rows(40), *rows(5, end="timeout")], "Not yet: 5 of 45"),
        (rows(40, ROW, similarity=0.2), "Look closer"),
        (rows(40, similarity=None, same=None), "Look closer"),
        (rows(40), "Try a pilot: office-llm costs 0.10 times as much and takes 2.00 times as long"),
        (rows(40, copied_cost=DEAR), "Nothing to gain: office-llm costs 140.00 times"),
        (
            rows(40, copied_cost=DEAR, copied_e2e_s=ROW.e2e_s / 2),
            "Weigh it: office-llm costs 140.00 times",
        ),
        (rows(40, copied_e2e_s=ROW.e2e_s / 2), "Try a pilot: office-llm costs 0.10 times"),
        (rows(40, cost=None, e2e_s=None), "Try a pilot: office-llm answers, and says much"),
    ],
)
def test_what_is_recommended(given, advice):
    (group,) = report(given)
    assert group.advice.startswith(advice)


def test_what_is_better_and_what_is_not_is_said():
    dear, fast = {"copied_cost": DEAR}, {"copied_e2e_s": ROW.e2e_s / 2}
    ends = [report(rows(40, **how))[0].advice for how in ({}, fast, {**dear, **fast}, dear)]
    assert ends[0].endswith("It is cheaper, but slower.")
    assert ends[1].endswith("It is cheaper and faster.")
    assert ends[2].endswith("It is faster, but dearer.")
    assert ends[3].endswith("neither is better.")


def test_what_was_not_measured_has_no_figure():
    (group,) = report(rows(40, cost=None, ttft_s=None, tokens=None, similarity=None, same=None))
    assert group.cost_ratio is group.ttft_ratio is group.tokens_ratio is None
    assert group.same is group.similarity is None
    assert report([]) == []


def test_a_served_answer_for_nothing_has_no_ratio():
    (group,) = report(rows(40, cost=0.0))
    assert group.cost_ratio is None
