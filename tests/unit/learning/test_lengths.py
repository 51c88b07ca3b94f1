"""What answers teach of how long answers are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from situs.core.length import NO_LENGTHS, Answered
from situs.core.snapshot import ANY_KIND
from situs.learning.lengths import FARTHEST, measure

MODELS = {"m", "n"}


def answers(tokens, count=1, model="m", kind="chat", by=""):
    return [Answered(model, kind, tokens, by)] * count


def expected(found, model="m", kind="chat"):
    return found.kinds[kind][0] * found.models[model, kind]


def test_without_answers_nothing_is_learned():
    assert measure([], MODELS) == NO_LENGTHS


def test_answers_of_models_that_are_not_there_are_left_out():
    assert measure(answers(90, 50, model="other"), MODELS) == NO_LENGTHS


def test_what_is_usual_is_known_as_far_as_there_are_answers():
    few, many = measure(answers(90, 20), MODELS), measure(answers(90, 5000), MODELS)
    assert few.kinds["chat"] == (90.0, 0.5)
    assert many.kinds["chat"][0] == 90.0
    assert many.kinds["chat"][1] > 0.99


def test_models_differ_by_what_their_answers_were():
    found = measure(answers(300, 2000) + answers(60, 2000, model="n"), MODELS)
    assert expected(found) == pytest.approx(300, rel=0.05)
    assert expected(found, "n") == pytest.approx(60, rel=0.05)


def test_a_model_at_one_kind_may_differ_from_what_it_is_else():
    rest = answers(100, 2000, model="n") + answers(100, 2000, model="n", kind="code")
    mine = answers(100, 2000) + answers(400, 2000, kind="code")
    found = measure(rest + mine, MODELS)
    assert expected(found, kind="chat") == pytest.approx(100, rel=0.1)
    assert expected(found, kind="code") == pytest.approx(400, rel=0.1)


def test_a_model_that_gets_the_long_requests_is_not_taken_for_a_long_winded_one():
    both = answers(100, 500) + answers(100, 500, model="n")
    found = measure(both + answers(900, 3000, kind="essay"), MODELS)
    assert found.models["m", ANY_KIND] == pytest.approx(1.0, abs=0.1)
    assert found.models["n", ANY_KIND] == pytest.approx(1.0, abs=0.1)


def test_few_answers_of_a_model_move_it_a_little():
    found = measure(answers(100, 2000) + answers(500, 2, model="n"), MODELS)
    assert 1.0 < found.models["n", ANY_KIND] < 1.7


def test_no_answer_counts_for_more_than_so_many_times_the_median():
    plain = measure(answers(100, 99) + answers(int(100 * FARTHEST)), MODELS)
    assert measure(answers(100, 99) + answers(10**9), MODELS) == plain


@given(
    some.integers(1, 10**6), some.integers(1, 5000), some.integers(1, 300), some.integers(0, 300)
)
def test_one_key_moves_a_model_by_a_bounded_factor(tokens, flood, honest, of_other):
    others = answers(100, honest, by="a") + answers(100, of_other, model="n", by="b")
    without = measure(others, MODELS)
    attacked = measure(others + answers(tokens, flood, by="x"), MODELS)
    said = attacked.models["m", "chat"] / without.models["m", "chat"]
    assert said * FARTHEST >= 1 / 1.5
    assert said <= 1.5 * FARTHEST


def test_one_key_among_many_moves_what_is_usual_by_half_at_most():
    others = [one for key in "abcde" for one in answers(100, 10, by=key)]
    found = measure(others + answers(10**6, 4000, by="x"), MODELS)
    assert found.kinds["chat"][0] <= 100 * (1 + 0.6 * (FARTHEST - 1))


@pytest.mark.parametrize("lie", [20_000, 9_900_000])
@pytest.mark.parametrize("lies", [20, 300, 4000])
def test_what_one_model_says_falsely_does_not_move_others(lie, lies):
    others = answers(100, 300) + answers(110, 30, model="n")
    found = measure(others + answers(lie, lies, model="o"), {*MODELS, "o"})
    assert expected(found) == pytest.approx(100, rel=0.15)
    assert expected(found, "n") == pytest.approx(110, rel=0.6)
    assert found.kinds["chat"][0] <= 110 * (1 + FARTHEST) / 2


def test_a_model_that_lies_alone_beside_one_other_does_not_move_it():
    found = measure(answers(100, 300) + answers(10**6, 4000, model="n"), MODELS)
    assert expected(found) == pytest.approx(100, rel=0.25)
    assert found.kinds["chat"][0] < 100 * (1 + FARTHEST) / 2


def test_a_few_answers_of_another_model_take_nothing_of_what_is_known():
    alone = measure(answers(100, 5000), MODELS)
    found = measure(answers(100, 5000) + answers(8, 1, model="n"), MODELS)
    assert found.kinds["chat"][0] == pytest.approx(alone.kinds["chat"][0], rel=0.2)
    assert found.kinds["chat"][1] > 0.99


@given(
    some.lists(
        some.builds(
            Answered,
            some.sampled_from(["m", "n"]),
            some.sampled_from(["chat", "code", "route:r"]),
            some.integers(1, 10**9),
            some.sampled_from(["", "a", "b"]),
        ),
        max_size=60,
    )
)
def test_all_is_bounded(given_answers):
    found = measure(given_answers, MODELS)
    assert all(0.0 < known < 1.0 for _, known in found.kinds.values())
    assert all(1e-4 <= one < 1e4 for one in found.models.values())


def test_the_order_of_answers_does_not_matter():
    mixed = answers(90, 30, by="a") + answers(400, 7, model="n", by="b")
    assert measure(mixed, MODELS) == measure(mixed[::-1], MODELS)
