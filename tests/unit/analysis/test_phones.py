"""The short way to a verdict on a telephone number is that of phonenumbers."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis.sensitivity.phones import is_planned

CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
KINDS = [
    phonenumbers.PhoneNumberType.FIXED_LINE,
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.TOLL_FREE,
    phonenumbers.PhoneNumberType.VOIP,
]
DIGITS = "0123456789"


def said(text):
    number = "+" + text[2:].lstrip() if text.startswith("00") else text
    try:
        parsed = phonenumbers.parse(number, None if number.startswith("+") else "US")
    except phonenumbers.NumberParseException:
        return False
    if phonenumbers.is_valid_number(parsed):
        return True
    possible = phonenumbers.is_possible_number(parsed)
    return None if possible and not text.startswith("00") else False


@st.composite
def examples(draw):
    """A number of a plan with a few digits changed."""
    code = draw(st.sampled_from(CODES))
    region = draw(st.sampled_from(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]))
    example = phonenumbers.example_number_for_type(region, draw(st.sampled_from(KINDS)))
    national = list(phonenumbers.national_significant_number(example) if example else "0" * 9)
    for place in draw(st.lists(st.integers(0, len(national) - 1), max_size=3)):
        national[place] = draw(st.sampled_from(DIGITS))
    front = draw(st.sampled_from(["+", "00", "00 ", "+ "]))
    return f"{front}{code}{draw(st.sampled_from(['', ' ', ' (0)', '-']))}{''.join(national)}"


@st.composite
def american(draw):
    form = draw(st.sampled_from(["({}) {}-{}", "1 {}-{}-{}", "{} {}.{}", "{}-{}-{} x12"]))
    first, second, third = (
        "".join(draw(st.lists(st.sampled_from(DIGITS), min_size=size, max_size=size)))
        for size in (2, 3, 4)
    )
    return form.format(draw(st.sampled_from("23456789")) + first, second, third)


@settings(max_examples=600, deadline=None)
@given(st.one_of(examples(), american(), st.from_regex(r"\A(\+|00)[1-9][0-9]{6,14}\Z")))
def test_a_number_is_judged_as_phonenumbers_does(text):
    assert is_planned(text) is said(text)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("+44 20 7946 0018", True),
        ("+44 (0)20 7946 0018", True),
        ("0049 30 901820", True),
        ("(202) 555-0123 x12", True),
        ("+39 06 6982", True),
        ("+800 1234 5678", True),
        ("+44 99 7946 0018", None),
        ("0044 99 7946 0018", False),
        ("+999 1234567", False),
    ],
)
def test_valid_numbers_possible_ones_and_others(text, verdict):
    assert is_planned(text) is verdict
