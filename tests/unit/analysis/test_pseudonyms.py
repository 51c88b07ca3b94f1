"""Invented values: of the form of what they stand for, and never the same for two of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis.sensitivity.money import is_card, is_iban
from situs.analysis.texts import Unchangeable
from situs.analysis.transforms.pseudonyms import Pseudonyms
from situs.analysis.transforms.shapes import Draw, word

KEY = b"k" * 32
KINDS = ("email", "phone", "card", "iban", "person", "address", "national_id", "credential")


def invented(kind, value, key=KEY):
    return Pseudonyms(lambda _: False).of(kind, value, key)


def shape(text):
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "0", text))


@pytest.mark.parametrize(
    ("card", "start"),
    [
        ("4111 1111 1111 1111", "4000 00"),
        ("4111111111111111", "400000"),
        ("5555-5555-5555-4444", "5555-55"),
        ("378282246310005", "378282"),
        ("3056 9309 0259 04", "3056 93"),
        ("6011111111111117", "601111"),
        ("3566002020360505", "356600"),
        ("6200000000000005", "620000"),
        ("4222222222222", "400000"),
    ],
)
def test_a_card_is_one_of_its_issuers_cards_for_tests(card, start):
    made = invented("card", card)
    assert made != card
    assert made.startswith(start)
    assert shape(made) == shape(card)
    assert is_card(made)


@pytest.mark.parametrize(
    "iban", ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "fr1420041010050500013m02606"]
)
def test_an_iban_keeps_its_country_and_has_right_check_digits(iban):
    made = invented("iban", iban)
    assert made[:2] == iban[:2]
    assert made != iban
    assert shape(made) == shape(iban)
    assert is_iban(made)


@pytest.mark.parametrize(
    ("phone", "start"),
    [("+61 412 345 678", "+61 4"), ("(02) 9876-5432", "(02) "), ("0049 30 1234567", "0049 3")],
)
def test_a_phone_keeps_its_country_and_groups(phone, start):
    made = invented("phone", phone)
    assert made.startswith(start)
    assert shape(made) == shape(phone)
    assert sum(one != two for one, two in zip(made, phone, strict=True)) >= 3


@pytest.mark.parametrize(
    "email", ["ann@a.test", "Ann.Lee+x@a.b.test", "\u00e9t\u00e9@b.test", "a@b"]
)
def test_an_email_is_at_an_example_domain(email):
    assert re.fullmatch(r"[a-z0-9.-]+@[a-z0-9-]+\.example\.(org|com)", invented("email", email))


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("Ann Lee", r"[A-Z][a-z]+ [A-Z][a-z]+"),
        ("ANN LEE", r"[A-Z]+ [A-Z]+"),
        ("ann lee", r"[a-z]+ [a-z]+"),
        ("J. O'Neil-Lee", r"[A-Z]\. [A-Z]'[A-Z][a-z]+-[A-Z][a-z]+"),
        ("Ludwig van der Berg", r"[A-Z][a-z]+ van der [A-Z][a-z]+"),
        ("\u0410\u043d\u043d\u0430", "[\u0410-\u042f][\u0430-\u044f]+"),
        ("\u0386\u03bd\u03bd\u03b1", "[\u0391-\u03a9][\u03b1-\u03c9]+"),
        ("\u738b\u4f1f", "[\u4e00-\u9fff]{2}"),
        ("\u738b", "[\u4e00-\u9fff]{2}"),
        ("\u7530\u4e2d \u592a\u90ce", "[\u4e00-\u9fff]{2} [\u4e00-\u9fff]{2}"),
        ("\u3055\u304f\u3089", "[\u3041-\u309f]{3}"),
        ("\uae40\ucca0\uc218", "[\uac00-\ud7a3]{3}"),
        ("\u0633\u0627\u0631\u0629", "[\u0621-\u064a]{4}"),
        ("\u05d3\u05d5\u05d3", "[\u05d0-\u05ea]{3}"),
        ("12 Rue de la Paix, 75002 Paris", r"\d\d Rue de la [A-Z][a-z]+, \d{5} [A-Z][a-z]+"),
        ("Bank of Zephyr Ltd", r"Bank of [A-Z][a-z]+ Ltd"),
        ("The Bank", r"[A-Z][a-z]+ Bank"),
    ],
)  # fmt: skip
def test_a_name_becomes_another_of_the_same_script_and_form(name, pattern):
    made = invented("person", name)
    assert re.fullmatch(pattern, made)
    assert made != name


def test_a_word_of_a_name_is_the_same_word_everywhere():
    invent = Pseudonyms(lambda _: False)
    first, last = invent.of("person", "Ann Lee", KEY).split()
    assert invent.of("person", "Bo Lee", KEY).endswith(f" {last}")
    assert invent.of("person", "LEE", KEY) == last.upper()
    assert invent.of("address", "1 Ann Street", KEY).endswith(f" {first} Street")


ENGLISH = "January|February|March|April|May|June|July|August|September|October|November|December"


@pytest.mark.parametrize(
    ("date", "pattern"),
    [
        ("1985-03-12", r"(19[3-9]|200)\d-(0[1-9]|1[0-2])-(0[1-9]|1[0-2])"),
        ("3 March 1985", rf"[1-9] ({ENGLISH}) (19[3-9]|200)\d"),
        ("3 MARCH 1985", rf"[1-9] ({ENGLISH.upper()}) (19[3-9]|200)\d"),
        ("03-Mar-85", r"(0[1-9]|1[0-2])-[A-Z][a-z]{2}-(3[2-9]|[4-9]\d)"),
        ("3 de marzo de 1985", r"[1-9] de [a-z]{4,10} de (19[3-9]|200)\d"),
        ("le 3 février 1985", r"le [1-9] \w{3,9} (19[3-9]|200)\d"),
        ("25/12/85", r"(1[3-9]|2[0-8])/(0[1-9]|1[0-2])/(3[2-9]|[4-9]\d)"),
    ],
)
def test_a_date_is_another_date_written_alike(date, pattern):
    made = invented("date_of_birth", date)
    assert re.fullmatch(pattern, made)
    assert made != date


def test_months_do_not_stay():
    made = [
        Pseudonyms(lambda _: False).of("date_of_birth", "3 March 1985", bytes([n]))
        for n in range(60)
    ]
    assert len({date.split()[1] for date in made}) > 6


@pytest.mark.parametrize(
    ("kind", "value", "pattern"),
    [
        ("credential", "kB3-" + "x9Z", r"[a-z][A-Z]\d-[a-z]\d[A-Z]"),
        ("credential", "123", r"[1-9]\d{5}"),
        ("national_id", "012-34-5678", r"0\d\d-\d\d-\d{4}"),
        ("mac", "00:1a:2b:3c:4d:5e", r"([0-9a-f]{2}:){5}[0-9a-f]{2}"),
        ("ip", "10.0.0.7", r"198\.1[89]\.\d+\.\d+"),
        ("ip", "fe80::1", r"2001:db8:[0-9a-f:]+"),
        ("url", "https://firm.test/x", r"https://[a-z]+\.example\.(org|com)/[a-z]+"),
        ("card", "4111, 1111, 1111, 1111", r"[1-9]\d{3}(, [1-9]\d{3}){3}"),
        ("card", "bXkgY2FyZCBpcyA0MTEx", r"[A-Za-z0-9]{20}"),
        ("email", "ann%40firm.test", r"[a-z0-9]{16}"),
        ("own", "\U0001f600\U0001f600", r"[a-z0-9]{16}"),
        ("card", "\u2463\u2460\u2460\u2460a", r"[a-z0-9]{16}"),
        ("own", "-- --", r"[a-z]{7}"),
    ],
)
def test_other_values_keep_their_form_or_are_replaced_as_a_whole(kind, value, pattern):
    made = invented(kind, value)
    assert re.fullmatch(pattern, made)
    assert made != value


def test_a_key_stays_between_its_header_and_footer():
    rule = "-" * 5
    head, foot = (f"{rule}{one} PRIVATE KEY{rule}" for one in ("BEGIN", "END"))
    made = invented("private_key", f"{head}\nAbc+12/=\n{foot}")
    assert made.startswith(f"{head}\n")
    assert made.endswith(f"\n{foot}")
    assert "Abc+12" not in made


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), st.lists(st.text(min_size=1, max_size=12), max_size=6, unique=True))
def test_different_values_have_different_pseudonyms_and_equal_ones_the_same(kind, values):
    invent = Pseudonyms(lambda _: False)
    made = {value: invent.of(kind, value, KEY) for value in values}
    assert len(set(made.values())) == len(made)
    for value, one in made.items():
        assert one.lower() != value.lower()
        assert invent.of(kind, value, KEY) == one


def test_what_is_taken_is_not_invented():
    first = invented("email", "ann@a.test")
    other = Pseudonyms(lambda made: made == first).of("email", "ann@a.test", KEY)
    assert other != first
    with pytest.raises(Unchangeable) as caught:
        Pseudonyms(lambda _: True).of("email", "ann@a.test", KEY)
    assert caught.value.code == "no_pseudonym"


def test_another_key_gives_other_pseudonyms():
    for kind, value in (
        ("email", "ann@a.test"),
        ("person", "Ann Lee"),
        ("card", "4111111111111111"),
    ):
        assert invented(kind, value) == invented(kind, value)
        assert invented(kind, value) != invented(kind, value, b"other")


def test_draws_are_spread_over_their_range():
    draw = Draw(KEY, "any")
    counts = [0] * 10
    for _ in range(5000):
        counts[draw.below(10)] += 1
    assert min(counts) > 400
    words = {word("Ann", Draw(KEY, str(number))) for number in range(2000)}
    assert len(words) > 1990
