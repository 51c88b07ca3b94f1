"""What ratings make one believe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from situs.core.capability import CapabilityClass
from situs.core.rating import Likeness, Origin, Rating
from situs.core.snapshot import ANY_KIND, Belief
from situs.learning.beliefs import HALF_LIFE_S, WORTH, believe, compared, counts
from situs.placement.quality import PRIORS, interval

SMALL, MEDIUM = CapabilityClass.SMALL, CapabilityClass.MEDIUM
CLASSES = {"m": SMALL}
NOW = 1e9


def said(score, count=1, **facts):
    fields = {"model": "m", "kind": "chat", "needs": SMALL, "at": NOW, **facts}
    return [Rating(score=score, **fields)] * count


def mean(ratings, kind="chat", needs=SMALL):
    return believe(ratings, CLASSES, NOW).table["m", kind, needs.value].mean


def test_without_ratings_nothing_is_believed():
    assert believe([], CLASSES, NOW).table == {}


def test_ratings_of_models_that_are_not_there_are_left_out():
    assert believe(said(0.0, model="other"), CLASSES, NOW).table == {}


def test_many_trusted_ratings_win_over_the_class():
    assert mean(said(0.2, 5000)) == pytest.approx(0.2, abs=0.01)


def test_few_ratings_move_it_a_little():
    assert 0.75 < mean(said(0.0, 1)) < PRIORS[SMALL, SMALL].mean


def test_bad_answers_to_easy_requests_say_something_of_hard_ones_and_of_other_kinds():
    ratings = said(0.3, 200)
    assert mean(ratings, needs=MEDIUM) < PRIORS[SMALL, MEDIUM].mean - 0.1
    assert mean(ratings, kind=ANY_KIND) < PRIORS[SMALL, SMALL].mean - 0.1


def test_good_answers_to_easy_requests_do_not_make_hard_ones_easy():
    assert mean(said(0.9, 500), needs=MEDIUM) < 0.7


def test_kinds_differ():
    ratings = [*said(0.9, 300), *said(0.2, 300, kind="route:law")]
    assert mean(ratings) > 0.8
    assert mean(ratings, kind="route:law") < 0.3


def test_a_rating_of_a_half_life_ago_counts_half():
    old = said(0.0, 20, at=NOW - HALF_LIFE_S)
    assert mean(old) == pytest.approx(mean(said(0.0, 10)))


def test_a_rating_from_the_future_counts_no_more_than_one_of_now():
    assert mean(said(0.0, at=NOW + 9e9)) == mean(said(0.0))


def test_the_digest_names_the_state():
    one, same, other = (believe(said(s), CLASSES, NOW).digest for s in (0.0, 0.0, 1.0))
    assert one == same != other


_scores = some.lists(some.floats(0, 1), min_size=0, max_size=8)


@given(_scores, _scores, some.integers(1, 3000), some.sampled_from([0.0, 1.0]))
def test_one_key_moves_a_belief_less_than_half_way_to_what_it_says(trusted, others, count, word):
    honest = [one for score in trusted for one in said(score)]
    for at, score in enumerate(others):
        honest += said(score, by=f"key{at}")
    before = believe(honest, CLASSES, NOW).table.get(("m", "chat", "small"), PRIORS[SMALL, SMALL])
    after = mean([*honest, *said(word, count, by="liar")])
    assert abs(after - before.mean) <= 0.5 * abs(word - before.mean) + 0.01


_machines = some.sampled_from([Origin.CASCADE, Origin.SHADOW])


@given(_scores, some.integers(1, 3000), some.integers(0, 3000), some.sampled_from([0.0, 1.0]))
def test_nor_with_what_machines_say_of_its_requests(trusted, count, judged, word):
    honest = [one for score in trusted for one in said(score)]
    before = believe(honest, CLASSES, NOW).table.get(("m", "chat", "small"), PRIORS[SMALL, SMALL])
    lies = [*said(word, count, by="liar"), *said(word, judged, by="liar", origin=Origin.CASCADE)]
    assert abs(mean([*honest, *lies]) - before.mean) <= 0.5 * abs(word - before.mean) + 0.01


@given(_scores, some.integers(1, 50), _machines, some.sampled_from([0.0, 1.0]))
def test_machines_together_move_a_belief_no_more_than_one_key(trusted, askers, origin, word):
    honest = [one for score in trusted for one in said(score)]
    before = believe(honest, CLASSES, NOW).table.get(("m", "chat", "small"), PRIORS[SMALL, SMALL])
    judged = [one for k in range(askers) for one in said(word, 50, by=f"k{k}", origin=origin)]
    after = mean([*honest, *judged])
    assert abs(after - before.mean) <= 0.5 * abs(word - before.mean) + 0.01


def test_what_a_key_says_goes_before_what_machines_say_of_its_requests():
    words = said(0.0, 1000, by="key")
    judged = said(1.0, 1000, by="key", origin=Origin.CASCADE)
    assert mean([*words, *judged]) == mean(words)


def test_machines_are_heard_where_nobody_says_anything():
    low, high = (mean(said(score, 40, by="key", origin=Origin.CASCADE)) for score in (0.2, 0.95))
    assert low < PRIORS[SMALL, SMALL].mean - 0.1
    assert PRIORS[SMALL, SMALL].mean < high


def test_a_word_counts_more_than_a_cascade_and_that_more_than_a_likeness():
    moved = [
        mean(said(0.9)) - mean([*said(0.9), *said(0.0, 3, by="key", origin=origin)])
        for origin in Origin
    ]
    assert moved == sorted(moved, reverse=True)
    assert len(set(moved)) == 3
    assert WORTH[Origin.PERSON] == 1.0


ABLE = {"m": SMALL, "best": MEDIUM}


def alike(similarity, **facts):
    fields = {"model": "m", "other": "best", "kind": "chat", "needs": SMALL, "at": NOW, "by": "key"}
    return Likeness(similarity=similarity, **{**fields, **facts})


def test_the_same_answer_is_as_good_as_that_of_the_other_is_believed_to_be():
    beliefs = believe(said(0.7, 900, model="best"), ABLE, NOW)
    [one] = compared([alike(1.0)], ABLE, beliefs)
    assert one.score == beliefs.table["best", "chat", "small"].mean
    assert (one.model, one.kind, one.needs, one.by, one.origin) == (
        "m", "chat", SMALL, "key", Origin.SHADOW
    )  # fmt: skip


def test_without_a_belief_of_that_kind_it_is_what_is_believed_of_any_or_of_the_class():
    beliefs = believe(said(0.3, 900, model="best"), ABLE, NOW)
    [one] = compared([alike(1.0, kind="route:law")], ABLE, beliefs)
    assert one.score == beliefs.table["best", ANY_KIND, "small"].mean
    [one] = compared([alike(1.0)], ABLE, believe([], ABLE, NOW))
    assert one.score == PRIORS[MEDIUM, SMALL].mean


@given(some.floats(0, 1), some.lists(some.floats(0, 1), min_size=0, max_size=5))
def test_no_likeness_makes_an_answer_better_than_the_other_and_more_of_it_never_worse(much, words):
    ratings = [one for score in words for one in said(score, 20, model="best")]
    beliefs = believe(ratings, ABLE, NOW)
    one, same = compared([alike(much), alike(1.0)], ABLE, beliefs)
    assert 0 <= one.score <= same.score


def test_where_the_other_is_not_known_a_likeness_says_nothing():
    assert compared([alike(1.0)], CLASSES, believe([], CLASSES, NOW)) == []


def test_where_a_belief_comes_from_is_counted():
    ratings = [
        *said(1.0, 2),
        *said(1.0, 3, origin=Origin.CASCADE),
        *said(1.0, kind="route:law", origin=Origin.SHADOW),
    ]
    found = counts(ratings)
    assert found["m", "chat", "small"] == {Origin.PERSON: 2, Origin.CASCADE: 3}
    assert found["m", ANY_KIND, "small"] == {
        Origin.PERSON: 2, Origin.CASCADE: 3, Origin.SHADOW: 1
    }  # fmt: skip


def test_many_keys_together_are_believed():
    ratings = [one for at in range(200) for one in said(0.1, 5, by=f"key{at}")]
    assert mean(ratings) < 0.15


@given(some.floats(0, 1), some.floats(1, 1e6))
def test_the_interval_holds_the_mean_and_is_within_bounds(share, weight):
    low, high = interval(Belief(share, weight))
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1


def test_more_ratings_make_it_surer():
    def width(count):
        low, high = interval(believe(said(0.5, count), CLASSES, NOW).table["m", "chat", "small"])
        return high - low

    assert width(1000) < width(10) / 3
