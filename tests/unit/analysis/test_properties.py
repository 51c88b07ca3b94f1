"""Whatever surrounds it and however it is split: a valid number is found, and spans hold."""

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan
from situs.analysis.sensitivity.money import IBAN_LENGTHS, is_card
from situs.analysis.sensitivity.views import Folded

PROSE = st.text(string.ascii_letters + " ,;:!?()\näß你好—", max_size=60)
GAPS = st.sampled_from(
    ["", " ", "-", ".", "\n", "  ", " - ", "\u200b", "\u00a0", "\u2011", "\u00ad"]
)
FORMS = st.sampled_from(
    [
        str,
        lambda digit: chr(0xFF10 + int(digit)),
        lambda digit: chr(0x660 + int(digit)),
        lambda digit: chr(0x1D7CE + int(digit)),
        lambda digit: f"%3{digit}",
        lambda digit: f"&#{48 + int(digit)};",
    ]
)
COMMON = settings(max_examples=60, deadline=None)


@st.composite
def cards(draw):
    prefix, size = draw(
        st.sampled_from([("4", 16), ("51", 16), ("37", 15), ("6011", 16), ("36", 14)])
    )
    count = size - len(prefix) - 1
    body = prefix + "".join(
        draw(st.lists(st.sampled_from("0123456789"), min_size=count, max_size=count))
    )
    return next(body + check for check in "0123456789" if is_card(body + check))


@st.composite
def ibans(draw):
    country = draw(st.sampled_from(["DE", "AT", "ES", "FR", "GB", "NL", "NO", "BE", "PL", "CH"]))
    letters = 4 if country in ("GB", "NL") else 0
    digits = IBAN_LENGTHS[country] - 4 - letters
    bban = "".join(
        draw(st.lists(st.sampled_from(string.ascii_uppercase), min_size=letters, max_size=letters))
    )
    bban += "".join(draw(st.lists(st.sampled_from("0123456789"), min_size=digits, max_size=digits)))
    number = int("".join(str(int(char, 36)) for char in f"{bban}{country}00"))
    return f"{country}{98 - number % 97:02d}{bban}"


@st.composite
def split(draw, numbers):
    """A number in pieces with one kind of gap between them: two pieces would be a decimal."""
    number, gap = draw(numbers), draw(GAPS)
    cuts = sorted(draw(st.sets(st.integers(1, len(number) - 1), min_size=2, max_size=5)))
    pieces = [number[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    return gap.join(pieces)


@COMMON
@given(split(cards()), PROSE, PROSE)
def test_a_card_is_found_however_it_is_split(number, before, after):
    before = f"{before}, card "
    text = f"{before}{number}; {after}"
    found = [f for f in scan([text], DEFAULT_FLOORS).findings if f.kind == "card"]
    assert [(f.start, f.end, f.checked) for f in found] == [
        (len(before), len(before) + len(number), True)
    ]


@COMMON
@given(cards(), FORMS, PROSE)
def test_a_card_is_found_in_whatever_digits(number, form, before):
    text = f"{before} card {''.join(map(form, number))} end"
    assert scan([text], DEFAULT_FLOORS).counts.get("card") == 1


@COMMON
@given(split(ibans()), PROSE, PROSE, st.booleans())
def test_an_iban_is_found_however_it_is_split(number, before, after, lower):
    written = number.lower() if lower else number
    text = f"{before}, {written}; {after}"
    found = [f for f in scan([text], DEFAULT_FLOORS).findings if f.kind == "iban"]
    assert [(f.start, f.end) for f in found] == [(len(before) + 2, len(before) + 2 + len(written))]


@COMMON
@given(cards(), st.integers(0, 15), st.integers(1, 9))
def test_a_card_with_one_wrong_digit_is_dropped(number, place, by):
    place %= len(number)
    wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
    assert "card" not in scan([f"no {wrong} no"], DEFAULT_FLOORS).counts


FRAGMENTS = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            [
                *("4111 1111 1111 1111", "a@b.example", "%34", "phone ", "password="),
                *("\u200b", "\ud800", "\uff21\u0062", "\u2460", "DE89370400440532013000"),
                "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=",
            ]
        ),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAGMENTS.map("".join), max_size=3))
def test_spans_lie_inside_their_text_and_do_not_overlap(texts):
    found = scan(texts, DEFAULT_FLOORS)
    assert found == scan(list(texts), DEFAULT_FLOORS)
    last = (0, 0)
    for finding in found.findings:
        assert 0 <= finding.start < finding.end <= len(texts[finding.part])
        assert (finding.part, finding.start) >= last
        last = (finding.part, finding.end)


@settings(max_examples=150, deadline=None)
@given(FRAGMENTS.map("".join))
def test_folding_keeps_the_way_back(text):
    folded = Folded(text)
    for place in range(len(folded.text)):
        start, end = folded.span(place, place + 1)
        assert 0 <= start < end <= len(text)
    if folded.text == text:
        assert all(folded.span(p, p + 1) == (p, p + 1) for p in range(len(text)))
