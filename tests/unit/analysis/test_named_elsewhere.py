"""What a number is called in other languages and scripts, and what a field's name says of it."""

import json

import pytest

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan
from situs.analysis.sensitivity.names_signs import is_nobody

CARD = "4539177669177519"


def kinds(text):
    return set(scan([text], DEFAULT_FLOORS).counts)


@pytest.mark.parametrize(
    "text",
    [
        "Моето ЕГН е 7523169263.",  # noqa: RUF001
        "Ο ΑΜΚΑ μου είναι 01013099997.",  # noqa: RUF001
        "Мой ИНН 500100732259, помоги.",
        "ИНН:500100732259",
        "Мій РНОКПП 1759013776.",
        "マイナンバーは432387178462です。",
        "เลขประจำตัวประชาชนของฉันคือ 1234545678781 ครับ",
    ],
)
def test_national_numbers_are_found_behind_words_of_other_scripts(text):
    assert kinds(text) == {"national_id"}


@pytest.mark.parametrize(
    "text",
    [
        f"Tarjeta: {CARD}",
        f"Bitte buchen Sie von der Karte {CARD} ab.",
        f"Meine Kreditkartennummer lautet {CARD}.",
        f"La carte bancaire {CARD} est refusée",
        f"la mia carta di credito {CARD} non funziona",
        f"o cartão de crédito {CARD} foi recusado",
        f"оплата картой, карта {CARD} не работает",
        f"カード番号{CARD}が使えません",
        f"我的信用卡{CARD}不能用了",
    ],
)
def test_cards_are_found_behind_words_of_other_languages(text):
    assert kinds(text) == {"card"}


def test_another_sentence_does_not_call_a_number_otherwise():
    assert kinds(f"You help with letters. {CARD}") == {"card"}
    assert kinds(f"You help with letters {CARD}") == set()


@pytest.mark.parametrize("field", ["note", "text", "value", "content", "message"])
def test_a_field_whose_name_says_nothing_leaves_a_number_alone(field):
    assert kinds(json.dumps({"id": 17, field: CARD, "open": True})) == {"card"}


@pytest.mark.parametrize("field", ["id", "order", "trackingNumber", "sku", "imei"])
def test_a_field_that_names_another_number_does_not(field):
    assert kinds(json.dumps({"text": "x", field: CARD, "open": True})) == set()


@pytest.mark.parametrize("word", ["Summarise", "Quelles", "Cómo", "Welche", "Schreibe"])
def test_a_word_that_opens_a_request_is_nobody(word):
    assert is_nobody(f"{word} das", 0, len(word))


def test_a_name_is_somebody_also_at_the_beginning():
    assert not is_nobody("Margaret called.", 0, 8)
