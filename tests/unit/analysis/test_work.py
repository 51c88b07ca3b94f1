"""One request may cost so much and no more: what is left unread then is never called clean."""

import pytest

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan
from situs.analysis.sensitivity.scan import UNREAD

CARD = "4111 1111 1111 1111"
ADDRESSES = "a@b.io " * 10_000


def found(texts):
    seen = scan(texts, DEFAULT_FLOORS)
    return seen, {(finding.kind, finding.detector) for finding in seen.findings}


def test_what_is_too_much_to_check_is_one_unchecked_finding():
    text = "4111 " * 240_000
    (finding,) = scan([text], DEFAULT_FLOORS).findings
    assert (finding.kind, finding.detector) == ("card", UNREAD)
    assert (finding.checked, finding.end) == (False, len(text))


def test_candidates_are_counted_over_all_texts():
    few, _ = found([ADDRESSES] * 2)
    assert few.counts == {"email": 20_000}
    many, _ = found([ADDRESSES] * 25)
    assert many.counts["email"] < 200_000
    assert many.counts[UNREAD] == 1


def test_what_is_behind_the_bound_counts_as_unread():
    seen, _ = found([ADDRESSES] * 21 + [CARD])
    assert seen.counts[UNREAD] == 1
    seen, kinds = found([ADDRESSES * 21 + CARD])
    assert len(seen.counts) > 1
    assert UNREAD in {name for _, name in kinds}


def test_nothing_is_unread_where_nothing_can_be_found():
    seen, _ = found([ADDRESSES] * 21 + ["nothing of note in here"] * 10)
    assert UNREAD in seen.counts
    seen, _ = found(["nothing of note in here"] * 60_000)
    assert seen.counts == {}


@pytest.mark.parametrize(
    "texts",
    [
        ["abcdefghijklmnopqr " * 140_000],
        ["\uff14\uff11 " * 400_000],
        ["4111 "] * 260_000,
        ["4111 11112"] * 260_000,
    ],
    ids=["runs", "digits of another script", "short texts", "texts"],
)
def test_every_kind_of_work_is_bounded(texts):
    assert scan(texts, DEFAULT_FLOORS).counts.get(UNREAD) == 1


def test_many_words_that_give_context_leave_no_number_unread():
    assert "phone" in scan(["tel " * 1_020_000 + "020 7946 0018"], DEFAULT_FLOORS).counts
