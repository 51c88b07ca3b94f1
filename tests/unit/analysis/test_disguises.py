"""What reads as something else is read as what it stands for; what is meant as it stands is not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.e2e.adversarial import FILTERS
from tests.e2e.leak_attempts import CARD, IBAN, SPACED, TOKEN

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan
from situs.analysis.sensitivity.disguise import COUNTS
from situs.analysis.sensitivity.disguises import DISGUISES
from situs.analysis.sensitivity.table import compiled

DRAW = random.Random(31)


def kinds(*texts):
    return set(scan(list(texts), DEFAULT_FLOORS).counts)


@pytest.mark.parametrize("name", ["words", "german", "french", "spanish", "italian", "dutch"])
def test_numbers_in_words_are_numbers(name):
    said = FILTERS[name](CARD)
    assert kinds(said) == {"card"}
    assert kinds(f"The number is {said}, is it not?") == {"card"}
    assert kinds(FILTERS[name]("4111111111111112")) == set()


@pytest.mark.parametrize(
    "name",
    ["hexpairs", "hex0x", "codes", "codescommas", "codepoints", "binary", "octalcodes", "octal"],
)
@pytest.mark.parametrize(("value", "kind"), [(CARD, "card"), (IBAN, "iban"), (TOKEN, "credential")])
def test_codes_of_characters_are_characters(name, value, kind):
    assert kinds(FILTERS[name](value)) == {kind}


@pytest.mark.parametrize("name", ["base32", "base85", "ascii85", "gzip", "zlib", "bz2", "xz"])
def test_what_is_packed_is_unpacked(name):
    assert kinds(FILTERS[name](f"the card is {SPACED} as ever")) == {"card"}


def test_encodings_deeper_than_what_is_undone_are_unread():
    text = SPACED
    for _ in range(8):
        text = FILTERS["base64"](text)
    assert kinds(text) == {"unread"}


def test_what_packs_a_great_deal_is_read_as_far_as_it_may():
    packed = FILTERS["gzip"]("a" * 5_000_000 + SPACED)
    assert kinds(packed) <= {"unread"}
    assert kinds(FILTERS["gzip"](SPACED + " and " * 1_000_000)) == {"card"}


def test_backwards_counts_in_groups_alone_or_where_a_word_says_so():
    assert kinds(SPACED[::-1]) == {"card"}
    assert kinds(CARD[::-1]) == set()
    assert kinds(IBAN[::-1]) == {"iban"}
    assert kinds(f"this number {CARD[::-1]} of mine") == set()
    assert kinds(f"read {CARD[::-1]} backwards") == {"card"}


def test_the_name_of_a_secret_stands_over_its_column():
    secret = "Tr0ub4dor" + "&3xyz"
    assert kinds(f"| user | password |\n|---|---|\n| jo | {secret} |") == {"credential"}
    assert kinds(f"name,api_key\nx,{secret}\n") == {"credential"}
    assert kinds(f"| user | colour |\n|---|---|\n| jo | {secret} |") == set()
    assert kinds("| token | count |\n|---|---|\n| the | 12 |") == set()


def test_a_finding_covers_what_is_disguised_and_no_more():
    said = FILTERS["words"](CARD)
    text = f"I say: {said}. Thanks!"
    [finding] = scan([text], DEFAULT_FLOORS).findings
    assert text[finding.start : finding.end] == said


def test_what_is_found_as_it_stands_keeps_its_own_span():
    text = f"{IBAN}, ordered on 3 May, for 12 people"
    [finding] = scan([text], DEFAULT_FLOORS).findings
    assert text[finding.start : finding.end] == IBAN


CLEAN = [
    "one two three four five six seven eight nine ten eleven twelve thirteen",
    "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    "一二三四五六七八九十",
    "Reverse a linked list in Python, please; 1000000000000000 items.",
    "bytes: 0x00 0x01 0x02 0x03 0x04 0x05 0x06 0x07 0x08 0x09 0x0a 0x0b 0x0c 0x0d",
    "48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68",
    "00000000: 7f45 4c46 0201 0100 0000 0000 0000 0000  .ELF............",
    "ages: 34 45 52 61 38 47 55 49 33 62 58 41 36 50 44 57",
    "S P A C E D   O U T   T I T L E S   A R E   A   F A S H I O N",
    "that were they from what when this then come back next week with some more",
    "| user | password policy |\n|---|---|\n| jo | strict |",
    "from hub import (\n    get_token,\n    is_notebook2,\n    list_helpers,\n)\n",
    "| `situs_tokens_total` | counter | `kind` |\n| `other2_total` | gauge3 | x |",
    "x = [\n    (float_re, TOKEN_FLOAT, None),\n    (name2_re, TOKEN_NAME3, None),\n]",
    "prompt tokens, token, count\nabc, def, 12",
    "COVID-19 и грипп: что общего? Модель А4, рейс SU1234.",  # noqa: RUF001
    "DE89 is a road; the A1 and the M25 are others.",
    "GB29 | FR14 | DE89",
    "In 1914, 1918, 1939 and 1945 Europe changed.",
    "please write short poem about rain over the old town near sea shore",
]


@pytest.mark.parametrize("text", CLEAN)
def test_what_is_meant_as_it_stands_is_nothing(text):
    assert kinds(text) & COUNTS == set()
    assert "unread" not in kinds(text)


def test_hardly_any_list_of_numbers_is_a_card():
    rows = [", ".join(str(DRAW.randint(1, 127)) for _ in range(40)) for _ in range(500)]
    assert sum("card" in kinds(row) for row in rows) <= 1


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_no_reader_fails_whatever_it_is_given(text):
    data = text.encode("utf-8", "replace")
    for one in DISGUISES:
        match = compiled(one.pattern).search(data)
        if match is not None:
            assert all(isinstance(said, str) for said in one.read(match.group().decode("utf-8")))


@pytest.mark.parametrize("one", DISGUISES, ids=[one.name for one in DISGUISES])
def test_a_stretch_without_end_is_bounded(one):
    """Each of them is linear in what it is given."""
    for seed in ("1 ", "0x31 ", "one ", "a.", "NDEx ", "4a", "DE89🙂", "password|\n"):
        assert kinds(seed * 4000) <= {"unread", "card", "national_id", "credential", "iban"}


def test_an_iban_in_pieces_ends_where_ibans_of_its_country_end():
    texts = [
        '"GB82 WEST 1234 5698 7654 32"\nand not 4111 1111 1111 1111.',
        "Mail to bob@example.org now",
    ]
    found = scan(texts, DEFAULT_FLOORS).findings
    said = [(one.kind, one.part, texts[one.part][one.start : one.end]) for one in found]
    assert said == [
        ("iban", 0, "GB82 WEST 1234 5698 7654 32"),
        ("card", 0, "4111 1111 1111 1111"),
        ("email", 1, "bob@example.org"),
    ]
