"""What is cut in two where texts meet: found in every part that holds a piece, counted once."""

import base64
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan
from situs.analysis.sensitivity.seams import WINDOW, Seams, ends

CARD = "4111111111111111"
TOKEN = "AKIA" + "QWERTYUIOPASDF23"
LONG = "word " * 60


def found(*texts, order=None):
    seen = scan(texts, DEFAULT_FLOORS, order=order)
    return [(f.kind, f.part, texts[f.part][f.start : f.end]) for f in seen.findings], seen.counts


@pytest.mark.parametrize(
    ("texts", "findings"),
    [
        (("4111 1111", "1111 1111"), [(0, "4111 1111"), (1, "1111 1111")]),
        (("pay 41111111", "11111111 now"), [(0, "41111111"), (1, "11111111")]),
        (tuple(CARD), list(enumerate(CARD))),
        ((LONG + "4111 1111", "1111 1111 " + LONG), [(0, "4111 1111"), (1, "1111 1111")]),
        (("x 4111", "1111", "", "1111 1111 y"), [(0, "4111"), (1, "1111"), (3, "1111 1111")]),
    ],
)
def test_a_card_in_pieces_is_one(texts, findings):
    assert found(*texts) == ([("card", part, text) for part, text in findings], {"card": 1})


def test_a_credential_in_pieces_is_one():
    assert found("use " + TOKEN[:7], TOKEN[7:]) == (
        [("credential", 0, TOKEN[:7]), ("credential", 1, TOKEN[7:])],
        {"credential": 1},
    )


def test_what_is_whole_in_one_text_is_found_there_alone():
    assert found(f"pay {CARD}", "42") == ([("card", 0, CARD)], {"card": 1})


def test_an_encoded_card_in_pieces_is_found():
    run = base64.b64encode(b"4111 1111 1111 1111").decode()
    assert found(run[:10], run[10:])[1] == {"card": 1}


def test_the_order_says_who_is_a_neighbour():
    texts = ("4111 1111", "7 between them", "1111 1111")
    assert found(*texts) == ([], {})
    assert found(*texts, order=[0, 2, 1])[1] == {"card": 1}


def test_groups_of_a_card_that_are_all_digits_there_are_one():
    groups = ("4111 and", "then 1111", "and 1111 1111")
    assert found(*groups)[1] == {"card": 1}
    assert found("unit 4181, box 1281, zip 57553") == ([], {})
    assert found(*groups, "and 12 more") == ([], {})
    assert found("4111 and", "then 1111", "and 1111.1111") == ([], {})
    assert found("order 4111", "of 2019 1111 and 1113") == ([], {})


def test_a_part_that_has_no_neighbours_is_not_put_together():
    assert found("4111 1111", "1111 1111", order=[1]) == ([], {})


def test_an_address_and_an_unconfirmed_number_are_not_put_together():
    assert found("write to anna.schmidt@exam", "ple.org") == ([], {})
    assert found("call me: 555 12", "34 567") == ([], {})


TEXTS = st.lists(st.text(string.ascii_letters, max_size=3 * WINDOW), min_size=1, max_size=6)


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from(["", "\n"]))
def test_every_piece_has_its_way_back(texts, glue):
    order = range(len(texts))
    pieces = ends(texts, order)
    whole = glue.join(pieces)
    seams = Seams(texts, order, glue)
    for place, char in enumerate(whole):
        for part, start, end in seams.places(place, place + 1):
            assert (end - start, texts[part][start:end]) == (1, char)
    covered = "".join(texts[part][a:b] for part, a, b in seams.places(0, len(whole)))
    assert covered == "".join(
        text if len(text) <= 2 * WINDOW else text[:WINDOW] + text[-WINDOW:] for text in texts
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 15), st.sampled_from(["", " ", "-"]), st.sampled_from(["", LONG]))
def test_a_card_is_found_wherever_it_is_cut(cut, gap, around):
    written = gap.join(CARD[at : at + 4] for at in range(0, 16, 4))
    assert found(around + written[:cut], written[cut:] + around)[1] == {"card": 1}


DIGITS = st.text("0123456789 ./-+XKAaBZ", max_size=40)


@settings(max_examples=150, deadline=None)
@given(st.lists(DIGITS, max_size=3), st.sampled_from(["", "passport ", "medicare ", "tc "]))
def test_no_number_stops_the_scan(texts, word):
    """Checks of others fail on some numbers, such as an identity number of no known county."""
    words = [word + text for text in texts]
    assert scan(words, DEFAULT_FLOORS) == scan(words, DEFAULT_FLOORS)
