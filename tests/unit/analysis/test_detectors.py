"""One table a kind: what must be found, and what only looks like it."""

import base64
import json

import pytest

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan

A = "Aq3Zt7Lm9Xw2Rk5Vb8Nc1Hd4Gf6Js0Pe"
"""Random-looking, and used by nobody; real prefixes are put before it only while a test runs."""


def kinds(text):
    return set(scan([text], DEFAULT_FLOORS).counts)


def spans(text, kind):
    found = scan([text], DEFAULT_FLOORS).findings
    return [text[f.start : f.end] for f in found if f.kind == kind]


def jwt():
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part({'sub': '1'})}.{A}"


EMAILS = [
    ("write to jo.doe+x@mail.example.org, please", "jo.doe+x@mail.example.org"),
    ("<JO@EXAMPLE.ORG>", "JO@EXAMPLE.ORG"),
    ("jörg@büro.example", "jörg@büro.example"),
    ("mailto:a_b%40example.org", "mailto:a_b%40example.org"[7:]),
    ("jo\u200b@example.org", "jo\u200b@example.org"),
    ("请联系jo@example.org谢谢", "jo@example.org"),
]
NOT_EMAILS = [
    "git@host.example:a/b",
    "logo@2x.png",
    "@types/node@18.2",
    "user@localhost",
    "a @ b.c",
]

PHONES = [
    "+44 20 7946 0018",
    "+1 (202) 555-0123",
    "0049 30 901820",
    "202-555-0123",
    "(202) 555-0123",
    "call me at 0410 787 999",
    "phone: 2025550123",
    "Tel. 030 901820-11",
    "phone: ٠٣٠٩٠١٨٢٠",
]
NOT_PHONES = [
    "order 2025550123",
    "version 10.15.7.19042",
    "2024-01-15 10:23:45",
    "1914-1918",
    "call me on 2024-01-15",
    "123e4567-e89b-12d3-a456-426614174000",
    "1,234,567.89",
    "+12 points",
    "size 1048576 bytes",
    "ISBN 978-3-16-148410-0",
    "10.0.0.1",
]

CARDS = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "4111.1111.1111.1111",
    "4111\n1111\n1111\n1111",
    "3782 822463 10005",
    "5555555555554444",
    "2223003122003222",
    "6011111111111117",
    "3530111333300000",
    "30569309025904",
    "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
    "4111\u200b1111\u200b1111\u200b1111",
    "４１１１１１１１１１１１１１１１",  # noqa: RUF001
    "4111\u00a01111\u00a01111\u00a01111",
    "4111–1111–1111–1111",  # noqa: RUF001
    "card_4111111111111111_x",
    "4111 1111 1111 1111 12/29 123",
    "%34111111111111111",
    r"\u0034111111111111111",
    "411111111111111\u0661",
    "my card: 411 11111 1111 1111 99",
]
NOT_CARDS = [
    "4111111111111112",
    "4111 1111 1111 1112",
    "4.111111111111111",
    "0.4111111111111111",
    "1111111111111111",
    "1700000000000",
    "9783161484100",
    "00041111111111111111110",
    "a3f5c9e1b2d4860718293a4b5c6d7e8f90123456",
    "550e8400-e29b-41d4-a716-446655440000",
    "12 34 56 78 90 11 12 13 14",
    "20240115102345",
]

IBANS = [
    "GB82WEST12345698765432",
    "GB82 WEST 1234 5698 7654 32",
    "gb82west12345698765432",
    "DE89 3704 0044 0532 0130 00 and more",
    "DE89-3704-0044-0532-0130-00",
    "NL91ABNA0417164300",
    "FR1420041010050500013M02606",
    "NO9386011117947",
    "DE89\u200b370400440532013000",
    "D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0",
    "MT84MALT011000012345MTLCAST001S",
]
NOT_IBANS = [
    "GB82WEST12345698765433",
    "DE89370400440532013001",
    "is 2020 and 2021 were good years in 2022",
    "AT10 percent of all the people",
    "XX82WEST12345698765432",
    "DE8937040044053201300",
]

SECRETS = [
    ("AKIA" + "IOSFODNN7ABCDEFG", "aws_access_key_id"),
    ("aws_key " + A + "/+tY3uIo", "aws_secret_key"),
    ("ghp_" + A + "abcd", "github_token"),
    ("github_pat_" + A, "github_token"),
    ("glpat-" + A[:20], "gitlab_token"),
    ("xoxb-" + "284917305562-" + A, "slack_token"),
    ("sk_live_" + A, "stripe_key"),
    ("rk_test_" + A, "stripe_key"),
    ("AIza" + A + "abc", "google_key"),
    ("sk-" + A, "sk_key"),
    ("sk-ant-api03-" + A, "sk_key"),
    ("sk-proj-" + A, "sk_key"),
    ("npm_" + A + "abcd", "npm_token"),
    ("pypi-AgE" + A + A, "pypi_token"),
    ("hf_" + A, "huggingface_token"),
    ("gsk_" + A, "vendor_token"),
    ("situs_" + "0a1b2c3d_" + A + "qYw8Lk2Zr5T", "situs_key"),
    ("SG." + A[:22] + "." + A + "qYw8Lk2Zr5T", "sendgrid_key"),
    ("123456789" + ":AA" + A + "x", "telegram_token"),
    ("dapi" + "3f9ac01be75d2846" * 2, "databricks_token"),
    ("Authorization: Bearer " + A, "bearer"),
    ('"Authorization": "Basic ' + base64.b64encode(b"jo:pa55w0rd").decode() + '"', "basic"),
    ("x-api-key: " + A, "assigned_secret"),
    ("authorization: " + A, "authorization"),
    ("postgres://app:" + "s3cr3tPa55@db.example/x", "url_password"),
    ("DB_PASSWORD_PROD=" + "Tr0ub4dor&3", "assigned_secret"),
    ('{"api_key": "' + A + '"}', "assigned_secret"),
    ('{\\"client_secret\\": \\"' + A + '\\"}', "assigned_secret"),
    ("Server=x;Password=" + "hY7!kd02;", "assigned_secret"),
    ("my password is " + "hunter2x!", "said_secret"),
    ("my pin is " + "4321", "short_pin"),
    ("CVV: " + "123", "short_pin"),
    ("DB_PASS=" + "Tr0ub4dor&3", "assigned_secret"),
    ("password\u00a0= " + "Tr0ub4dor&3", "assigned_secret"),
    ("mot de passe\u00a0: " + "Tr0ub4dor&3", "assigned_secret"),
    ("mon mot de passe est " + "hunter2x!", "said_secret"),
    ("mi contraseña es " + "hunter2x!", "said_secret"),
    ("curl -s -u jo:" + "hunter2x https://x.example", "command_password"),
    ("| password | " + "hunter2x |", "tabled_secret"),
    (jwt(), "jwt"),
]
NOT_SECRETS = [
    "password: required",
    "password = os.environ['DB_PASSWORD']",
    "api_key: YOUR_API_KEY",
    "token = get_token(user)",
    "password=${DB_PASSWORD}",
    "secret: <your secret here>",
    "the password is incorrect",
    "max_tokens: 4096",
    "all_pass = 12.5ms",
    "| Token | SHA256 |",
    "| Password | Required? |",
    "curl -u user:password https://x.example",
    "passphrase: the words that you type",
    "mot de passe est obligatoire",
    "pin 4 of 1300, near the CVC",
    "https://example.org:8443/path",
    "postgres://user:password@localhost/db",
    "sk-navigation-menu-item-with-a-long-name",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "aws commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "eyJust.a.word",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
]

PRIVATE_KEYS = [
    f"-----BEGIN {kind}PRIVATE KEY-----\nMIIE\n-----END {kind}PRIVATE KEY-----"
    for kind in ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ")
] + [
    "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----",
    "---- BEGIN SSH2 ENCRYPTED " + "PRIVATE KEY ----",
    "-----BEGIN " + "PRIVATE KEY-----\\nMIIE\\n",
    "-----BEGIN\u00a0" + "PRIVATE\u00a0KEY-----",
    "-----BEGIN  RSA  " + "PRIVATE  KEY-----",
    "\u2014\u2013BEGIN " + "PRIVATE KEY\u2014\u2013",
    "-----**BEGIN " + "PRIVATE KEY**-----",
    "PuTTY-User-" + "Key-File-2: ssh-rsa",
    "AGE-SECRET-" + "KEY-1" + "Q" * 58,
    "b3BlbnNzaC1r" + "ZXktdjEAAAAABG5vbmU=",
]
NOT_PRIVATE_KEYS = ["-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----", "a private key"]

NATIONAL_IDS = [
    "SSN 536-90-4399",
    "employee,number\nJo,536-90-4399",
    "ssn 536904399",
    "my social security number is 536 90 4399",
    "TFN: 123 456 782",
    "AB 12 34 56 C",
    "RSSMRA85T10A562S",
    "131052-308T",
    "756.9217.0769.85",
    "390.533.447-05",
    "2 95 10 99 126 111 93",
    "BSN 111222333",
    "PESEL 44051401359",
    "SIN 123 456 782",
    "Steuer-ID 36 574 261 809",
    "DNI 54362315K",
    "personnummer 880320-0016",
    "Aadhaar 2341 2341 2346",
    "my driver's license number is A56319335",
    "passport C01X00T47 or passport 123456789",
]
NOT_NATIONAL_IDS = [
    "000-12-3456",
    "666-12-3456",
    "987-65-4320",
    "order 536904399",
    "TFN: 123 456 783",
    "GB 12 34 56 C",
    "RSSMRA85T10A562X",
    "756.9217.0769.84",
    "390.533.447-06",
    "BSN 111222334",
    "part 12-345-6789",
]
HEALTH_IDS = ["NHS 943 476 5919", "Medicare 2123 45670 1", "MRN: 00123456"]
NOT_HEALTH_IDS = ["NHS 943 476 5918", "Medicare 2123 45671 1", "2123 45670 1"]

BIRTHS = [
    "date of birth: 3/23/1940",
    "DOB 1979-05-16",
    "dob: 16 May 1979",
    "Date of birth — May 16th, 1979",
    "geboren am 16.05.1979",
    "She was born on 4/22/1965",
    "I was born 6 December 1949",
]
NOT_BIRTHS = [
    "(born 6 December 1949) is a politician",
    "the meeting is on 3/23/2024",
    "DOB 99/99/1979",
    "version 1.2.1979",
]
ACCOUNTS = ["routing 021000021", "bank account 12345678", "account number: 1234-5678-90"]
NOT_ACCOUNTS = ["routing 021000022", "account 12345678 likes", "1234567890"]

TABLE = {
    "email": ([text for text, _ in EMAILS], NOT_EMAILS),
    "phone": (PHONES, NOT_PHONES),
    "card": (CARDS, NOT_CARDS),
    "iban": (IBANS, NOT_IBANS),
    "credential": ([text for text, _ in SECRETS], NOT_SECRETS),
    "private_key": (PRIVATE_KEYS, NOT_PRIVATE_KEYS),
    "national_id": (NATIONAL_IDS, NOT_NATIONAL_IDS),
    "health_id": (HEALTH_IDS, NOT_HEALTH_IDS),
    "date_of_birth": (BIRTHS, NOT_BIRTHS),
    "bank_account": (ACCOUNTS, NOT_ACCOUNTS),
}

NAMED = {"card": "My card", "national_id": "My SSN"}


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, (yes, _) in TABLE.items() for t in yes])
@pytest.mark.parametrize("around", ["{}", "Words before: {} and some after.", "é„{}“"])
def test_it_is_found(kind, text, around):
    """In a sentence, digits in one piece are what the sentence says they are."""
    around = around.replace("Words before", NAMED.get(kind, "Words before"))
    assert kind in kinds(around.replace("{}", text))


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, (_, no) in TABLE.items() for t in no])
@pytest.mark.parametrize("around", ["{}", "some words, then {} , and more"])
def test_a_look_alike_is_dropped(kind, text, around):
    assert kind not in kinds(around.replace("{}", text))


@pytest.mark.parametrize(("text", "address"), EMAILS)
def test_the_span_of_an_address_points_into_the_original(text, address):
    assert spans(f"ü {text}", "email") == [address]


@pytest.mark.parametrize(("text", "detector"), SECRETS)
def test_each_secret_has_its_detector(text, detector):
    names = {finding.detector for finding in scan([text], DEFAULT_FLOORS).findings}
    assert names == {detector}


@pytest.mark.parametrize("name", ["passphrase: ", "Seed phrase is: ", "mnemonic="])
def test_words_after_the_name_of_a_phrase_are_secret(name):
    words = "legal winner thank year " * 3
    assert spans(f"My {name}{words}\nmore", "credential") == [words.strip()]


def test_every_kind_has_a_floor():
    from situs.analysis.sensitivity.table import DETECTORS

    assert {row.kind for row in DETECTORS} <= set(DEFAULT_FLOORS)
    assert len({row.name for row in DETECTORS}) == len(DETECTORS)


def test_two_numbers_side_by_side_are_two_findings():
    assert len(spans("4111 1111 1111 1111 5555 5555 5555 4444", "card")) == 2
    assert len(spans("DE89370400440532013000 GB82WEST12345698765432", "iban")) == 2


def test_a_private_key_is_covered_to_its_end():
    text = f"x {PRIVATE_KEYS[1]} y"
    assert spans(text, "private_key") == [PRIVATE_KEYS[1]]


def test_base64_and_percent_encoding_hide_nothing():
    inner = "the card is 4111 1111 1111 1111"
    run = base64.b64encode(inner.encode()).decode()
    assert spans(f"see {run} there", "card") == [run.rstrip("=")]
    assert "card" in kinds("".join(f"%{ord(char):02x}" for char in inner))


def test_of_overlapping_findings_the_higher_floor_stays():
    text = "password=Xk9!" + "4539148803436467"
    assert kinds(text) == {"credential"}
