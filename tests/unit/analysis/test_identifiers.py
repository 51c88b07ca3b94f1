"""Identifiers of networks, wallets, companies and countries, and what only looks like them."""

import hashlib
import json
import random
import string
import uuid
from importlib import import_module

import pytest

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan
from situs.analysis.sensitivity.money import luhn
from situs.analysis.sensitivity.wallets import is_base58, is_bech32, is_ripple

RANDOM = random.Random(11)


def kinds(text):
    return set(scan([text], DEFAULT_FLOORS).counts)


def digits(count):
    return "".join(RANDOM.choices(string.digits, k=count))


def valid(module, form):
    """A number for which the module has no objection: `#` stands for a digit, `@` for a letter."""
    check = import_module(f"stdnum.{module}").is_valid
    while True:
        filled = "".join(
            RANDOM.choice({"#": string.digits, "@": string.ascii_uppercase}.get(char, char))
            for char in form
        )
        if check(filled):
            return filled


COUNTRIES = [
    ("au.tfn", "#########", "TFN", "national_id"),
    ("au.abn", "###########", "ABN", "company_id"),
    ("au.acn", "#########", "ACN", "company_id"),
    ("nz.ird", "12#######", "IRD number", "national_id"),
    ("jp.in_", "############", "My Number", "national_id"),
    ("in_.aadhaar", "5###########", "Aadhaar", "national_id"),
    ("in_.pan", "ABCPD####E", "PAN", "national_id"),
    ("kr.brn", "220-81-#####", "business registration", "company_id"),
    ("th.pin", "1############", "Thai ID", "national_id"),
    ("gb.nhs", "##########", "NHS", "health_id"),
    ("gb.utr", "##########", "UTR", "national_id"),
    ("us.ssn", "212-##-####", "SSN", "national_id"),
    ("ca.sin", "1########", "SIN", "national_id"),
    ("br.cpf", "###########", "CPF", "national_id"),
    ("at.vnr", "####010180", "SVNR", "national_id"),
    ("bg.egn", "8001######", "EGN", "national_id"),
    ("hr.oib", "###########", "OIB", "national_id"),
    ("cz.rc", "800101/####", "rodné číslo", "national_id"),
    ("ee.ik", "380010#####", "isikukood", "national_id"),
    ("de.idnr", "###########", "Steuer-ID", "national_id"),
    ("gr.amka", "010180#####", "AMKA", "national_id"),
    ("ie.pps", "#######@", "PPS", "national_id"),
    ("lt.asmens", "380010#####", "asmens kodas", "national_id"),
    ("lv.pvn", "010180-1####", "personas kods", "national_id"),
    ("nl.bsn", "#########", "BSN", "national_id"),
    ("pl.pesel", "800101#####", "PESEL", "national_id"),
    ("pt.nif", "2########", "NIF", "national_id"),
    ("ro.cnp", "18001010####9"[:7] + "01####", "CNP", "national_id"),
    ("si.emso", "0101980500###", "EMŠO", "national_id"),
    ("es.dni", "########@", "DNI", "national_id"),
    ("is_.kennitala", "010180-####", "kennitala", "national_id"),
    ("ch.ssn", "756##########", "AHV", "national_id"),
    ("eu.vat", "DE#########", "VAT", "company_id"),
    ("br.cnpj", "11.###.###/0001-##", "CNPJ", "company_id"),
]


@pytest.mark.parametrize(("module", "form", "word", "kind"), COUNTRIES)
def test_a_valid_number_near_its_word_is_found(module, form, word, kind):
    number = valid(module, form)
    for text in (f"My {word} is {number}.", json.dumps({word: number}), f"{number} ({word})"):
        assert kind in kinds(text), text


@pytest.mark.parametrize(("module", "form", "word", "kind"), COUNTRIES)
def test_a_wrong_check_digit_is_not(module, form, word, kind):
    """One digit is raised, where the number ends in one; some country's rule may still allow it."""
    check = import_module(f"stdnum.{module}").is_valid
    wrong = 0
    for _ in range(20):
        number = valid(module, form)
        place = max(at for at, char in enumerate(number) if char.isdigit())
        broken = f"{number[:place]}{(int(number[place]) + 1) % 10}{number[place + 1 :]}"
        wrong += not check(broken) and kind in kinds(f"My {word} is {broken}.")
    assert wrong <= 4 or module == "us.ssn"


FOUND = [
    ("ip", "address 86.231.85.193 blocked"),
    ("ip", "ping 10.0.0.17"),
    ("ip", "from 8.8.8.8:53"),
    ("ip", "2001:db8:85a3::8a2e:370:7334"),
    ("ip", "d80:e4b5:79da:6cf6:71f3:51f7:9161:c319"),
    ("mac", "00:1b:44:11:3a:b7"),
    ("mac", "00-1B-44-11-3A-B7"),
    ("mac", "001b.4411.3ab7"),
    ("crypto_wallet", "send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ("crypto_wallet", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
    ("crypto_wallet", "0x" + "52908400098527886e0f7030069857d2e4169ee7"),
    ("bic", "BIC: DEUTDEFF500"),
    ("national_id", "S1234567D"),
    ("national_id", "MyKad 800101-14-5678"),
    ("national_id", "citizenship number 27-01-75-01234"),
    ("national_id", "passport number: PA1234567"),
    ("national_id", json.dumps({"customer_ssn": "536904399"})),
    ("national_id", json.dumps({"socialSecurityNumber": "536904399"})),
    ("national_id", "| name | ssn |\n|---|---|\n| Jo | 536-90-4399 |\n| Di | 536-90-4398 |"),
    ("date_of_birth", json.dumps({"dateOfBirth": "1979-05-16"})),
    ("phone", json.dumps({"phone_number": "0410787999"})),
    ("phone", "You can call 33 93 31"),
    ("phone", "24 428557-Office"),
    ("phone", "833.719.3994x1887"),
    ("card", json.dumps({"card_number": "4539578763621486"})),
    ("card", "Maestro card 501800000009"),
    ("card", "please charge 4539578763621486"),
    ("card", "4539578763621486, 12/29"),
    ("national_id", "national ID number 536904399"),
]


@pytest.mark.parametrize(("kind", "text"), FOUND)
def test_it_is_found(kind, text):
    assert kind in kinds(text)


NOTHING = [
    "version 86.231.85.193",
    "upgrade to 4.18.2.1",
    "pkg==1.22.33.44",
    "release 12.4.66.120 is out",
    "127.0.0.1 and 0.0.0.0 and 255.255.255.0",
    "section 4.1.1.1",
    "10:23:45 std::vector a::b ::1",
    "4111.1111.1112",
    "part 212-45-6789 is out of stock",
    "Replace 212-45-6789 with another",
    "order 4539578763621486 has shipped",
    "the id is 4539578763621486",
    json.dumps({"order_id": 4539578763621486}),
    "IDENTITY PASSPORT NETWORKS",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
    "0x" + "0" * 40,
    "sha1 0x" + "52908400098527886e0f7030069857d2e4169ee7",
    "postgres://user:password@example.com/db",
    "token = random.randrange(sys.maxsize)",
    "itoken = grammar.opmap[value]",
    ":type tokens: CommonTokenStream",
    "h = h * 69069 + 907133923",
    "6000 255 241 6950 7000",
    'ROLE = "AmazonElasticMapReduceforAutoScalingRole"  # aws',
]


@pytest.mark.parametrize("text", NOTHING)
def test_a_look_alike_is_dropped(text):
    assert kinds(text) == set()


SAMPLES = [
    "AKIA" + "IOSFODNN7" + "EXAMPLE",
    "ghp_" + "x" * 36,
    "hf_" + "x" * 34,
    "sk-" + "1234567890abcdef" * 2,
    "xoxb-" + "your-token-here-please",
    "AWS_SECRET_ACCESS_KEY=" + "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
    "PASSWORD=" + "password123",
    "password: " + "p@ssw0rd",
    "-----BEGIN " + "PRIVATE KEY-----\n...\n-----END " + "PRIVATE KEY-----",
    "SG." + "x" * 22 + "." + "y" * 43,
]


@pytest.mark.parametrize("text", SAMPLES)
def test_what_documentation_shows_is_no_secret(text):
    assert kinds(text) == set()


CARRIERS = ["{}", "The {} is here.", 'id: "{}"', "see {} in the log", "| {} | 12 | ok |"]
LOOK_ALIKES = {
    "uuid": lambda: str(uuid.UUID(int=RANDOM.getrandbits(128))),
    "sha1": lambda: hashlib.sha1(digits(9).encode(), usedforsecurity=False).hexdigest(),
    "sha256": lambda: hashlib.sha256(digits(9).encode()).hexdigest(),
    "epoch": lambda: str(RANDOM.randint(1_500_000_000, 1_800_000_000)),
    "milliseconds": lambda: str(RANDOM.randint(1_500_000_000_000, 1_800_000_000_000)),
    "float": lambda: repr(RANDOM.random() * 10 ** RANDOM.randint(0, 6)),
    "ISBN": lambda: f"978-{digits(1)}-{digits(3)}-{digits(5)}-{digits(1)}",
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_random_values_are_nothing(name):
    texts = [carrier.format(LOOK_ALIKES[name]()) for carrier in CARRIERS for _ in range(100)]
    assert [text for text in texts if kinds(text)] == []


def test_a_country_that_is_named_judges_its_numbers():
    number = valid("pl.pesel", "800101#####")
    assert "national_id" in kinds(f"My Polish personal number is {number}")
    swiss = [valid("pl.pesel", "800101#####") for _ in range(5)]
    assert not any(kinds(f"My Swiss personal number is {one}") for one in swiss)


ISSUERS = [
    *(("5018", 12), ("6304", 12), ("6759", 12), ("4", 13), ("301", 14), ("36", 14), ("34", 15)),
    *(("1800", 15), ("4", 16), ("51", 16), ("2720", 16), ("6011", 16), ("65", 16), ("35", 16)),
    *(("5038", 17), ("62", 18), ("4", 19)),
]


@pytest.mark.parametrize(("prefix", "size"), ISSUERS)
@pytest.mark.parametrize("around", ["My card {} is lost", "cc: {}", "I paid with {}, exp 12/28"])
def test_cards_of_every_length_are_found_near_words_of_paying(prefix, size, around):
    body = prefix + digits(size - len(prefix) - 1)
    card = next(body + last for last in string.digits if luhn(body + last))
    text = around.format(card)
    found = [f for f in scan([text], DEFAULT_FLOORS).findings if f.kind == "card"]
    assert [text[f.start : f.end] for f in found] == [card]


def test_random_ids_are_hardly_ever_cards():
    texts = [f"Order {RANDOM.randint(1, 9)}{digits(15)} was sent to you" for _ in range(1000)]
    assert sum("card" in kinds(text) for text in texts) <= 10


@pytest.mark.parametrize(
    ("check", "address"),
    [
        (is_base58, "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"),
        (is_bech32, "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"),
        (is_ripple, "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh"),
    ],
)
def test_one_wrong_character_breaks_the_checksum_of_a_wallet(check, address):
    assert check(address)
    for place in range(4, len(address)):
        other = "q" if address[place] != "q" else "p"
        assert not check(address[:place] + other + address[place + 1 :])
